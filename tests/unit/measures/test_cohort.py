"""The table of slides; correlation of scores with the number of tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.slidemeasures import measured
from histohet.clustering.result import UNKNOWN
from histohet.cohort.settings import N_POOLED
from histohet.common.outcome import Outcome, Status
from histohet.measures.cohort import (
    COLUMNS,
    COUNTS,
    SCORES,
    cohort_tables,
    comparable,
    tile_correlations,
)
from histohet.slides.record import INCOMPARABLE


def slides() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "status": ["ok"] * 6 + ["no_tissue"],
            "n_clustered_tiles": [100, 400, 200, 800, 1600, 50, 0],
            "n_clusters": [2, 3, 1, 5, 4, 2, np.nan],
            "hta": [0.5] * 6 + [np.nan],
            "hti_possible": [0.1, np.nan, np.nan, np.nan, np.nan, 0.3, np.nan],
        }
    )


def test_against_r() -> None:
    """R: cor.test(x, n, method = "spearman", exact = FALSE); cor.test(x, log(n))."""
    row = tile_correlations(slides()).set_index("score").loc["n_clusters"]
    assert row["n"] == 6
    assert row["spearman"] == pytest.approx(0.75370234635, rel=1e-9)
    assert row["spearman_p"] == pytest.approx(0.08352328137, rel=1e-8)
    assert row["pearson_log"] == pytest.approx(0.76258669116, rel=1e-9)
    assert row["pearson_log_p"] == pytest.approx(0.07785670884, rel=1e-8)


def test_what_cannot_be_correlated_is_empty() -> None:
    found = tile_correlations(slides()).set_index("score")
    assert found.loc["hta"].isna().tolist() == [False, True, True, True, True]
    assert found.loc["hti_possible", "n"] == 2
    assert np.isnan(found.loc["hti_possible", "spearman"])
    assert list(found.index) == [score for score in SCORES if score in slides()]


def test_without_slides_there_are_no_numbers() -> None:
    nothing = tile_correlations(slides().iloc[:0])
    assert list(nothing.columns) == list(COLUMNS)
    assert (nothing["n"] == 0).all()


def test_order_of_slides_does_not_matter() -> None:
    pd.testing.assert_frame_equal(
        tile_correlations(slides()), tile_correlations(slides().iloc[::-1])
    )


def preflight(*slides: str, patient: str | None = None, incomparable: str = "") -> pd.DataFrame:
    """Return the table of preflight, all slides sound but for one that is other than the rest."""
    table = pd.DataFrame({"slide": slides, "mpp": 0.5, "mask_on_tissue": 0.875})
    table["n_tissue_tiles"] = pd.array([40] * len(slides), dtype="Int64")
    odd = table["slide"] == incomparable
    return table.assign(
        patient=patient or table["slide"],
        consequence=np.where(odd, INCOMPARABLE, ""),
        reason=np.where(odd, "features of another encoder", ""),
    )


def test_a_slide_that_is_other_than_its_cohort_is_not_counted() -> None:
    both = [measured([1.0, 2.0, 3.0]), replace(measured([1.0, 2.0, 3.0]), slide="b")]
    sheet = preflight("a", "b", incomparable="b")
    table, clusters = cohort_tables(both, sheet, None, pooled=False)
    assert table["status"].tolist() == ["ok", "refused"]
    assert table["reason"].tolist() == ["", "features of another encoder"]
    assert table["hti_observed"].isna().tolist() == [False, True]
    assert table["mask_on_tissue"].tolist() == [0.875, 0.875]
    assert set(clusters["slide"]) == {"a"}
    scores = [one.tumour_scores for one in comparable(both, sheet, pooled=False)]
    assert [len(of_slide) for of_slide in scores] == [3, 0]


def test_a_patient_with_a_slide_that_is_other_than_the_cohort_is_not_counted() -> None:
    pooled = [replace(measured(None), slide="p")]
    sheet = preflight("a", "b", patient="p", incomparable="b")
    table, _ = cohort_tables(pooled, sheet, None, pooled=True)
    assert (table["slide"].item(), table["status"].item()) == ("p", "refused")


def test_a_pooled_patient_counts_its_slides_that_have_tiles() -> None:
    sheet = preflight("a", "b", "c", patient="p")
    sheet["n_tissue_tiles"] = pd.array([40, 0, None], dtype="Int64")
    table, _ = cohort_tables([replace(measured(None), slide="p")], sheet, None, pooled=True)
    assert table[N_POOLED].tolist() == [1]
    apart, _ = cohort_tables([replace(measured(None), slide="a")], sheet[:1], None, pooled=False)
    assert N_POOLED not in apart


def test_counts_stay_whole_beside_a_slide_that_failed() -> None:
    lost = replace(
        measured(None),
        slide="b",
        outcome=Outcome(Status.NO_TISSUE, "white"),
        certainty=UNKNOWN,
        clusters=(),
        sets=(),
    )
    table, _ = cohort_tables([measured(None), lost], preflight("a", "b"), None, pooled=False)
    of_clusters = {"n_clusters", "n_tiles", "n_all_clusters_low", "n_all_clusters_high"}
    assert set(COUNTS) == {*of_clusters, "trait_n_positive"}
    text = table[COUNTS].to_csv(index=False, header=False).splitlines()
    expected = {"n_clusters": 3, "n_tiles": 36, "n_all_clusters_low": 2, "n_all_clusters_high": 4}
    expected["trait_n_positive"] = 3
    row = ",".join(str(expected[name]) for name in COUNTS)
    # What traits show needs no clusters.
    assert text == [row, ",,,,3"]
