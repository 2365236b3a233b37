"""Measures of a slide: written, read, and as the cohort sees them under a threshold."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from helpers.slidemeasures import CERTAINTY, measured
from histohet.clustering.result import UNKNOWN
from histohet.cohort.settings import SLIDE_MEASURES
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.measures.cohort import NO_SCORES, SCORES
from histohet.measures.slide import (
    NO_ATTENTION,
    NO_THRESHOLD,
    SlideMeasures,
    read_measures,
    write_measures,
)


def test_round_trip_through_json(tmp_path: Path) -> None:
    for measures in (measured([5.0, 1.0, 3.0]), measured(None)):
        write_measures(tmp_path / "a.json", measures, Provenance())
        assert read_measures(tmp_path / "a.json") == measures


def test_every_number_of_a_slide_is_a_score_an_amount_or_a_certainty() -> None:
    row = measured([5.0, 1.0, 3.0]).slide_row(0.5)
    numbers = {name for name, value in row.items() if isinstance(value, int | float)}
    amounts = {"tissue_mm2", "epithelium_mm2", "trait_n_positive", "trait_hta_p"}
    amounts |= {f"n_{which}_tiles" for which in ("tissue", "glass", "clustered", "outlier")}
    doubts = {"coverage_explains", *asdict(CERTAINTY)}
    assert numbers == {*SCORES, *NO_SCORES, *amounts, *doubts}
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
        "b", Outcome(Status.NO_TISSUE, "white"), None, None, 0, 0, 0, False, UNKNOWN, (), (), {}
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


def test_the_configuration_offers_every_measure_of_the_cohort_table_as_score() -> None:
    """How far clusters can be trusted says nothing of the tumour, nor what was set aside."""
    row = measured([5.0, 1.0, 3.0]).slide_row(2.0)
    doubts = {"coverage_explains", *asdict(CERTAINTY)}
    texts = {"slide", "status", "reason", "tumour_filter", "tiles_from", "traits", "trait_status"}
    assert set(SLIDE_MEASURES) == set(row) - texts - doubts - {"n_outlier_tiles"}
