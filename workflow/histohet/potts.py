"""The Potts energy of a labelling of tiles, and its published minimiser, simulated annealing.

E(s) = - sum over edges (u, v) with s_u = s_v of w_uv  -  c * sum over tiles i of cos(centre[s_i],
x_i), with c = edges / tiles so that both terms weigh alike (HETMAP). A `PottsModel` holds the two
terms as plain arrays; whoever builds other terms, or another minimiser of `PottsModel` to
`Minimum`, needs nothing else from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PottsModel:
    """Terms of the energy of a labelling s: sum of unary[i, s_i] - sum of weights on equal edges.

    Attributes
    ----------
    edges
        (E, 2) int64 pairs of tiles, each once.
    weights
        (E,) float64 gain of giving both tiles of an edge the same label.
    unary
        (N, K) float64 cost of giving tile i label k.
    """

    edges: Ints
    weights: Floats
    unary: Floats


@dataclass(frozen=True)
class Minimum:
    """What a minimiser found.

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


def unary_cosine(
    features: npt.NDArray[np.floating], centres: npt.NDArray[np.floating], weight: float
) -> Floats:
    """Return -weight * cos(centre_k, x_i) for every tile i and label k.

    Parameters
    ----------
    features
        (N, D) float; rows of zeros have cosine 0.
    centres
        (K, D) float.
    weight
        c of the energy: number of edges / number of tiles.

    Returns
    -------
    ndarray
        (N, K) float64.
    """
    products = (features @ centres.astype(features.dtype).T).astype(np.float64)
    norms = np.outer(_row_norms(features), _row_norms(centres))
    cosine = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return -weight * cosine


def energy(model: PottsModel, labels: npt.NDArray[np.integer]) -> float:
    """Return the energy of `labels` (N,)."""
    u, v = model.edges.T
    smooth = model.weights[labels[u] == labels[v]].sum()
    return float(model.unary[np.arange(len(labels)), labels].sum() - smooth)


def anneal(
    model: PottsModel,
    start: npt.NDArray[np.integer],
    schedule: AnnealingSchedule,
    rng: np.random.Generator,
) -> Minimum:
    """Minimise the energy by single-site Metropolis annealing from the labels `start`.

    A proposal draws a tile and a label uniformly (drawing the tile's own label changes nothing but
    counts) and is accepted if it lowers the energy or with probability exp(-rise / T).

    Random numbers are drawn here, block by block, so that the compiled part is a pure function.
    """
    n, n_labels = model.unary.shape
    labels = start.astype(np.int64)
    start_energy = now = energy(model, labels)
    neighbours = _neighbour_lists(model.edges, model.weights, n)
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
            *neighbours, model.unary, labels, tiles, proposals, uniforms, temperature
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
    return Minimum(labels, start_energy, energy(model, labels), done, trace_energies)


@numba.njit(cache=True)
def _metropolis(
    first: Ints,
    neighbour: Ints,
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
        for position in range(first[tile], first[tile + 1]):
            label = labels[neighbour[position]]
            if label == old:
                rise += weight[position]
            elif label == new:
                rise -= weight[position]
        if rise < 0 or uniforms[step] < np.exp(-rise / temperature):
            labels[tile] = new
            change += rise
    return change


def _neighbour_lists(edges: Ints, weights: Floats, n: int) -> tuple[Ints, Ints, Floats]:
    """Return where each tile's neighbours start (N + 1), and all neighbours and weights (2E)."""
    ends = np.concatenate([edges[:, 0], edges[:, 1]])
    others = np.concatenate([edges[:, 1], edges[:, 0]])
    order = np.lexsort((others, ends))
    first = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=n))]).astype(np.int64)
    return first, others[order], np.concatenate([weights, weights])[order]


def _row_norms(rows: npt.NDArray[np.floating]) -> Floats:
    squared: Floats = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(squared)
