"""Genes at spots: correlations by brute force, invariances, calibration; sections that mislead."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from helpers.lattices import lattice
from histohet.agreement.counts import GeneCounts, MeasuredSpots, normalised
from histohet.agreement.expression import MIN_OVERLAP, OUTSIDE, TileMap, place
from histohet.agreement.genes import (
    GeneAgreement,
    ScoreMap,
    agree_with_genes,
    no_gene_agreement,
    rank_correlation_given,
    rank_correlations_given,
    scores_at,
)

SIDE = 112 / 0.688
TILES = np.rint(lattice(30, 26) * SIDE).astype(np.int64)
SPOTS = lattice(15, 13) * 290.7 + 300


def by_residuals(a: np.ndarray, b: np.ndarray, given: np.ndarray) -> float:
    """Pearson's correlation of what a least-squares line through the ranks of `given` leaves."""
    ranks = [rankdata(one) for one in (a, b, given)]
    design = np.stack([np.ones(len(given)), ranks[2]], axis=1)
    left = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in ranks[:2]]
    return float(np.corrcoef(*left)[0, 1])


@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(3, 40))
def test_partial_correlation_is_that_of_the_residuals(seed: int, n: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different values make ties; the first three differ, so that none is constant.
    a, b, given = (rng.integers(values, size=n) for _ in range(3))
    for one in (a, b, given):
        one[:3] = rng.permutation(3)
    ranks = np.corrcoef([rankdata(one) for one in (a, b, given)])
    found = rank_correlation_given(a, b, given)
    if max(abs(ranks[0, 2]), abs(ranks[1, 2])) > 1 - 1e-9:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(by_residuals(a, b, given), abs=1e-9)
    assert rank_correlation_given(a, b, np.zeros(n)) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)


def test_partial_correlation_in_closed_form() -> None:
    """ρ_ab = 0.6, ρ_ag = 0.3, ρ_bg = 0.5 by hand: 0.45 / √(0.91 · 0.75)."""
    a, b, given = np.array([1, 2, 3, 4, 5]), np.array([2, 1, 5, 3, 4]), np.array([2, 4, 5, 1, 3])
    rho = [1 - 6 * ((x - y) ** 2).sum() / 120 for x, y in ((a, b), (a, given), (b, given))]
    expected = (rho[0] - rho[1] * rho[2]) / np.sqrt((1 - rho[1] ** 2) * (1 - rho[2] ** 2))
    assert rank_correlation_given(a, b, given) == pytest.approx(expected, abs=1e-12)
    # As ranks are all that counts, a logarithm changes nothing.
    again = rank_correlation_given(np.exp(a), b, np.log(given))
    assert again == pytest.approx(expected, abs=1e-12)


def test_without_variation_or_beside_its_own_cause_there_is_no_correlation() -> None:
    a, b = np.arange(6.0), np.array([1.0, 3, 2, 5, 4, 6])
    assert np.isnan(rank_correlation_given(np.ones(6), b, a))
    assert np.isnan(rank_correlation_given(b, np.ones(6), a))
    assert np.isnan(rank_correlation_given(a, b, a))
    assert np.isnan(rank_correlation_given(b, -a, a))


@given(st.integers(0, 2**32 - 1))
def test_rows_with_gaps_are_compared_without_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, given = rng.integers(5, size=(7, 40)).astype(float), *rng.integers(9, size=(2, 40))
    a[rng.random(a.shape) < 0.2] = np.nan
    found = rank_correlations_given(a, b, given)
    for row, rho in zip(a, found, strict=True):
        on = ~np.isnan(row)
        assert rho == pytest.approx(by_residuals(row[on], b[on], given[on]), abs=1e-9)


def smooth(points: np.ndarray, seed: int, length: float = 500) -> np.ndarray:
    """A smooth field: waves of random directions, (N,)."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(size=(2, 60)) / length, rng.uniform(0, 2 * np.pi, 60)
    return np.cos(points @ waves + phases).sum(axis=1) / np.sqrt(30)


def section(
    truth: int = 1, depth_like: float = 0.0, mean_depth: float = 5000, seed: int = 0
) -> tuple[ScoreMap, MeasuredSpots]:
    """A gene that follows field `truth` at spots, and maps of field 1 and of the depth."""
    rng = np.random.default_rng(seed)
    density = smooth(SPOTS, 77)
    totals = rng.poisson(mean_depth * np.exp(density)) + 1
    share = 0.01 * np.exp(0.7 * smooth(SPOTS, truth) + depth_like * density)
    gene = rng.binomial(totals, np.clip(share, 0, 0.5))
    counts = np.stack([gene, np.zeros_like(gene)], axis=1)
    names = np.array([f"s{number}" for number in range(len(SPOTS))])
    spots = MeasuredSpots(
        SPOTS, GeneCounts(names, ("G", "none"), counts, totals), len(SPOTS) + 5, 5, 2
    )
    centres = TILES + SIDE / 2
    scores = np.stack([smooth(centres, 1), smooth(centres, 77)], axis=1)
    return ScoreMap(TILES, SIDE, scores.astype(np.float32), ("field", "density")), spots


def only(found: list[GeneAgreement]) -> GeneAgreement:
    (one,) = found
    return one


def test_a_map_of_the_gene_agrees_and_every_number_is_that_of_brute_force() -> None:
    tiles, spots = section()
    kept = TILES[:, 0] < 4200
    tiles = replace(tiles, coords=TILES[kept], scores=tiles.scores[kept])
    found = only(agree_with_genes(tiles, spots, {"field": "G"}, 3, 199))
    rows = TileMap(tiles.coords, SIDE, np.arange(kept.sum())).at(SPOTS)
    on = rows != OUTSIDE
    assert 0 < on.sum() < len(SPOTS)
    score, counts, depth = (
        tiles.scores[rows[on], 0],
        spots.counts.of("G")[on],
        spots.counts.totals[on],
    )
    expression = np.log1p(1e4 * counts / depth)
    assert found.rho == pytest.approx(spearmanr(score, expression)[0], abs=1e-9)
    assert found.rho_given_depth == pytest.approx(by_residuals(score, expression, depth), abs=1e-9)
    high = expression > np.median(expression)
    for auc, values in ((found.auc, score), (found.auc_depth, depth)):
        pairs = values[high][:, None] - values[~high]
        assert auc == pytest.approx((np.sign(pairs) / 2 + 0.5).mean(), abs=1e-12)
    assert found.detected_share == (counts > 0).mean()
    assert found.median_depth == np.median(depth)
    assert found.rho_given_depth > 0.7
    assert found.p == 1 / 200
    assert (found.assessed, found.reason, found.n_placements) == (True, "", 199)
    assert (found.n_compared, found.n_outside) == (on.sum(), (~on).sum())
    assert (found.n_spots, found.n_without_counts) == (len(SPOTS) + 5, 5)


def test_p_is_the_share_of_placements_that_agree_as_well() -> None:
    tiles, spots = section(truth=2)
    found = only(agree_with_genes(tiles, spots, {"field": "G"}, 3, 49))
    each = TileMap(TILES, SIDE, np.arange(len(TILES)))
    rows, totals = each.at(SPOTS), spots.counts.totals
    expression = normalised(spots.counts.of("G"), totals)
    placed = place(SPOTS, each, MIN_OVERLAP * (rows != OUTSIDE).sum(), 49, 3)
    sizes, rhos = [], []
    for one in [rows, *placed]:
        on = one != OUTSIDE
        rhos.append(by_residuals(tiles.scores[one[on], 0], expression[on], totals[on]))
        sizes.append(np.sqrt(on.sum()) * rhos[-1])
    assert 0.02 < found.p == np.mean(np.array(sizes) >= sizes[0] - 1e-9)
    assert found.rho_by_chance == pytest.approx(np.quantile(rhos[1:], 0.95), abs=1e-9)


def test_a_map_of_depth_looks_skilful_and_is_not() -> None:
    """What B4 shows (below), with everything known."""
    tiles, spots = section(truth=2, depth_like=0.6)
    found = only(agree_with_genes(tiles, spots, {"density": "G"}, 3, 99))
    assert found.rho > 0.4
    assert found.auc > 0.65
    assert found.auc_depth >= found.auc - 0.05
    assert abs(found.rho_given_depth) < 0.15
    assert found.p > 0.05


@pytest.mark.parametrize("seed", range(5))
def test_order_of_spots_scale_of_counts_and_of_scores_do_not_matter(seed: int) -> None:
    tiles, spots = section()
    rng = np.random.default_rng(seed)
    order, factor = rng.permutation(len(SPOTS)), int(rng.integers(2, 9))
    counts = spots.counts
    mixed = GeneCounts(
        counts.names[order],
        ("none", "G"),
        factor * counts.counts[order][:, ::-1],
        factor * counts.totals[order],
    )
    tiles_too = rng.permutation(len(TILES))
    stretched = ScoreMap(
        TILES[tiles_too], SIDE, np.exp(tiles.scores[tiles_too][:, ::-1]), ("density", "field")
    )
    first = only(agree_with_genes(tiles, spots, {"field": "G"}, 3, 9))
    again = only(
        agree_with_genes(
            stretched, replace(spots, centres=SPOTS[order], counts=mixed), {"field": "G"}, 3, 9
        )
    )
    # Placements are the same but for rounding of the spots' mean.
    assert again.median_depth == factor * first.median_depth
    same = {"median_depth", "rho_by_chance", "p"}
    assert {k: v for k, v in asdict(again).items() if k not in same} == pytest.approx(
        {k: v for k, v in asdict(first).items() if k not in same}
    )


def test_genes_do_not_depend_on_each_other() -> None:
    tiles, spots = section(truth=2)
    both = agree_with_genes(tiles, spots, {"density": "G", "field": "G"}, 3, 19)
    assert [(one.trait, one.gene) for one in both] == [("density", "G"), ("field", "G")]
    assert both[1:] == agree_with_genes(tiles, spots, {"field": "G"}, 3, 19)
    assert (
        agree_with_genes(tiles, spots, {"field": "G"}, 4, 19)[0].rho_by_chance
        != both[1].rho_by_chance
    )


def test_a_gene_that_few_spots_show_is_described_and_not_assessed() -> None:
    tiles, spots = section(mean_depth=60)
    found = only(agree_with_genes(tiles, spots, {"field": "G"}, 3, 19))
    assert 0.1 < found.detected_share < 0.8
    assert (found.assessed, found.p, found.rho_by_chance, found.n_placements) == (
        False,
        None,
        None,
        0,
    )
    assert found.reason.startswith(f"detected in {found.detected_share:.0%} of the spots, 80% are")
    assert None not in (found.rho, found.rho_given_depth, found.auc, found.auc_depth)


def test_the_share_that_is_needed_is_eighty_percent() -> None:
    tiles, spots = section()
    compared = np.flatnonzero(TileMap(TILES, SIDE, np.arange(len(TILES))).at(SPOTS) != OUTSIDE)
    for n, assessed in ((int(0.2 * len(compared)), True), (int(0.2 * len(compared)) + 1, False)):
        counts = spots.counts.counts.copy()
        counts[:, 0] = np.maximum(counts[:, 0], 1)
        counts[compared[:n], 0] = 0
        changed = replace(spots, counts=replace(spots.counts, counts=counts))
        assert only(agree_with_genes(tiles, changed, {"field": "G"}, 3, 9)).assessed == assessed


def test_what_cannot_be_compared_says_why() -> None:
    tiles, spots = section()
    never = only(agree_with_genes(tiles, spots, {"field": "none"}, 3, 9))
    assert (never.detected_share, never.rho, never.auc, never.auc_depth) == (0, None, None, None)
    assert never.reason.startswith("detected in 0%")
    flat = replace(tiles, scores=np.ones_like(tiles.scores))
    same = only(agree_with_genes(flat, spots, {"field": "G"}, 3, 9))
    assert (same.rho, same.rho_given_depth, same.assessed) == (None, None, False)
    assert same.reason == "all compared spots have one score, or one expression"
    away = replace(spots, centres=SPOTS + 1e5)
    lost = only(agree_with_genes(tiles, away, {"field": "G"}, 3, 9))
    assert (lost.n_outside, lost.n_compared, lost.rho) == (len(SPOTS), 0, None)
    assert lost.reason.startswith(
        "0 of 195 spots with counts lie on tiles of the map, 4 are needed"
    )
    assert "level 0" in lost.reason
    few = ScoreMap(TILES[:0], SIDE, tiles.scores[:0], tiles.traits)
    assert only(agree_with_genes(few, spots, {"field": "G"}, 3, 9)).n_outside == len(SPOTS)


def test_a_slide_without_a_map_says_so() -> None:
    _, spots = section()
    found = only(no_gene_agreement(spots, {"field": "G"}, "no_tiles: all glass"))
    assert (found.n_spots, found.n_outside, found.n_compared) == (len(SPOTS) + 5, len(SPOTS), 0)
    assert (found.rho, found.assessed, found.reason) == (None, False, "no_tiles: all glass")


def test_a_map_that_ranks_spots_as_their_depth_does_is_told() -> None:
    """Every spot on a tile of its own, whose score is the depth of the spot."""
    _, spots = section()
    corners = np.rint(SPOTS - SIDE / 2).astype(np.int64)
    totals = np.random.default_rng(2).permutation(len(SPOTS)) + 100
    spots = replace(spots, counts=replace(spots.counts, totals=totals))
    own = ScoreMap(corners, SIDE, totals[:, None].astype(np.float32), ("depth",))
    found = only(agree_with_genes(own, spots, {"depth": "G"}, 3, 9))
    assert (found.rho_given_depth, found.assessed) == (None, False)
    assert found.reason == "score or expression ranks the spots as their depth does"


def test_too_few_placements_are_told() -> None:
    """Tiles that are far apart: spots that are moved fall between them."""
    _, spots = section()
    corners = np.rint(SPOTS - 10).astype(np.int64)
    own = ScoreMap(corners, 20, smooth(SPOTS, 1)[:, None].astype(np.float32), ("field",))
    found = only(agree_with_genes(own, spots, {"field": "G"}, 3, 9))
    assert found.rho_given_depth > 0.7
    assert (found.assessed, found.p) == (False, None)
    assert found.reason == "0 of 1800 random placements keep 80% of the spots"


def test_unknown_names_and_scores_that_are_none_are_refused() -> None:
    tiles, spots = section()
    with pytest.raises(ValueError, match=r"the map has no trait 'fields'; did you mean field\?"):
        agree_with_genes(tiles, spots, {"fields": "G"}, 3)
    with pytest.raises(ValueError, match="no trait 'x'; there are 'field', 'density'"):
        agree_with_genes(tiles, spots, {"x": "G"}, 3)
    with pytest.raises(ValueError, match="gene 'H' was not read; there are 'G', 'none'"):
        agree_with_genes(tiles, spots, {"field": "H"}, 3)
    scores = tiles.scores.copy()
    scores[6, 1] = np.nan
    with pytest.raises(ValueError, match="tile 7 has no finite score of 'density'"):
        replace(tiles, scores=scores)
    with pytest.raises(ValueError, match=r"780 tiles and 1 traits have scores of shape \(780, 2\)"):
        replace(tiles, traits=("field",))


def test_scores_at_spots_are_those_of_the_tile_under_them() -> None:
    tiles, _ = section()
    found = scores_at(tiles, np.vstack([TILES[[5, 90]] + 40, [[-9e3, 0]]]), "density")
    assert found[:2].tolist() == tiles.scores[[5, 90], 1].tolist()
    assert np.isnan(found[2])


def test_smooth_independent_maps_are_rarely_significant() -> None:
    """The bench (tests/bench/placements.py) has more maps and repeats; docs/agreement.md."""
    rejected = 0
    for repeat in range(60):
        _, spots = section(truth=1000 + repeat, depth_like=0.5, seed=repeat)
        scores = smooth(TILES + SIDE / 2, 5000 + repeat)[:, None].astype(np.float32)
        one = ScoreMap(TILES, SIDE, scores, ("field",))
        p = only(agree_with_genes(one, spots, {"field": "G"}, repeat, 99)).p
        rejected += p <= 0.05
    # 5 % of 60 are 3, with a standard deviation of 1.7.
    assert rejected <= 9
