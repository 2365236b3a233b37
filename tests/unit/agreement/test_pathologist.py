"""Rank agreement with counts: values of R, invariances, tables and their mistakes, the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histohet.agreement.figures import draw_counts
from histohet.agreement.pathologist import (
    RankEstimate,
    group_means,
    pair_scores,
    rank_agreement,
    read_counts,
)
from histohet.common.provenance import Provenance
from histohet.drawing.style import save_figure

COUNT = np.array([1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 2, 3, 1, 4], float)
SCORE = np.array([2, 3, 1, 3, 2, 5, 4, 4, 3, 6, 5, 7, 6, 4, 2, 5, 3, 8], float)


def by_name(estimates: list[RankEstimate]) -> dict[str, RankEstimate]:
    return {estimate.statistic: estimate for estimate in estimates}


def test_estimates_and_p_are_those_of_r() -> None:
    """R 4.2, with `count` and `score` as above.

    cor.test(count, score, method = "kendall", exact = FALSE)   0.61407706144502 0.00137155836721
    cor.test(count, score, method = "spearman", exact = FALSE)  0.749249713948126 0.000345075371466
    m <- tapply(score, count, mean)
    cor.test(as.numeric(names(m)), m)                           0.8346634485594 0.0786705338436
    """
    found = by_name(rank_agreement(COUNT, SCORE, 200, 1))
    kendall, spearman = found["kendall_tau_b"], found["spearman"]
    assert (kendall.estimate, kendall.p) == pytest.approx((0.61407706144502, 0.00137155836721))
    assert (spearman.estimate, spearman.p) == pytest.approx((0.749249713948126, 0.000345075371466))
    means = found["pearson_of_group_means"]
    assert (means.estimate, means.p) == pytest.approx((0.8346634485594, 0.0786705338436))
    assert (kendall.n, spearman.n, means.n) == (18, 18, 5)
    assert means.lower is means.upper is None


def test_group_means_are_those_of_r() -> None:
    """R 4.2: sapply(split(score, count), function(v) t.test(v)$conf.int)."""
    means = group_means(COUNT, SCORE)
    assert means["count"].tolist() == [1, 2, 3, 4, 5]
    assert means["n"].tolist() == [4, 5, 4, 3, 2]
    np.testing.assert_allclose(means["mean"], [2.25, 3.2, 4.5, 20 / 3, 5])
    lower = [0.726519819171, 1.58106821529, 2.44573974324, 2.87208363307, -7.70620473617]
    upper = [3.773480180829, 4.81893178471, 6.55426025676, 10.46124970026, 17.70620473617]
    np.testing.assert_allclose(means["lower"], lower)
    np.testing.assert_allclose(means["upper"], upper)
    assert group_means(COUNT[:5], SCORE[:5]).loc[1, "n"] == 2
    assert group_means(np.array([7.0]), np.array([1.0])).isna().loc[0, ["lower", "upper"]].all()


def test_bootstrap_interval_is_seeded_holds_the_estimate_and_narrows() -> None:
    found = rank_agreement(COUNT, SCORE, 300, 4)
    assert found == rank_agreement(COUNT, SCORE, 300, 4)
    assert found != rank_agreement(COUNT, SCORE, 300, 5)
    for estimate in found[:2]:
        assert estimate.lower < estimate.estimate < estimate.upper
    longer = rank_agreement(np.tile(COUNT, 20), np.tile(SCORE, 20), 100, 4)
    for estimate, many in zip(found[:2], longer[:2], strict=True):
        assert many.estimate == pytest.approx(estimate.estimate)
        assert many.upper - many.lower < 0.5 * (estimate.upper - estimate.lower)


def test_bootstrap_covers_at_about_its_nominal_rate() -> None:
    """Bivariate normal with r = 0.5: tau is 2 / pi * asin(r) (Kruskal 1958), here 1/3."""
    rng = np.random.default_rng(6)
    covered = 0
    for seed in range(40):
        x, noise = rng.standard_normal((2, 60))
        kendall = rank_agreement(x, 0.5 * x + np.sqrt(0.75) * noise, 60, seed)[0]
        covered += kendall.lower <= 1 / 3 <= kendall.upper
    # 38 of 40 expected, with a standard deviation of 1.4.
    assert covered >= 34


def test_order_of_the_scale_is_all_that_ranks_see_and_signs_turn() -> None:
    plain = rank_agreement(COUNT, SCORE, 50, 1)
    bent = rank_agreement(COUNT**3, np.exp(SCORE), 50, 1)
    assert bent[:2] == plain[:2]
    turned = rank_agreement(COUNT, -SCORE, 50, 1)
    for one, other in zip(plain, turned, strict=True):
        assert other.estimate == pytest.approx(-one.estimate)
        assert other.p == pytest.approx(one.p)


@pytest.mark.parametrize(
    ("count", "score", "reason"),
    [
        ([1, 2], [1, 2], "2 pairs, 3 are needed"),
        ([], [], "0 pairs, 3 are needed"),
        ([2, 2, 2, 2], [1, 2, 3, 4], "all counts or all scores are the same"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "all counts or all scores are the same"),
    ],
)
def test_no_estimate_comes_with_its_reason(
    count: list[float], score: list[float], reason: str
) -> None:
    found = rank_agreement(np.array(count, float), np.array(score, float), 20, 1)
    assert [estimate.reason for estimate in found] == [reason] * 3
    assert all(estimate.estimate is estimate.p is None for estimate in found)


def test_means_of_two_counts_have_no_correlation() -> None:
    found = rank_agreement(np.array([1.0, 1, 2, 2]), np.array([1.0, 2, 3, 4]), 20, 1)
    assert found[0].estimate is not None
    assert found[2].reason == "2 counts, 3 are needed"
    level = rank_agreement(np.array([1.0, 1, 2, 3]), np.array([1.0, 3, 2, 2]), 20, 1)
    assert level[2].reason == "all means are the same"


def counts_file(folder: Path, text: str) -> Path:
    path = folder / "counts.tsv"
    path.write_text(text)
    return path


def test_counts_are_read_and_empty_ones_left_out(tmp_path: Path) -> None:
    path = counts_file(
        tmp_path, "slide\tn\tby\na\t3\tX\nb\t\tX\nc\tNA\tX\nd\t[Unknown]\tX\n007\t2\tY\n"
    )
    assert read_counts(path, "slide", "n").to_dict() == {"a": 3, "007": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient\tn\na\t1\n", "no column 'slide'; there are patient, n"),
        ("slide\tm\na\t1\n", "no column 'n'"),
        ("slide\tn\na\tmany\n", r"counts\.tsv, row 2: n is 'many', not a number"),
        ("slide\tn\na\t-1\n", "row 2: n is -1, not a count"),
        ("slide\tn\na\tinf\n", "row 2: n is 'inf', not a number"),
        ("slide\tn\na\t1_000\n", "row 2: n is '1_000', not a number"),
        ("slide\tn\na\t1.70141e38\n", "row 2: n is '1.70141e38', too large to be measured"),
        ("slide\tn\na\t-1.797693e308\n", "row 2: n is '-1.797693e308', too large"),
        ("slide;n\na;1\n", "no column 'slide'; cells are separated by ';'"),
        ("slide\tn\na\t1\na\t2\n", "row 3: slide 'a' comes twice"),
        ("slide\tn\n\t1\n", "row 2: no slide"),
        ("", "is empty"),
    ],
)
def test_mistakes_in_counts_name_the_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_counts(counts_file(tmp_path, text), "slide", "n")


SLIDES = pd.DataFrame(
    {
        "slide": ["a", "b", "c", "d"],
        "patient": ["p", "p", "q", "r"],
        "status": ["ok", "ok", "ok", "no_tissue"],
        "n_clusters": [2.0, 5.0, 3.0, np.nan],
    }
)


def test_slides_are_paired_and_nothing_is_dropped_silently() -> None:
    pairs = pair_scores(
        SLIDES, pd.Series({"c": 1.0, "a": 4.0, "x": 2.0, "d": 2.0}), "slide", SCORED
    )
    assert pairs.set_index("slide")["left_out_because"].to_dict() == {
        "a": "",
        "b": "no count",
        "c": "",
        "d": "no n_clusters",
        "x": "slide is not in the slide sheet",
    }
    assert pairs.set_index("slide").loc["a", ["score", "count"]].tolist() == [2, 4]


def test_the_score_of_a_patient_is_the_mean_over_slides() -> None:
    pairs = pair_scores(SLIDES, pd.Series({"p": 4.0, "q": 1.0, "r": 1.0}), "patient", SCORED)
    pairs = pairs.set_index("patient")
    assert pairs.loc["p", ["score", "n_slides"]].tolist() == [3.5, 2]
    assert pairs["left_out_because"].to_dict() == {"p": "", "q": "", "r": "no n_clusters"}


def test_unknown_scores_are_named() -> None:
    for name in ("clusters", "status"):
        with pytest.raises(ValueError, match=f"'{name}' is no measure .* there are n_clusters"):
            pair_scores(SLIDES, pd.Series({"a": 1.0}), "slide", name)


SCORED = "n_clusters"


def test_figure_shows_every_pair_the_means_and_the_estimates(tmp_path: Path) -> None:
    pairs = pd.DataFrame({"count": COUNT, "score": SCORE, "left_out_because": ""})
    pairs.loc[len(pairs)] = [np.nan, 3.0, "no count"]
    estimates = rank_agreement(COUNT, SCORE, 50, 1)
    figure = draw_counts(pairs, estimates, "n_clusters", "Counts")
    axes = figure.axes[0]
    points = np.vstack([points.get_offsets() for points in axes.collections[:5]])
    assert len(points) == len(np.unique(points, axis=0)) == 18
    np.testing.assert_array_equal(np.sort(points[:, 1]), np.sort(SCORE))
    assert np.abs(np.sort(points[:, 0]) - np.sort(COUNT)).max() < 0.3
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([2.25, 3.2, 4.5, 20 / 3, 5])
    text = figure.get_supxlabel()
    for part in (
        "τ-b 0.61 (",
        "ρ 0.75 (",
        "r of the means 0.83, p = 0.079, 5 counts",
        "1 left out",
    ):
        assert part in text
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        again = draw_counts(pairs, estimates, "n_clusters", "Counts")
        save_figure(again, [path], Provenance())
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_figure_without_pairs_says_so() -> None:
    pairs = pd.DataFrame({"count": [1.0], "score": [np.nan], "left_out_because": ["no n_clusters"]})
    figure = draw_counts(pairs, [], "n_clusters", "Counts")
    assert "Nothing has both" in figure.axes[0].texts[0].get_text()
