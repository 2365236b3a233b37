"""HETMAP's minimiser of the energy: single-site Metropolis annealing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.clustering.potts.model import PottsModel, energy, neighbour_lists
from histohet.common.arrays import Floats, Int32, Ints


@dataclass(frozen=True)
class AnnealingSchedule:
    """Cooling of the published annealing.

    The temperature starts at `t_start` and is multiplied by `factor` after every
    `proposals_per_temperature` proposals until it is below `t_end`. The published rule for what
    comes then may run to `max_proposals` without changing a label. Here the cold chain goes on in
    sweeps of N * K proposals (every label of every tile once, on average) until one sweep lowers
    the energy by no more than `tolerance` of its magnitude.
    """

    t_start: float = 2.0
    factor: float = 0.9
    proposals_per_temperature: int = 10_000
    t_end: float = 0.01
    max_proposals: int = 10_000_000
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not (self.t_start > 0 and self.t_end > 0 and 0 < self.factor < 1):
            raise ValueError(f"annealing must cool from a positive temperature: {self}")
        if self.proposals_per_temperature < 1 or self.max_proposals < 0 or self.tolerance < 0:
            raise ValueError(f"annealing needs proposals and a tolerance of 0 or more: {self}")


SCHEDULE = AnnealingSchedule()
"""That of HETMAP."""


@dataclass(frozen=True)
class Annealed:
    """What the annealing came to.

    Attributes
    ----------
    labels
        (N,) int64 in 0..K-1; labels may have become unused.
    start_energy, energy
        Energy of the labels at the start and of `labels`, computed afresh.
    n_proposals
        Proposals made.
    trace
        (B,) float64 energy after each block of proposals of one temperature.
    """

    labels: Ints
    start_energy: float
    energy: float
    n_proposals: int
    trace: Floats


def anneal(
    model: PottsModel,
    start: npt.NDArray[np.integer],
    schedule: AnnealingSchedule,
    rng: np.random.Generator,
) -> Annealed:
    """Minimise the energy by single-site Metropolis annealing from the labels `start`.

    A proposal draws a tile and a label uniformly (drawing the tile's own label changes nothing but
    counts) and is accepted if it lowers the energy or with probability exp(-rise / T).

    Random numbers are drawn here, block by block, so that the compiled part is a pure function.
    """
    n, n_labels = model.unary.shape
    labels = start.astype(np.int64)
    start_energy = now = energy(model, labels)
    neighbours = neighbour_lists(model.edges, n)
    weights = model.weights[neighbours.edge]
    trace = []
    done = 0
    temperature = schedule.t_start
    sweep = max(n * n_labels, schedule.proposals_per_temperature)
    sweep_start, sweep_energy = 0, now
    while n and n_labels > 1 and done < schedule.max_proposals:
        size = min(schedule.proposals_per_temperature, schedule.max_proposals - done)
        tiles = rng.integers(n, size=size)
        proposals = rng.integers(n_labels, size=size)
        uniforms = rng.random(size)
        now += _metropolis(
            neighbours.first,
            neighbours.tile,
            weights,
            model.unary,
            labels,
            tiles,
            proposals,
            uniforms,
            temperature,
        )
        done += size
        trace.append(now)
        if temperature >= schedule.t_end:
            temperature *= schedule.factor
            sweep_start, sweep_energy = done, now
        elif done - sweep_start >= sweep:
            if sweep_energy - now <= schedule.tolerance * abs(sweep_energy):
                break
            sweep_start, sweep_energy = done, now
    trace_energies = np.array(trace, np.float64)
    return Annealed(labels, start_energy, energy(model, labels), done, trace_energies)


@njit(cache=True)
def _metropolis(
    first: Ints,
    neighbour: Int32,
    weight: Floats,
    unary: Floats,
    labels: Ints,
    tiles: Ints,
    proposals: Ints,
    uniforms: Floats,
    temperature: float,
) -> float:
    """Try the proposals in order, changing `labels` in place; return the change of energy."""
    change = 0.0
    for step in range(len(tiles)):
        tile, new = tiles[step], proposals[step]
        old = labels[tile]
        if new == old:
            continue
        rise = unary[tile, new] - unary[tile, old]
        for arc in range(first[tile], first[tile + 1]):
            label = labels[neighbour[arc]]
            if label == old:
                rise += weight[arc]
            elif label == new:
                rise -= weight[arc]
        if rise < 0 or uniforms[step] < np.exp(-rise / temperature):
            labels[tile] = new
            change += rise
    return change
