"""Agreement of a trait's score per tile with the expression of a gene at spots of the same section.

Two traps make maps look better than they are (docs/agreement.md). Where a section was sequenced
shallowly, whether a gene is seen at a spot is mostly a matter of how many molecules were counted
there, and a map that knows nothing but the density of cells predicts that. So every correlation is
also given the sequencing depth, the depth alone is the baseline, and genes that too few spots show
are not assessed. And both maps are smooth, so the p-value is that of random placements of the spots
over the map (`histohet.agreement.expression`). There n times a covariance has the same variance
wherever the spots come to lie, but a correlation goes as the root of n, so √n ρ is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from histohet.agreement.counts import MeasuredSpots, normalised
from histohet.agreement.expression import (
    MIN_OVERLAP,
    N_PLACEMENTS,
    OUTSIDE,
    QUERIES_PER_BATCH,
    Clusters,
    TileMap,
    place,
    share_at_least_first,
    too_few_placements,
)
from histohet.common.arrays import Bools, Float32, Floats, Ints
from histohet.common.settings import did_you_mean, quoted
from histohet.tiles.lattice import Coords

Numbers = npt.NDArray[np.floating] | Ints

MIN_DETECTED = 0.8
"""Share of spots that must show a gene. Below, its ranks are mostly those of the depth."""

MIN_SPOTS = 4
"""A correlation given a third variable has n - 3 degrees of freedom."""

NOTHING_LEFT = 1e-12
"""Share of a variance that is rounding error."""

BY_CHANCE = 0.95
"""Share of placements with a smaller correlation than the one that is called that by chance."""


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores of traits on the tiles of a slide.

    Attributes
    ----------
    coords
        int64 (M, 2) corners, level-0 px.
    side_px
        Side of a tile, level-0 px.
    scores
        float32 (M, T), any scale.
    traits
        Names of the T traits.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a score is not finite.
    """

    coords: Coords
    side_px: float
    scores: Float32
    traits: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.coords), len(self.traits)):
            raise ValueError(
                f"{len(self.coords)} tiles and {len(self.traits)} traits have scores of shape "
                f"{self.scores.shape}"
            )
        lost = np.argwhere(~np.isfinite(self.scores))
        if len(lost):
            row, column = lost[0].tolist()
            raise ValueError(f"tile {row + 1} has no finite score of '{self.traits[column]}'")

    def of(self, trait: str) -> Float32:
        """Return the scores (M,) of a trait.

        Raises
        ------
        ValueError
            If there is no such trait.
        """
        if trait not in self.traits:
            there = did_you_mean(trait, self.traits) or f"; there are {quoted(self.traits)}"
            raise ValueError(f"the map has no trait '{trait}'{there}")
        scores: Float32 = self.scores[:, self.traits.index(trait)]
        return scores


@dataclass(frozen=True)
class GeneAgreement:
    """How the map of a trait agrees with the expression of a gene.

    Attributes
    ----------
    trait, gene
        Their names.
    n_spots, n_without_counts, n_without_position
        See `MeasuredSpots`.
    n_outside, n_compared
        Spots with counts on no tile of the map; the rest.
    median_depth
        Median total count of the compared spots.
    detected_share
        Share of the compared spots with at least one count of the gene.
    assessed
        Whether there is a p-value; otherwise `reason` says why not, and what else is given only
        describes.
    rho
        Spearman's ρ of score and normalised expression.
    rho_given_depth
        See `rank_correlation_given`; the depth is the total count.
    rho_by_chance
        95 % of the placements have a ρ given depth below it.
    p
        Share of placements whose √n ρ given depth is at least as large, the observed one counted
        among them: one-sided.
    auc, auc_depth
        Area under the ROC curve of the score, and of the total count alone, for spots above the
        median expression against the others. Of no use, either is 0.5.
    n_placements
        Placements drawn.
    reason
        Why the gene is not assessed; "" if it is.
    """

    trait: str
    gene: str
    n_spots: int
    n_without_counts: int
    n_without_position: int
    n_outside: int
    n_compared: int
    median_depth: float | None = None
    detected_share: float | None = None
    assessed: bool = False
    rho: float | None = None
    rho_given_depth: float | None = None
    rho_by_chance: float | None = None
    p: float | None = None
    auc: float | None = None
    auc_depth: float | None = None
    n_placements: int = 0
    reason: str = ""


def agree_with_genes(
    tiles: ScoreMap,
    spots: MeasuredSpots,
    gene_of: Mapping[str, str],
    seed: int,
    n_placements: int = N_PLACEMENTS,
) -> list[GeneAgreement]:
    """Compare the maps of traits with the expression of their genes.

    Parameters
    ----------
    tiles
        Scores; a spot takes that of the tile that contains its centre.
    spots
        Counts on the same section, in the same pixels.
    gene_of
        Gene of every trait.
    seed
        Seed of the placements, which all genes share.
    n_placements
        Random placements for the p-values.

    Returns
    -------
    list
        One entry per trait, in the order of `gene_of`.

    Raises
    ------
    ValueError
        If the map has no such trait, or the counts have no such gene.
    """
    each = _numbered(tiles)
    rows = each.at(spots.centres)
    n, n_compared = len(rows), int((rows != OUTSIDE).sum())
    columns = [(tiles.of(trait), spots.counts.of(gene)) for trait, gene in gene_of.items()]
    if n_compared < MIN_SPOTS:
        reason = (
            f"{n_compared} of {n} spots with counts lie on tiles of the map, {MIN_SPOTS} are "
            "needed: are their positions pixels of level 0 of this slide?"
        )
        return no_gene_agreement(spots, gene_of, reason, n_compared)
    placed = place(spots.centres, each, MIN_OVERLAP * n_compared, n_placements, seed)
    missing = too_few_placements(len(placed), n_placements)
    return [
        replace(one, **_compare(*pair, spots.counts.totals, rows, placed, missing))
        for one, pair in zip(
            no_gene_agreement(spots, gene_of, "", n_compared), columns, strict=True
        )
    ]


def no_gene_agreement(
    spots: MeasuredSpots, gene_of: Mapping[str, str], reason: str, n_compared: int = 0
) -> list[GeneAgreement]:
    """Return what can be said of the genes of a slide whose map cannot be compared, and why."""
    return [
        GeneAgreement(
            trait,
            gene,
            spots.n_spots,
            spots.n_without_counts,
            spots.n_without_position,
            len(spots.centres) - n_compared,
            n_compared,
            reason=reason,
        )
        for trait, gene in gene_of.items()
    ]


def _compare(
    scores: Float32, counts: Ints, totals: Ints, rows: Clusters, placed: Clusters, missing: str
) -> dict[str, Any]:
    """Compare scores of tiles (M,) with counts of spots (N,).

    Parameters
    ----------
    rows, placed
        Tile of every spot, (N,), and in placements, (P, N); -1 for none.
    missing
        Why there are no placements to compare with; "" if there are.
    """
    expression = normalised(counts, totals)
    inside = rows != OUTSIDE
    score, measured, depth = scores[rows[inside]], expression[inside], totals[inside]
    detected = float((counts[inside] > 0).mean())
    rho = rank_correlation_given(score, measured, depth)
    high = measured > np.median(measured)
    described = {
        "median_depth": float(np.median(depth)),
        "detected_share": detected,
        "rho": _known(rank_correlation_given(score, measured, np.zeros(len(depth)))),
        "rho_given_depth": _known(rho),
        "auc": _auc(high, score),
        "auc_depth": _auc(high, depth),
    }
    reason = _why_not(score, measured, detected, rho) or missing
    if reason:
        return described | {"reason": reason}
    correlations = [np.array([rho])]
    size = max(1, QUERIES_PER_BATCH // len(rows))
    for first in range(0, len(placed), size):
        some = placed[first : first + size]
        shown = np.append(scores.astype(np.float64), np.nan)[some]
        correlations.append(rank_correlations_given(shown, expression, totals))
    # Without a correlation, a placement shows none.
    found = np.nan_to_num(np.concatenate(correlations))
    n = np.append(inside.sum(), (placed != OUTSIDE).sum(axis=1))
    return described | {
        "assessed": True,
        "rho_by_chance": float(np.quantile(found[1:], BY_CHANCE)),
        "p": share_at_least_first(np.sqrt(n) * found),
        "n_placements": len(placed),
    }


def _why_not(score: Float32, measured: Floats, detected: float, rho: float) -> str:
    if detected < MIN_DETECTED:
        return (
            f"detected in {detected:.0%} of the spots, {MIN_DETECTED:.0%} are needed: below that, "
            "whether it is seen at all is mostly a matter of depth"
        )
    if np.ptp(score) == 0 or np.ptp(measured) == 0:
        return "all compared spots have one score, or one expression"
    return "score or expression ranks the spots as their depth does" if np.isnan(rho) else ""


def rank_correlation_given(a: Numbers, b: Numbers, given: Numbers) -> float:
    """Return Spearman's partial correlation of two variables given a third.

    That is Pearson's correlation of the residuals that ranks (ties share their mean) leave when
    they are regressed on the ranks of `given`, by the closed form (ρ_ab - ρ_ag ρ_bg) / √((1 -
    ρ_ag²)(1 - ρ_bg²)); in R ``ppcor::pcor.test(a, b, given, method = "spearman")``. As it sees
    ranks alone, the logarithm of a depth is as good as the depth. Given a constant, it is
    Spearman's ρ.

    Parameters
    ----------
    a, b, given
        (N,) finite numbers.

    Returns
    -------
    float
        NaN if `a` or `b` is constant, or `given` leaves nothing of it.
    """
    return float(rank_correlations_given(a[None], b, given)[0])


def rank_correlations_given(a: Numbers, b: Numbers, given: Numbers) -> Floats:
    """Return `rank_correlation_given` of every row of `a` with the others.

    Parameters
    ----------
    a
        (P, N), NaN where a row has no value: it is compared without.
    b, given
        (N,) finite numbers.

    Returns
    -------
    float64 (P,)
    """
    inside = ~np.isnan(a)
    of_a, of_b, of_given = (_unit_ranks(one, inside) for one in (a, b, given))
    ab, ag, bg = (
        np.einsum("pn,pn->p", one, other)
        for one, other in ((of_a, of_b), (of_a, of_given), (of_b, of_given))
    )
    left_of_a = (of_a**2).sum(axis=1) - ag**2
    left_of_b = (of_b**2).sum(axis=1) - bg**2
    defined = np.minimum(left_of_a, left_of_b) > NOTHING_LEFT
    below = np.sqrt(left_of_a * left_of_b, out=np.ones(len(ab)), where=defined)
    return np.where(defined, (ab - ag * bg) / below, np.nan)


def _unit_ranks(values: Numbers, inside: Bools) -> Floats:
    """Return the ranks of the values (N,) or (P, N) that are `inside` (P, N), 0 elsewhere.

    Every row has the mean 0 and the length 1; or the length 0, if its values are all the same.
    """
    # What is outside has the highest ranks, and so changes none inside.
    ranks = np.where(inside, rankdata(np.where(inside, values, np.inf), axis=1), 0.0)
    middle = ranks.sum(axis=1, keepdims=True) / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    ranks = np.where(inside, ranks - middle, 0.0)
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return ranks / np.where(length > 0, length, 1.0)


def _auc(high: Bools, score: Float32 | Ints) -> float | None:
    """Return the area under the ROC curve; None if all spots are high, or none is."""
    return float(roc_auc_score(high, score)) if 0 < high.sum() < len(high) else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def scores_at(tiles: ScoreMap, centres: Floats, trait: str) -> Floats:
    """Return the score (N,) of a trait at centres of spots (N, 2), NaN on no tile."""
    scores: Floats = np.append(tiles.of(trait).astype(np.float64), np.nan)
    return scores[_numbered(tiles).at(centres)]


def _numbered(tiles: ScoreMap) -> TileMap:
    """Return a map in which every tile is its own cluster: so it tells where a spot lies."""
    return TileMap(tiles.coords, tiles.side_px, np.arange(len(tiles.coords)))
