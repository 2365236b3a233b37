"""The table of slides; correlation of scores with the number of tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.slidemeasures import measured
from histohet.clustering.result import UNKNOWN
from histohet.common.outcome import Outcome, Status
from histohet.measures.cohort import COLUMNS, COUNTS, SCORES, cohort_tables, tile_correlations


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


def test_counts_stay_whole_beside_a_slide_that_failed() -> None:
    lost = replace(
        measured(None),
        slide="b",
        outcome=Outcome(Status.NO_TISSUE, "white"),
        certainty=UNKNOWN,
        clusters=(),
        sets=(),
    )
    sheet = pd.DataFrame({"slide": ["a", "b"], "patient": ["p", "q"], "mpp": [0.5, 0.5]})
    table, _ = cohort_tables([measured(None), lost], sheet, None, pooled=False)
    assert set(COUNTS) == {"n_clusters", "n_tiles", "n_all_clusters_low", "n_all_clusters_high"}
    text = table[COUNTS].to_csv(index=False, header=False).splitlines()
    expected = {"n_clusters": 3, "n_tiles": 36, "n_all_clusters_low": 2, "n_all_clusters_high": 4}
    assert text == [",".join(str(expected[name]) for name in COUNTS), ",,,"]
