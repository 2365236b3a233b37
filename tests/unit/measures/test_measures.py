"""Measures of a slide as the cohort reads them, trait maps, variants, agreement, summary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from histohet.agreement.truth import Truth, agree, read_truth, subclone_of_tiles
from histohet.clustering.result import UNKNOWN, Certainty
from histohet.cohort.settings import Measure
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.measures.cohort import NO_SCORES, SCORES
from histohet.measures.heterogeneity import cluster_table, nested_measures
from histohet.measures.slide import (
    NO_ATTENTION,
    NO_THRESHOLD,
    SlideMeasures,
    read_measures,
    write_measures,
)
from histohet.measures.traits import read_traits
from histohet.report import (
    agreement_figures,
    flattened,
    hazard_ratios,
    planted_estimate,
    slide_figures,
    stage_seconds,
    variant_figures,
)
from histohet.tiles.neighbours import adjacent_edges

COORDS = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=2).reshape(-1, 2) * 100
LABELS = np.repeat([0, 1, 2], [18, 12, 6])
CERTAINTY = Certainty(-5.5, -5.6, 0.125, 1.5, 0.75, 2, 4)


def measured(scores: list[float] | None) -> SlideMeasures:
    edges = adjacent_edges(COORDS, 100)
    values = None if scores is None else np.array(scores)
    return SlideMeasures(
        slide="a",
        outcome=OK,
        tissue_mm2=1.5,
        epithelium_mm2=0.5,
        n_tissue_tiles=40,
        n_clustered_tiles=36,
        has_attention=scores is not None,
        certainty=CERTAINTY,
        clusters=tuple(cluster_table(LABELS, values, edges)),
        sets=tuple(nested_measures(LABELS, COORDS, values, 20, 300, 19, 1)),
        traits={"possible": 0.25, "observed": 0.5},
    )


def test_round_trip_through_json(tmp_path: Path) -> None:
    for measures in (measured([5.0, 1.0, 3.0]), measured(None)):
        write_measures(tmp_path / "a.json", measures, Provenance())
        assert read_measures(tmp_path / "a.json") == measures


def test_every_number_of_a_slide_is_a_score_an_amount_or_a_certainty() -> None:
    row = measured([5.0, 1.0, 3.0]).slide_row(0.5)
    numbers = {name for name, value in row.items() if isinstance(value, int | float)}
    amounts = {"tissue_mm2", "epithelium_mm2", "n_tissue_tiles", "n_clustered_tiles"}
    assert numbers == {*SCORES, *NO_SCORES, *amounts, *asdict(CERTAINTY)}
    assert len(SCORES) == len(set(SCORES))


@pytest.mark.parametrize(
    ("threshold", "n_clusters", "n_tiles", "counted"),
    [
        (0.5, 3, 36, [True, True, True]),
        (2.0, 2, 24, [True, False, True]),
        (3.0, 1, 18, [True, False, False]),
        (9.0, 0, 0, [False, False, False]),
    ],
)
def test_a_threshold_selects_the_clusters_above_it(
    threshold: float, n_clusters: int, n_tiles: int, counted: list[bool]
) -> None:
    measures = measured([5.0, 1.0, 3.0])
    row = measures.slide_row(threshold)
    assert (row["n_clusters"], row["n_tiles"], row["n_all_clusters"]) == (n_clusters, n_tiles, 3)
    assert row["scaled_count"] == pytest.approx(n_clusters * n_tiles**0.5)
    assert [r["counted"] for r in measures.cluster_rows(threshold)] == counted
    assert row["tumour_filter"] == f"score > {threshold:.4g}"


def test_without_threshold_or_attention_all_clusters_count_and_it_says_so() -> None:
    assert measured([5.0, 1.0, 3.0]).slide_row(None)["n_clusters"] == 3
    assert measured([5.0, 1.0, 3.0]).slide_row(None)["tumour_filter"] == NO_THRESHOLD
    row = measured(None).slide_row(2.0)
    assert (row["n_clusters"], row["tumour_filter"]) == (3, NO_ATTENTION)
    assert all(r["counted"] for r in measured(None).cluster_rows(2.0))


def test_a_lost_slide_still_has_a_row() -> None:
    lost = SlideMeasures(
        "b", Outcome(Status.NO_TISSUE, "white"), None, None, 0, 0, False, UNKNOWN, (), (), {}
    )
    row = lost.slide_row(1.0)
    assert (row["status"], row["reason"], row["n_clusters"]) == ("no_tissue", "white", None)
    assert set(row) == set(measured(None).slide_row(1.0))
    assert {row[name] for name in asdict(CERTAINTY)} == {None}
    assert lost.cluster_rows(1.0) == []


def test_certainty_concerns_all_clusters_whatever_the_threshold() -> None:
    for threshold in (None, 2.0, 9.0):
        row = measured([5.0, 1.0, 3.0]).slide_row(threshold)
        assert {name: row[name] for name in asdict(CERTAINTY)} == {
            "energy": -5.5,
            "lower_bound": -5.6,
            "gap_percent": 0.125,
            "coupling": 1.5,
            "stability_ari": 0.75,
            "n_all_clusters_low": 2,
            "n_all_clusters_high": 4,
        }


def test_trait_maps(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\tMKI67\tmiR-17\n0\t0\t1\t0\n512\t0\t1\t1\n1024\t0\t0\t0\n")
    names, traits = read_traits(path)
    assert names == ["MKI67", "miR-17"]
    np.testing.assert_array_equal(traits, [[True, False], [True, True], [False, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\ty\n0\t0\n", "at least one trait"),
        ("x\tA\n0\t1\n", "columns x, y"),
        ("x\ty\tA\n", "has no rows"),
        ("x\ty\tA\n0\t0\t1\n5\t0\t0.4\n", r"row 3: A is '0\.4', it must be 0 or 1"),
        ("x\ty\tA\n0\t0\t\n", "row 2: A is ''"),
    ],
)
def test_unusable_trait_maps(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_traits(tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="does not exist"):
        read_traits(tmp_path / "b.tsv")


def test_truth_is_found_by_place(tmp_path: Path) -> None:
    path = tmp_path / "truth.tsv"
    path.write_text(
        "x\ty\tepithelium_fraction\tsubclone\n0\t0\t0.5\t2\n100\t0\t0.9\t1\n200\t0\t0\t-1\n"
    )
    truth = read_truth(path)
    assert truth.n_subclones == 2
    coords = np.array([[100, 0], [4, 3], [200, 0], [900, 900]])
    assert subclone_of_tiles(truth, coords, 100).tolist() == [1, 2, -1, 0]
    assert subclone_of_tiles(truth, np.empty((0, 2), np.int64), 100).shape == (0,)
    path.write_text("x\ty\n0\t0\n")
    with pytest.raises(ValueError, match="no column 'subclone'"):
        read_truth(path)
    path.write_text("x\ty\tsubclone\n0\t0\t1\n3\t0\tB\n")
    with pytest.raises(ValueError, match="row 3: subclone is 'B'"):
        read_truth(path)
    path.write_text(f"x\ty\tsubclone\n{10**30}\t0\t1\n")
    with pytest.raises(ValueError, match="row 2: x is '1000000"):
        read_truth(path)


def test_agreement_counts_tumour_tiles_only() -> None:
    subclones = np.array([1, 1, 2, 2, 0, -1])
    perfect = np.array([7, 7, 3, 3, 3, 3])
    one = np.zeros(6, int)
    agreement = agree(subclones, 2, one, perfect, perfect)
    assert (agreement.ari_start, agreement.ari_raw, agreement.ari) == (0.0, 1.0, 1.0)
    assert agreement.n_tumour_tiles == 4
    nothing = agree(np.array([0, 0]), 0, one[:2], one[:2], one[:2])
    assert nothing.ari is None
    assert Truth(np.empty((0, 2), np.int64), np.empty(0, np.int64)).n_subclones == 0


def estimates() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "endpoint": "OS",
            "model": ["high vs low", "per SD", "per SD, adjusted", "per SD, adjusted"],
            "term": [None, "score", "score", "age"],
            "hazard_ratio": [np.nan, 1.8, 1.7, 1.01],
            "lower": [np.nan, 1.1, 1.0, 0.9],
            "upper": [np.nan, 2.9, 2.8, 1.1],
            "p": [np.nan, 0.02, 0.04, 0.8],
            "permutation_p": [np.nan, 0.03, 0.05, np.nan],
            "n": [np.nan, 24, 24, 24],
            "events": [np.nan, 15, 15, 15],
            "status": ["not_estimable", "ok", "ok", "ok"],
            "reason": ["no event in 'high'", "", "", ""],
        }
    )


def test_hazard_ratios_or_why_there_are_none() -> None:
    found = hazard_ratios(estimates())["OS"]
    assert found["high_vs_low"] == {"status": "not_estimable", "reason": "no event in 'high'"}
    assert found["per_sd"]["hazard_ratio"] == 1.8
    assert found["per_sd_adjusted"]["hazard_ratio"] == 1.7
    assert "high_vs_low_adjusted" not in found


@pytest.mark.parametrize("status", ["ok", "not_estimable"])
def test_a_searched_cut_is_reported_as_it_came_out(status: str) -> None:
    row = (
        estimates()
        .iloc[[1]]
        .assign(
            model="best cut", term="group", status=status, reason="the best of 7 cuts", p=np.nan
        )
    )
    found = hazard_ratios(row)["OS"]["best_cut"]
    if status == "ok":
        assert (found["hazard_ratio"], found["p"], found["permutation_p"]) == (1.8, None, 0.03)
    else:
        assert found == {"status": status, "reason": "the best of 7 cuts"}


def test_pooled_patients_are_not_counted_as_slides() -> None:
    preflight = pd.DataFrame({"status": ["ok", "ok", "refused"], "conflicts": ["", "mpp", ""]})
    assert slide_figures(preflight, None) == {
        "total": 3,
        "by_status": {"ok": 2, "refused": 1},
        "with_conflicts": 1,
    }
    slides = pd.DataFrame(
        {
            "status": ["ok", "no_tissue", "refused"],
            "n_tissue_tiles": [40, 0, 0],
            "tissue_mm2": [2.5, 0, np.nan],
        }
    )
    found = slide_figures(preflight, slides)
    assert found["by_status"] == {"ok": 1, "no_tissue": 1, "refused": 1}
    assert (found["tissue_tiles"], found["tissue_mm2"]) == (40, 2.5)


def test_the_configuration_offers_every_measure_of_the_cohort_table_as_score() -> None:
    """How certain clusters are says nothing of the tumour, so it is no score."""
    row = measured([5.0, 1.0, 3.0]).slide_row(2.0)
    texts = {"slide", "status", "reason", "tumour_filter", "tiles_from"}
    assert set(get_args(Measure)) == set(row) - texts - set(asdict(CERTAINTY))


def test_variant_figures() -> None:
    slides = pd.DataFrame([measured(None).slide_row(None), measured(None).slide_row(None)])
    slides.loc[1, "status"] = "refused"
    figures = variant_figures(slides, None)
    assert figures == {
        "slides_measured": 1,
        "clustered_tiles": 36,
        "clusters": 3,
        "tumour_clusters": 3,
        "median_tumour_clusters": 3.0,
        "median_stability_ari": 0.75,
        "max_gap_percent": 0.125,
    }
    slides[["stability_ari", "gap_percent"]] = None
    figures = variant_figures(slides, None)
    assert figures["median_stability_ari"] is figures["max_gap_percent"] is None
    assert flattened({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}


def test_agreement_figures() -> None:
    table = pd.DataFrame(
        {
            "n_subclones": [1, 2, 3, 4],
            "n_clusters": [1, 3, 3, 7],
            "ari_start": [0.1, 0.2, 0.3, 0.4],
            "ari_raw": [0.1, 0.2, 0.3, 0.4],
            "ari": [0.5, 0.6, 0.8, 0.9],
        }
    )
    figures = agreement_figures(table)
    assert figures["median_ari"] == pytest.approx(0.7)
    assert figures["number_exact_share"] == 0.5
    assert figures["number_within_one_share"] == 0.75
    # Ranks 1, 2, 3, 4 against 1, 2.5, 2.5, 4: Pearson of ranks is 4.5 / sqrt(5 · 4.5).
    assert figures["number_spearman"] == pytest.approx(4.5 / (5 * 4.5) ** 0.5)


def test_planted_estimate_uses_the_planted_number_of_analysed_patients() -> None:
    agreement = pd.DataFrame({"slide": list("abcdef"), "n_subclones": [1, 1, 2, 2, 1, 9]})
    patients = pd.DataFrame(
        {
            "patient": list("ABCDEFG"),
            "slide": list("abcdefg"),
            "score": 5.0,
            "n_tiles": 9,
            "group": "",
            "analysed": [True] * 5 + [False, True],
            "OS_months": [4.0, 3.0, 1.0, 2.0, 5.0, 1.0, 1.0],
            "OS_event": [1, 1, 1, 1, 0, 1, 1],
        }
    )
    # Of the five with a known number, the two with 2 die first. The partial likelihood with
    # h = exp(beta): h/(2h+3) · h/(h+3) · 1/3 · 1/2, without a maximum.
    assert planted_estimate(agreement, patients)["status"] == "not_estimable"
    patients["OS_months"] = [4.0, 1.0, 2.0, 3.0, 5.0, 1.0, 1.0]
    # Now 1/(2h+3) · h/(2h+2) · h/(h+2) · 1/2: 2 = 2h/(2h+3) + h/(h+1) + h/(h+2).
    found = planted_estimate(agreement, patients)
    h = found["hazard_ratio"]
    assert 2 * h / (2 * h + 3) + h / (h + 1) + h / (h + 2) == pytest.approx(2)
    assert (found["n"], found["events"]) == (5, 4)
    assert planted_estimate(agreement, patients.head(1))["status"] == "not_estimable"


def test_stage_seconds_add_up_over_jobs(tmp_path: Path) -> None:
    for name, seconds in (("tile/a.tsv", 1.5), ("tile/b.tsv", 2.25), ("maps/full/x.tsv", 3.0)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    assert stage_seconds(tmp_path) == {"maps": 3.0, "tile": 3.75}
