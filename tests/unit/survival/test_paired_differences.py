"""Differences between variants: point values, paired intervals, what cannot be estimated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.covariates import Covariate
from histohet.survival.cox import fit_cox
from histohet.survival.paired_differences import QUANTITIES, Difference, paired_differences
from histohet.survival.ranking import concordance

SCORE = Covariate(column="score", kind="numeric", name="score")


def patients(n: int, effect: float, noise: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a cohort with a score that acts on the hazard, and with a noisier one."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    time = rng.exponential(30 * np.exp(-effect * score))
    frame = pd.DataFrame(
        {
            "patient": [f"p{i}" for i in range(n)],
            "score": score,
            "time_months": np.minimum(time, 60),
            "event": time < 60,
        }
    )
    return frame, frame.assign(score=score + noise * rng.normal(size=n))


def by_quantity(found: list[Difference]) -> dict[str, Difference]:
    return {one.quantity: one for one in found}


def test_values_are_those_of_each_variant_alone() -> None:
    good, noisy = patients(150, 0.8, 1.5, seed=1)
    found = by_quantity(paired_differences(good, noisy, replicates=50, seed=0))
    assert tuple(found) == QUANTITIES
    for frame, attribute in ((good, "value"), (noisy, "reference_value")):
        scaled = frame.assign(score=frame["score"] / frame["score"].std())
        expected = fit_cox(scaled, [SCORE]).terms[0].coefficient
        assert getattr(found["log hazard ratio per SD"], attribute) == pytest.approx(expected)
        c = concordance(
            frame["time_months"], frame["event"], frame["score"], replicates=0, seed=0
        ).c
        assert getattr(found["C"], attribute) == c
        assert getattr(found["score"], attribute) == pytest.approx(frame["score"].mean())
    for one in found.values():
        assert one.value is not None
        assert one.reference_value is not None
        assert one.difference == pytest.approx(one.value - one.reference_value)


def test_a_worse_score_is_worse() -> None:
    good, noisy = patients(300, 1.0, 2.0, seed=2)
    found = by_quantity(paired_differences(good, noisy, replicates=200, seed=0))
    for name in ("log hazard ratio per SD", "C"):
        assert found[name].lower is not None
        assert found[name].lower > 0


def test_the_same_score_differs_by_nothing() -> None:
    good, _ = patients(80, 0.5, 0, seed=3)
    for one in paired_differences(good, good, replicates=30, seed=0):
        assert (one.difference, one.lower, one.upper) == (0, 0, 0)


def test_pairing_narrows_the_interval() -> None:
    """Two nearly equal scores differ by much less than each is uncertain."""
    good, similar = patients(150, 0.8, 0.1, seed=4)
    found = by_quantity(paired_differences(good, similar, replicates=300, seed=0))["C"]
    alone = concordance(good["time_months"], good["event"], good["score"], replicates=300, seed=0)
    assert found.upper is not None
    assert found.lower is not None
    assert alone.upper is not None
    assert alone.lower is not None
    assert found.upper - found.lower < 0.5 * (alone.upper - alone.lower)


def test_interval_covers_the_true_difference_of_means() -> None:
    """Of 95 % intervals of the mean difference, nearly all hold it."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        good, _ = patients(60, 0, 0, seed=seed)
        shifted = good.assign(score=good["score"] + 0.3 + rng.normal(size=60))
        found = by_quantity(paired_differences(shifted, good, replicates=200, seed=seed))["score"]
        assert found.lower is not None
        assert found.upper is not None
        held += found.lower <= 0.3 <= found.upper
    assert held >= 51


def test_only_common_patients_count() -> None:
    good, noisy = patients(100, 0.5, 1, seed=5)
    half = good.iloc[:50]
    some = noisy.assign(score=noisy["score"].where(noisy.index % 2 == 0))
    found = paired_differences(half, some, replicates=20, seed=0)
    assert {one.n for one in found} == {25}
    assert {one.events for one in found} == {int(half["event"][::2].sum())}


def test_same_seed_same_numbers_whatever_the_order() -> None:
    good, noisy = patients(60, 0.5, 1, seed=6)
    first = paired_differences(good, noisy, replicates=40, seed=7)
    assert first == paired_differences(
        good, noisy.sample(frac=1, random_state=1), replicates=40, seed=7
    )


def test_a_constant_score_has_no_hazard_ratio() -> None:
    good, _ = patients(40, 0.5, 0, seed=8)
    found = by_quantity(paired_differences(good.assign(score=1.0), good, replicates=20, seed=0))
    ratio = found["log hazard ratio per SD"]
    assert ratio.value is None
    assert ratio.difference is None
    assert ratio.samples == 0
    assert (found["C"].value, found["C"].samples) == (0.5, 20)


def test_nobody_in_common() -> None:
    good, _ = patients(10, 0.5, 0, seed=9)
    other = good.assign(patient=[f"q{i}" for i in range(10)])
    for one in paired_differences(good, other, replicates=10, seed=0):
        assert (one.n, one.difference, one.samples) == (0, None, 0)


def test_samples_that_cannot_be_estimated_are_told() -> None:
    """One of 8 patients has an event, which a sample holds with probability 1 - (7/8)^8."""
    good, noisy = patients(8, 0.5, 1, seed=11)
    first = good["time_months"] == good["time_months"].min()
    pair = (one.assign(event=first) for one in (good, noisy))
    found = by_quantity(paired_differences(*pair, replicates=400, seed=0))
    share = 1 - (7 / 8) ** 8
    spread = (share * (1 - share) / 400) ** 0.5
    assert found["C"].samples / 400 == pytest.approx(share, abs=4 * spread)
    assert found["log hazard ratio per SD"].samples <= found["C"].samples
    assert found["score"].samples == 400


def test_without_events_only_the_scores_compare() -> None:
    good, noisy = (one.assign(event=False) for one in patients(20, 0.5, 1, seed=10))
    found = by_quantity(paired_differences(good, noisy, replicates=10, seed=0))
    assert found["log hazard ratio per SD"].difference is None
    assert found["C"].difference is None
    assert found["score"].difference is not None
