from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.tumour.threshold import Threshold, choose_threshold, otsu_threshold, read_threshold

SCORES = st.lists(st.integers(-50, 50).map(lambda i: i / 8), min_size=2, max_size=25)
TWO_SCORES = SCORES.filter(lambda values: len(set(values)) > 1)


def between_class_variance(values: list[float], threshold: float) -> float:
    low = [v for v in values if v <= threshold]
    high = [v for v in values if v > threshold]
    if not low or not high:
        return 0.0
    difference = sum(low) / len(low) - sum(high) / len(high)
    return len(low) * len(high) * difference**2


@given(TWO_SCORES)
def test_otsu_is_best_of_all_thresholds(values):
    best = max(between_class_variance(values, v) for v in values)
    threshold = otsu_threshold(values)
    assert between_class_variance(values, threshold) == pytest.approx(best, rel=1e-9)
    below = max(v for v in values if v <= threshold)
    above = min(v for v in values if v > threshold)
    assert threshold == (below + above) / 2


@given(TWO_SCORES, st.sampled_from([0.25, 2.0, 8.0]), st.sampled_from([-64.0, 0.0, 1024.0]))
def test_otsu_follows_scale_and_offset(values, scale, offset):
    # Powers of two, so that equal splits stay equal.
    moved = otsu_threshold([scale * v + offset for v in values])
    original = between_class_variance(values, otsu_threshold(values))
    assert between_class_variance(values, (moved - offset) / scale) == pytest.approx(original)


def test_otsu_by_hand():
    assert otsu_threshold([1.0, 2.0]) == 1.5
    assert otsu_threshold([0, 0, 0, 1, 10, 11]) == 5.5
    assert otsu_threshold(np.float32([[3, 4], [3, 4]])) == 3.5


def test_otsu_between_neighbouring_floats_still_separates():
    low = 1.0
    high = float(np.nextafter(low, 2))
    assert low <= otsu_threshold([low, high]) < high


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0]])
def test_otsu_needs_two_scores(values):
    with pytest.raises(ValueError, match="two different scores"):
        otsu_threshold(values)


def test_otsu_needs_finite_scores():
    with pytest.raises(ValueError, match="finite"):
        otsu_threshold([1.0, np.nan, 3.0])


def test_a_threshold_is_read_from_the_file_of_its_cohort(tmp_path):
    path = tmp_path / "potts.json"
    path.write_text('{"threshold": 0.25, "reason": "", "source": "otsu"}')
    assert read_threshold(path) == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"threshold": null}', "holds no threshold, its cohort gave none"),
        ('{"measures": {}}', "is no threshold file"),
        ("slide\tpatient\n", "is not valid JSON"),
    ],
)
def test_a_file_without_threshold_is_named(tmp_path, text, message):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"other.json.*{message}"):
        read_threshold(path)


def test_a_learned_threshold_is_taken_over_and_a_given_one_kept(tmp_path):
    path = tmp_path / "full.json"
    path.write_text('{"threshold": 0.25}')
    scores = [0.1, 0.2, 0.9]
    assert choose_threshold(scores, learned=str(path)) == Threshold(0.25, "", str(path), 2, 1)
    assert choose_threshold(scores, given=0.15) == Threshold(0.15, "", "configuration", 1, 2)
    path.write_text('{"threshold": null}')
    with pytest.raises(ValueError, match="gave none"):
        choose_threshold(scores, learned=str(path))


def test_without_either_it_is_otsus_or_the_reason_why_not():
    found = choose_threshold([0.0, 1.0, 10.0])
    assert found == Threshold(5.5, "", "otsu", 2, 1)
    nothing = choose_threshold([1.0])
    assert (nothing.threshold, nothing.clusters_below, nothing.clusters_above) == (None,) * 3
    assert "two different scores" in nothing.reason
