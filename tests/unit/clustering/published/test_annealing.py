from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.lattices import lattice
from helpers.pottsmodels import few_tiles, labelings
from histohet.clustering.potts.model import PottsModel, energy
from histohet.clustering.published.annealing import AnnealingSchedule, anneal
from histohet.tiles.neighbours import knn_edges

SLOW = AnnealingSchedule(factor=0.97, proposals_per_temperature=1000)


@pytest.mark.parametrize("seed", range(12))
def test_slow_annealing_finds_the_minimum_over_all_labelings(seed):
    model = few_tiles(seed).model
    best = min(energy(model, labels) for labels in labelings(model))
    start = np.zeros(len(model.unary), np.int64)
    rng = np.random.default_rng(seed)
    # Even slow cooling may freeze behind a barrier of several tiles, so it has a few tries.
    found = [anneal(model, start, SLOW, rng).energy for _ in range(8)]
    assert min(found) == pytest.approx(best, abs=1e-9)
    assert np.median(found) == pytest.approx(best, abs=1e-9)


def lattice_model(seed: int = 0, side: int = 15, n_labels: int = 5) -> PottsModel:
    rng = np.random.default_rng(seed)
    edges = knn_edges(lattice(side, side), 8)
    return PottsModel(edges, rng.random(len(edges)), -4 * rng.random((side**2, n_labels)))


def test_energy_followed_through_the_proposals_equals_energy_computed_afresh():
    model = lattice_model()
    start = np.random.default_rng(1).integers(5, size=len(model.unary))
    found = anneal(model, start, AnnealingSchedule(), np.random.default_rng(2))
    assert found.trace[-1] == pytest.approx(found.energy, rel=1e-10)
    assert found.energy == energy(model, found.labels)
    assert found.start_energy == energy(model, start)
    assert found.energy < found.start_energy


def test_start_labels_are_left_alone():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int32)
    anneal(model, start, AnnealingSchedule(max_proposals=20_000), np.random.default_rng(0))
    assert not start.any()


def test_same_seed_same_labels():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    schedule = AnnealingSchedule(max_proposals=200_000)
    first, again, other = (
        anneal(model, start, schedule, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.trace.tobytes() == again.trace.tobytes()
    assert first.labels.tobytes() != other.labels.tobytes()


def test_published_schedule_cools_for_51_temperatures_and_then_stops_at_rest():
    # 2 * 0.9^50 = 0.0103 is the last temperature of at least 0.01.
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    found = anneal(model, start, AnnealingSchedule(), np.random.default_rng(0))
    assert 520_000 <= found.n_proposals < 700_000
    assert len(found.trace) == found.n_proposals / 10_000
    assert found.trace[-1] == pytest.approx(found.trace[-2], rel=1e-2)


def test_proposals_are_capped_exactly():
    model = lattice_model()
    start = np.zeros(len(model.unary), np.int64)
    schedule = AnnealingSchedule(max_proposals=25_000)
    found = anneal(model, start, schedule, np.random.default_rng(0))
    assert found.n_proposals == 25_000
    assert len(found.trace) == 3
    still = anneal(model, start, AnnealingSchedule(max_proposals=0), np.random.default_rng(0))
    assert not still.labels.any()
    assert still.energy == still.start_energy


def test_hot_annealing_without_coupling_samples_the_boltzmann_distribution():
    # One tile and two labels of energies 0 and 1 at T = 2: p(1) / p(0) = exp(-1/2).
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.array([[0.0, 1.0]]))
    schedule = AnnealingSchedule(proposals_per_temperature=50, max_proposals=50)
    rng = np.random.default_rng(0)
    ones = sum(anneal(model, np.zeros(1), schedule, rng).labels[0] for _ in range(4000))
    expected = math.exp(-0.5) / (1 + math.exp(-0.5))
    assert ones / 4000 == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize(("n", "n_labels"), [(0, 3), (4, 1)])
def test_nothing_to_choose(n, n_labels):
    model = PottsModel(np.empty((0, 2), np.int64), np.empty(0), np.zeros((n, n_labels)))
    found = anneal(model, np.zeros(n, np.int64), AnnealingSchedule(), np.random.default_rng(0))
    assert found.labels.tolist() == [0] * n
    assert (found.energy, found.n_proposals, len(found.trace)) == (0.0, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"t_start": 0.0},
        {"t_end": 0.0},
        {"factor": 1.0},
        {"proposals_per_temperature": 0},
        {"max_proposals": -1},
        {"tolerance": -1.0},
    ],
)
def test_schedule_must_cool(bad):
    with pytest.raises(ValueError, match="annealing"):
        AnnealingSchedule(**bad)
