"""The minimum of a Potts energy with attractive edges, with a proof of how near it is.

Alpha-expansion from the labels given; tiles whose labels are certain then step back, and a lower
bound is raised for the others until it meets the energy or no longer rises. Labels read from the
bound's messages and expanded improve the energy in turn. Nothing is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from histohet.clustering.potts.bound import (
    Dual,
    by_group,
    decode,
    group_energies,
    only_groups,
    silent,
    tighten,
)
from histohet.clustering.potts.expansion import better_parts, certain, expand
from histohet.clustering.potts.model import (
    IntegerModel,
    PottsModel,
    energy,
    integer_energy,
    offset,
    quantise,
    restrict,
)
from histohet.common.arrays import Bools, Ints

# A further cut for certain tiles pays if the last one settled this share of those in doubt.
WORTHWHILE_SHARE = 0.02
# Messages go on as long as doubling their rounds closes this share of the gap.
WORTHWHILE_RISE = 0.05
FIRST_ROUNDS = 8
# Sums of more terms than a computer holds stay finite.
LARGEST_TERM = 1e250


@dataclass(frozen=True)
class Minimum:
    """Labels of low energy and how near they are to the lowest.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1; labels may have become unused.
    start_energy, energy
        Energy of the labels at the start and of `labels`.
    lower_bound
        No labelling has an energy below this.
    gap_percent
        See `gap_percent`; 0 where `labels` are proved to be a minimum.
    n_cuts
        Expansions of a label that were computed.
    certain_share
        Share of the tiles that have their label in every minimum, found before bounding.
    """

    labels: Ints
    start_energy: float
    energy: float
    lower_bound: float
    gap_percent: float
    n_cuts: int
    certain_share: float


def minimise(
    model: PottsModel,
    start: npt.NDArray[np.integer],
    tolerance: float = 1e-4,
    max_rounds: int = 1024,
) -> Minimum:
    """Minimise the energy from the labels `start` and prove how near the minimum is.

    Terms are rounded once, to the quantum of `model.quantise`; from there on everything is
    exact. The labels cannot be improved by expanding any label (Boykov, Veksler and Zabih, 2001).
    Expansion does not care for the order of the tiles; messages are passed in it, so labels that
    messages improved short of a proved minimum may. Give tiles in an order of their own, by rows.

    Parameters
    ----------
    model
        Weights of 0 or more.
    start
        (N,) integer labels in 0..K-1.
    tolerance
        Gap, as a share of the energy in its non-negative form, that is near enough.
    max_rounds
        Most rounds of messages for the bound.

    Raises
    ------
    ValueError
        If shapes disagree, a term is not finite (or beyond 1e250), a weight is negative, an edge is
        not between two different tiles of the model or a label is out of range.
    """
    _check(model, start)
    labels = start.astype(np.int64)
    start_energy = energy(model, labels)
    if not len(labels):
        return Minimum(labels, 0.0, 0.0, 0.0, 0.0, 0, 1.0)
    exact, quantum = quantise(model)
    labels, n_cuts = expand(exact, labels)
    free = _uncertain(exact, labels)
    part = restrict(exact, free, labels)
    closed = _close_gap(part, labels[free], tolerance, max_rounds)
    labels[free] = closed.labels
    reached = energy(model, labels)
    # Each tile and each edge may have been rounded up by half a quantum, the difference of unary
    # terms by a quarter before that; the few sums of floats below by less than this.
    constant = offset(model)
    rounding = quantum * (len(labels) + len(model.edges)) + 2.0**-48 * abs(constant)
    settled = integer_energy(exact, labels) - integer_energy(part, closed.labels)
    above = max(0.0, (settled + closed.bound) * quantum - rounding)
    bound = float(min(reached, constant + above))
    return Minimum(
        labels,
        start_energy,
        reached,
        bound,
        gap_percent(model, reached, bound),
        n_cuts + closed.n_cuts,
        1 - len(free) / len(labels),
    )


def lower_bound(model: PottsModel, labels: npt.NDArray[np.integer]) -> float:
    """Return an energy that no labelling is below, from the minimisation that starts at `labels`.

    The better the labels, the sooner it is found; they make no other difference to speak of.
    """
    return minimise(model, labels).lower_bound


def gap_percent(model: PottsModel, reached: float, lower_bound: float) -> float:
    """Return 100 * (energy - bound) / E', how far above the minimum an energy may be at most.

    E' is the energy in its non-negative form, sum of (unary[i, s_i] - the least of tile i) + sum of
    weights on unequal edges. Unlike the energy itself, which passes through zero, it does not
    change when a constant is added to the terms.
    """
    above_least = reached - offset(model)
    if reached <= lower_bound or above_least <= 0:
        return 0.0
    return 100 * (reached - lower_bound) / above_least


class _Closed(NamedTuple):
    """Labels (N,) and bound of E' in quanta that met, or as near as they came, and cuts made."""

    labels: Ints
    bound: float
    n_cuts: int


def _close_gap(model: IntegerModel, start: Ints, tolerance: float, max_rounds: int) -> _Closed:
    """Raise the bound and lower the energy of every connected group until they meet.

    Groups whose bound is within `tolerance` step out. The others go on for as many rounds as they
    had so far, until that is no longer worthwhile.
    """
    order, ends = by_group(model)
    dual = silent(restrict(model, order, start), ends)
    labels, reached, tiles = start[order], start.copy(), order
    bound, n_cuts, n_rounds = 0.0, 0, 0
    while True:
        before = dual.bound.copy()
        energies = group_energies(dual.model, dual.ends, labels)
        more = min(max(n_rounds, FIRST_ROUNDS), max_rounds - n_rounds)
        tighten(dual, np.ceil(energies * (1 - tolerance)), more)
        n_rounds += more
        decoded = decode(dual)
        better, cuts = _improve(dual.model, labels, decoded)
        n_cuts += cuts
        is_open, gap = _open_groups(dual, better, tolerance)
        rise = (dual.bound - before)[is_open].sum()
        stalled = rise < WORTHWHILE_RISE * gap and np.array_equal(better, labels)
        if stalled:
            # Expanding the labels that the messages suggest is dear, and may lead elsewhere.
            expanded = expand(dual.model, decoded)
            better, cuts = _improve(dual.model, labels, expanded.labels)
            n_cuts += expanded.n_cuts + cuts
            stalled = np.array_equal(better, labels)
            is_open, _ = _open_groups(dual, better, tolerance)
        labels = better
        reached[tiles] = labels
        if stalled or n_rounds >= max_rounds:
            is_open[:] = False
        bound += float(dual.bound[~is_open].sum())
        if not is_open.any():
            return _Closed(reached, bound, n_cuts)
        kept = np.repeat(is_open, np.diff(dual.ends))
        dual = only_groups(dual, is_open, labels)
        labels, tiles = labels[kept], tiles[kept]


def _open_groups(dual: Dual, labels: Ints, tolerance: float) -> tuple[Bools, float]:
    """Return which groups (G,) have a gap beyond the tolerance, and their gaps' sum in quanta."""
    energies = group_energies(dual.model, dual.ends, labels)
    is_open = dual.bound < np.ceil(energies * (1 - tolerance))
    return is_open, float((energies - dual.bound)[is_open].sum())


def _improve(model: IntegerModel, labels: Ints, other: Ints) -> tuple[Ints, int]:
    """Return `labels` with the better parts of `other`, expanded if there are any; and the cuts."""
    mixed = better_parts(model, labels, other)
    if np.array_equal(mixed, labels):
        return labels, 0
    expanded = expand(model, mixed)
    return expanded.labels, expanded.n_cuts


def _uncertain(model: IntegerModel, labels: Ints) -> Ints:
    """Return the tiles, ascending, whose labels cannot be told to be those of every minimum.

    Once the certain tiles are held fast, more of the others become certain.
    """
    free = np.arange(len(labels))
    while len(free):
        doubtful = ~certain(restrict(model, free, labels), labels[free])
        settled = len(free) - doubtful.sum()
        free = free[doubtful]
        if settled < WORTHWHILE_SHARE * len(doubtful):
            break
    return free


def _check(model: PottsModel, start: npt.NDArray[np.integer]) -> None:
    shapes = f"edges {model.edges.shape}, weights {model.weights.shape}, unary {model.unary.shape}"
    if model.unary.ndim != 2 or model.edges.shape != (len(model.weights), 2):
        raise ValueError(f"these are not the terms of one energy: {shapes}")
    n, n_labels = model.unary.shape
    if start.shape != (n,) or not np.issubdtype(start.dtype, np.integer):
        raise ValueError(f"start labels {start.dtype} {start.shape} are not one integer per tile")
    if not all((np.abs(terms) <= LARGEST_TERM).all() for terms in (model.unary, model.weights)):
        raise ValueError(f"a term of the energy is NaN, infinite or beyond {LARGEST_TERM:g}")
    if (model.weights < 0).any():
        worst = int(model.weights.argmin())
        raise ValueError(
            f"edge {worst} has the negative weight {model.weights[worst]:g}: graph cuts need"
            " weights of 0 or more, so clip them first"
        )
    u, v = model.edges.T
    if len(u) and (model.edges.min() < 0 or model.edges.max() >= n or (u == v).any()):
        raise ValueError(f"an edge is not between two different tiles of 0 to {n - 1}")
    if n and (n_labels == 0 or start.min() < 0 or start.max() >= n_labels):
        raise ValueError(f"a start label is not one of 0 to {n_labels - 1}")
