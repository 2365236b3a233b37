"""Cox models whose partial likelihood has no maximum, and which of their estimates exist even so.

The likelihood rises for ever along a combination of covariates if everybody who dies has at least
as much of it as all those at risk beside him (monotone likelihood; Heinze and Schemper, Biometrics
57:114, 2001): a level of one patient without event will do. That makes some hazard ratios infinite,
and not the others: at the end of the way, patients are compared only with those who have as much of
the combination, and this likelihood has a maximum in whatever it still tells (Clarkson and
Jennrich, J R Stat Soc B 53:417, 1991). R's `coxph` walks that way until the likelihood rises no
more, so the estimates of its other rows are these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import qr
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, eye_array, hstack
from scipy.sparse.csgraph import connected_components

from histohet.common.arrays import Bools, Floats, Ints
from histohet.survival.partial_likelihood import Maximum, NoMaximumError, RiskSets, maximise

SMALL = 1e-6
"""Differences in the unit of the typical one that are none; the linear programme is solved to
1e-7."""


class TooFarApartError(ValueError):
    """There is a maximum, but values of a covariate are too far apart for it to be computed.

    Attributes
    ----------
    column
        The covariate with the value furthest out.
    """

    def __init__(self, column: int) -> None:
        self.column = column
        super().__init__(f"values of column {column} are too far apart")


@dataclass(frozen=True, eq=False)
class Separation:
    """How n patients are separated by p covariates.

    Attributes
    ----------
    direction
        A combination of the covariates along which the likelihood rises as far as it can, (p,); 0
        if it is flat.
    alone
        Whether a covariate does it alone, (p,).
    finite
        Whether the likelihood says what the coefficient of a covariate is, (p,).
    kept
        Covariates that are left once one has been taken out for each thing that the likelihood does
        not say, ascending; all that are finite are among them.
    stratum
        Patients that are compared with each other still, (n,).
    """

    direction: Floats
    alone: Bools
    finite: Bools
    kept: Ints
    stratum: Ints


@dataclass(frozen=True, eq=False)
class Supremum:
    """The least upper bound of a partial likelihood: at its maximum, or in the limit.

    Attributes
    ----------
    design
        Covariates, (n, p).
    risk
        Who is compared with whom, in the limit if there is no maximum.
    maximum
        Of their likelihood, in the columns `kept`.
    separation
        None if the likelihood has a maximum.
    """

    design: Floats
    risk: RiskSets
    maximum: Maximum
    separation: Separation | None = None

    @property
    def kept(self) -> Ints:
        """Columns of the maximum, ascending."""
        return np.arange(self.design.shape[1]) if self.separation is None else self.separation.kept

    @property
    def finite(self) -> Bools:
        """Whether the coefficient of a column is finite and determined, (p,)."""
        if self.separation is None:
            return np.ones(self.design.shape[1], bool)
        return self.separation.finite

    @cached_property
    def ranking(self) -> Floats:
        """Numbers that rank patients by hazard, (n,): log hazards, if these are all finite."""
        predictor = self.maximum.at.predictor
        if self.separation is None:
            return predictor
        # Those that are infinitely far apart are further apart than all others.
        far = self.design @ self.separation.direction
        order = np.argsort(far, kind="stable")
        tier = np.empty(len(far))
        tier[order] = np.append(0, np.cumsum(np.diff(far[order]) > SMALL))
        return predictor + tier * (1 + np.ptp(predictor))


def supremum(design: Floats, risk: RiskSets) -> Supremum:
    """Fit a Cox model without penalty, as far as it can be.

    Parameters
    ----------
    design
        Covariates, (n, p), none constant and none a combination of others.
    risk
        Of the same n patients, in one stratum.

    Raises
    ------
    TooFarApartError
        If a covariate has a value so far out that there is no telling its likelihood.
    """
    try:
        return Supremum(design, risk, maximise(design, risk))
    except NoMaximumError:
        found = separation(design, risk)
    if len(found.kept) == design.shape[1]:
        raise TooFarApartError(_furthest_out(design))
    limit = risk.within(found.stratum)
    try:
        return Supremum(design, limit, maximise(design[:, found.kept], limit), found)
    except NoMaximumError as error:
        raise TooFarApartError(int(found.kept[_furthest_out(design[:, found.kept])])) from error


def _furthest_out(design: Floats) -> int:
    return int(np.argmax(np.abs(design - design.mean(axis=0)).max(axis=0) / design.std(axis=0)))


def separation(design: Floats, risk: RiskSets) -> Separation:
    """Find how far covariates separate those who die from the others at risk.

    This asks for the signs of differences between patients alone, so no value is too far out.

    Parameters
    ----------
    design
        Covariates, (n, p).
    risk
        Of the same n patients, in one stratum.
    """
    above, below = _comparisons(risk)
    differences = design[above] - design[below]
    alone = (differences != 0).any(axis=0) & (
        (differences >= 0).all(axis=0) | (differences <= 0).all(axis=0)
    )
    # Every row may be multiplied, and every column, as long as it is undone at the end.
    sizes = np.abs(differences)
    unit = np.array([np.median(one[one > 0]) if one.any() else 1.0 for one in sizes.T])
    rows = differences / unit
    length = np.linalg.norm(rows, axis=1)
    rows = rows[length > 0] / length[length > 0, None]
    direction, strictly = _highest(rows)
    equal = np.ones(len(above), bool)
    equal[length > 0] = ~strictly
    finite, kept = _told(rows[~strictly])
    # Patients who have as much of the direction as one another, directly or through others.
    pairs = coo_array((equal[equal], (above[equal], below[equal])), shape=(risk.n, risk.n))
    stratum = connected_components(pairs, directed=False)[1]
    return Separation(direction / unit, alone, finite, kept, stratum)


def _comparisons(risk: RiskSets) -> tuple[Ints, Ints]:
    """Return pairs of patients, of whom the first has to be as high as the second at least.

    Who is higher than those up to the next event, and than who dies then, is higher than all.
    """
    first = risk.first_of_last_event
    compared = np.flatnonzero(first >= 0)
    compared = compared[first[compared] != compared]
    tied = compared[risk.event[compared]]
    leaders = risk.deaths[first[risk.deaths] == risk.deaths]
    above = np.concatenate([first[compared], tied, leaders[:-1]])
    below = np.concatenate([compared, first[tied], leaders[1:]])
    return above, below


def _highest(rows: Floats) -> tuple[Floats, Bools]:
    """Find a direction, (p,), that no row points against and that as many as possible point along.

    Returns
    -------
    direction, strictly
        (p,), and whether a row points along it, (r,).
    """
    r, p = rows.shape
    if not r:
        return np.zeros(p), np.zeros(0, bool)
    found = linprog(
        np.append(np.zeros(p), -np.ones(r)),
        A_ub=hstack([csr_array(-rows), eye_array(r)], format="csr"),
        b_ub=np.zeros(r),
        bounds=[(None, None)] * p + [(0, 1)] * r,
    )
    if found.status:
        raise ArithmeticError(f"the linear programme of a separation: {found.message}")
    # The bounds are such that each row comes to 1 or stays at 0.
    return found.x[:p], found.x[p:] > 0.5


def _told(rows: Floats) -> tuple[Bools, Ints]:
    """Return which coefficients are told by products with rows, (p,), and columns to keep."""
    p = rows.shape[1]
    _, strength, axes = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    untold = axes[np.count_nonzero(strength > SMALL) :]
    finite = (np.abs(untold) < SMALL).all(axis=0)
    dropped = qr(untold, mode="r", pivoting=True)[1][: len(untold)]
    return finite, np.setdiff1d(np.arange(p), dropped)
