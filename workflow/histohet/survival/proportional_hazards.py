"""Does a hazard ratio change with time? Schoenfeld's question, asked by a score test.

The test of Grambsch and Therneau (Biometrika 81:515, 1994) in its exact form: the score test for
adding the product of each covariate with a function of time to the fitted model. This is what
`cox.zph` does in R's survival since version 3.0; older versions, and lifelines, approximate the
variance of the residuals by its mean over the events and give other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from histohet.survival.partial_likelihood import Moments, RiskSets

LEAST_INFORMATION = 1e-10
"""Information about a change in time beyond the model's own, as a share of that about the hazard
ratio; with less (all events at one time, fewer events than columns) the test is not defined."""


@dataclass(frozen=True)
class ScoreTest:
    """A chi-squared test; all None where it is not defined."""

    chi2: float | None
    dof: int | None
    p: float | None


@dataclass(frozen=True)
class ProportionalHazards:
    """Tests of proportional hazards.

    Attributes
    ----------
    terms
        One per term, of all its columns together.
    all_terms
        Of the whole model (``GLOBAL`` in R).
    """

    terms: tuple[ScoreTest, ...]
    all_terms: ScoreTest


def proportional_hazards(
    at: Moments, risk: RiskSets, term_of_column: Sequence[int]
) -> ProportionalHazards:
    """Test every term of a fitted Cox model against a hazard ratio that changes with time.

    Time is transformed to 1 - S(t-), S the Kaplan–Meier estimate of all patients in the model: R's
    default ``transform = "km"``.

    Parameters
    ----------
    at
        Moments at the maximum.
    risk
        Risk sets of the model.
    term_of_column
        Number of the term, counted from 0, of each of the p columns.
    """
    time = 1 - risk.survival_before
    # The test does not depend on the origin of time; centred, its matrices are well behaved.
    time = time - time.mean()
    variance = at.information
    mixed = np.tensordot(time, at.variances, axes=1)
    squared = np.tensordot(time**2, at.variances, axes=1)
    # What the columns of time say beyond those of the model, all of which stay in every test.
    information = squared - mixed @ np.linalg.solve(variance, mixed)
    unit = 1 / np.sqrt(np.diag(variance))
    score, information = unit * (time @ at.residuals), information * np.outer(unit, unit)
    terms = np.asarray(term_of_column)
    return ProportionalHazards(
        terms=tuple(
            _score_test(score[here], information[np.ix_(here, here)])
            for here in (terms == term for term in range(terms.max() + 1))
        ),
        all_terms=_score_test(score, information),
    )


def _score_test(score: npt.NDArray[np.float64], information: npt.NDArray[np.float64]) -> ScoreTest:
    if np.linalg.eigvalsh(information)[0] < LEAST_INFORMATION:
        return ScoreTest(None, None, None)
    statistic = float(score @ np.linalg.solve(information, score))
    return ScoreTest(statistic, len(score), float(chi2.sf(statistic, len(score))))
