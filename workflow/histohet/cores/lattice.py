"""The lattice that the cores of an array were set in: which of them fit it, and their places.

Sections stretch, tear and are mounted askew, and arrays consist of blocks. So nothing is fitted to
the whole array at once: a core is judged, and placed, by its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from histohet.common.arrays import Bools, Floats, Ints
from histohet.cores.find import DISTINCT, Discs

WIDEST_PITCH = 2.6
"""Largest distance of neighbours that is looked for, in diameters."""

MOST_TILT = 0.6
"""Tangent of the largest tilt of an array: beyond 31° rows cannot be told from columns."""

FAINTEST_IN_PLACE = 0.15
"""Response of the faintest core that is taken where the lattice has a place."""

ALONE = 0.5
"""Response that a core needs where the lattice has none: lone controls."""

IN_PLACE, OUT_OF_PLACE = 0.1, 0.35
"""Misfit, in pitches, up to which a core is in its place, and from which it is in none. Of labelled
cores 95 % misfit by less than .23, on each of eight arrays."""

LEAST_NEIGHBOURS = 3
"""Fewer neighbours say nothing of a place."""

STEPS = 2
"""Neighbours are up to so many places away."""


def basis_of(xy: Floats, diameter: float) -> Floats:
    """Return the steps from a core to the next, along a row and down a column, px (2, 2).

    Of the differences of near cores, the shortest of the frequent ones. Where too few cores lie in
    one direction, it is the other one, turned.
    """
    pairs = cKDTree(xy).query_pairs(WIDEST_PITCH * diameter, output_type="ndarray")
    steps = xy[pairs[:, 1]] - xy[pairs[:, 0]]
    steps = np.vstack([steps, -steps])
    along, down = (_step(steps, axis, diameter) for axis in (0, 1))
    if along is None:
        along = np.array([1.5 * diameter, 0]) if down is None else np.array([down[1], -down[0]])
    if down is None:
        down = np.array([-along[1], along[0]])
    return np.vstack([along, down])


def _step(steps: Floats, axis: int, diameter: float) -> Floats | None:
    """Return the step along one axis, (2,); None if too few cores lie so."""
    forward, aside = steps[:, axis], np.abs(steps[:, 1 - axis])
    steps = steps[(forward > 0.7 * diameter) & (aside < MOST_TILT * forward)]
    if len(steps) < LEAST_NEIGHBOURS:
        return None
    tree = cKDTree(steps)
    frequent = np.array([len(near) for near in tree.query_ball_point(steps, 0.2 * diameter)])
    candidates = steps[frequent >= 0.6 * frequent.max()]
    found = candidates[np.argmin(np.hypot(*candidates.T))]
    for _ in range(2):
        found = np.median(steps[np.hypot(*(steps - found).T) < 0.25 * diameter], axis=0)
    return np.asarray(found, np.float64)


def _in_steps(differences: Floats, basis: Floats) -> tuple[Ints, Floats]:
    """Return differences (N, 2) as whole steps, and what is left, in pitches; (N, 2) each."""
    steps = differences @ np.linalg.inv(basis)
    whole = np.rint(steps).astype(np.int64)
    left: Floats = (steps - whole) @ basis / np.hypot(*basis.T).mean()
    return whole, left


def misfit(xy: Floats, reference: Floats, basis: Floats) -> Floats:
    """Return how far places are from where their neighbours would have them, in pitches.

    Parameters
    ----------
    xy
        (N, 2), places.
    reference
        (M, 2), cores beyond doubt, which may be among the places.
    basis
        See `basis_of`.

    Returns
    -------
    float64 (N,)
        `OUT_OF_PLACE` with fewer than `LEAST_NEIGHBOURS`.
    """
    found = np.full(len(xy), OUT_OF_PLACE)
    if len(reference) == 0:
        return found
    reach = (STEPS + 0.3) * np.hypot(*basis.T).max()
    near = cKDTree(reference).query_ball_point(xy, reach)
    for number, (place, neighbours) in enumerate(zip(xy, near, strict=True)):
        whole, left = _in_steps(place - reference[neighbours], basis)
        far = np.abs(whole).sum(axis=1)
        counts = (far > 0) & (np.abs(whole).max(axis=1, initial=0) <= STEPS)
        if counts.sum() >= LEAST_NEIGHBOURS:
            found[number] = np.hypot(*np.average(left[counts], axis=0, weights=1 / far[counts]))
    return found


def choose_cores(discs: Discs) -> tuple[Floats, Floats]:
    """Return the discs that are cores, (N, 2), and the basis of their lattice, (2, 2).

    The worse a place fits the lattice, the more of a disc it must show.
    """
    distinct = discs.xy[discs.response > DISTINCT]
    basis = basis_of(distinct, discs.diameter)
    needed = np.interp(
        misfit(discs.xy, distinct, basis), [IN_PLACE, OUT_OF_PLACE], [FAINTEST_IN_PLACE, ALONE]
    )
    return discs.xy[discs.response >= needed], basis


def places_of(xy: Floats, basis: Floats) -> Ints:
    """Return the row and column of every core, int64 (N, 2), from 0 on, no two alike.

    Neighbours are one step apart, whatever the lattice does elsewhere; the links that misfit least
    join a block. Blocks are set where the lattice of the others has places for them. Rows and
    columns without any core, as between blocks, have no number.
    """
    if len(xy) == 0:
        return np.empty((0, 2), np.int64)
    blocks = _blocks(xy, basis)
    blocks.sort(key=lambda block: (-len(block[0]), int(block[0].min())))
    placed = np.zeros((len(xy), 2), np.int64)
    members, steps = blocks[0]
    placed[members] = steps
    done = members
    waiting = blocks[1:]
    while waiting:
        # The nearest block is extrapolated to over the shortest distance.
        tree = cKDTree(xy[done])
        number = int(np.argmin([tree.query(xy[one])[0].min() for one, _ in waiting]))
        members, steps = waiting.pop(number)
        placed[members] = steps + _offset(xy, placed, done, members, steps, basis)
        done = np.concatenate([done, members])
    columns, rows = (np.unique(placed[:, axis], return_inverse=True)[1] for axis in (0, 1))
    return np.column_stack([rows, columns]).astype(np.int64)


def _blocks(xy: Floats, basis: Floats) -> list[tuple[Ints, Ints]]:
    """Return the cores of every block, and the steps (N, 2) of each from the first of them."""
    pairs = _links(xy, basis)
    starts, ends, whole, cost = pairs
    graph = coo_array((cost, (starts, ends)), shape=(len(xy), len(xy))).tocsr()
    tree = minimum_spanning_tree(graph)
    step_of = {
        (int(one), int(other)): step for one, other, step in zip(starts, ends, whole, strict=True)
    }
    _, labels = connected_components(tree, directed=False)
    steps = np.zeros((len(xy), 2), np.int64)
    blocks = []
    for label in range(labels.max() + 1):
        members = np.flatnonzero(labels == label)
        order, before = breadth_first_order(tree, members[0], directed=False)
        for core in order[1:].tolist():
            link = (int(before[core]), core)
            step = step_of[link] if link in step_of else -step_of[link[::-1]]
            steps[core] = steps[link[0]] + step
        blocks += _without_collisions(members, steps[members])
    return blocks


def _without_collisions(members: Ints, steps: Ints) -> list[tuple[Ints, Ints]]:
    """Set cores whose place in a block is taken apart, as blocks of their own."""
    _, first = np.unique(steps, axis=0, return_index=True)
    rest = np.setdiff1d(np.arange(len(members)), first)
    first = np.sort(first)
    return [(members[first], steps[first])] + [
        (members[one : one + 1], np.zeros((1, 2), np.int64)) for one in rest.tolist()
    ]


def _links(xy: Floats, basis: Floats) -> tuple[Ints, Ints, Ints, Floats]:
    """Return pairs of neighbours, their steps and what a link costs: its misfit, more if far."""
    reach = (STEPS + 0.3) * np.hypot(*basis.T).max()
    pairs = cKDTree(xy).query_pairs(reach, output_type="ndarray").astype(np.int64)
    whole, left = _in_steps(xy[pairs[:, 1]] - xy[pairs[:, 0]], basis)
    far = np.abs(whole).sum(axis=1)
    error = np.hypot(*left.T)
    kept: Bools = (far > 0) & (far <= STEPS) & (error < OUT_OF_PLACE)
    cost = (error + 0.01) * far**2
    return pairs[kept, 0], pairs[kept, 1], whole[kept], cost[kept]


def _offset(
    xy: Floats, placed: Ints, done: Ints, members: Ints, steps: Ints, basis: Floats
) -> Ints:
    """Return the steps by which a block is moved to lie in the lattice of those that are placed."""
    # Each new core by the nearest core that is placed: the lattice bends.
    distance, nearest = cKDTree(xy[done]).query(xy[members])
    near = np.argsort(distance)[:3]
    anchors = done[nearest[near]]
    wanted = (xy[members[near]] - xy[anchors]) @ np.linalg.inv(basis) + placed[anchors]
    wanted = np.mean(wanted - steps[near], axis=0)
    taken = set(map(tuple, placed[done].tolist()))
    return min(
        (offset for offset in _around(wanted) if not _collides(steps + offset, taken)),
        key=lambda offset: float(np.hypot(*(offset - wanted))),
    )


def _around(wanted: Floats) -> Iterable[Ints]:
    """Yield offsets near the wanted one, and at last some that nothing can be in the way of."""
    middle = np.rint(wanted).astype(np.int64)
    for step in (*product(range(-3, 4), repeat=2), (1000, 0), (0, 1000)):
        yield middle + np.array(step, np.int64)


def _collides(steps: Ints, taken: set[tuple[int, ...]]) -> bool:
    return any(place in taken for place in map(tuple, steps.tolist()))
