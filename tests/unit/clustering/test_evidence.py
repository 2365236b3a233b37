from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from helpers.evidence import NO_EDGES, Graphs, Plain, field_of, small_slide
from helpers.lattices import lattice
from histohet.clustering.energy import estimate_coupling
from histohet.clustering.evidence import SHARED_TILES, assess
from histohet.clustering.result import compact


def evidence(rows, graphs, labels) -> float:
    return assess(field_of(rows, graphs), labels, np.ones(len(rows))).evidence


@pytest.mark.parametrize(("seed", "d"), [(0, 1), (1, 2), (2, 3)])
def test_evidence_is_that_of_the_model_spelled_out(seed, d):
    rows, graphs, labels = small_slide(seed, d, n_labels=3, side=6)
    plain = Plain(rows, graphs)
    for some in (labels, np.zeros_like(labels), compact(np.minimum(labels, 1))):
        found = assess(field_of(rows, graphs), some, np.ones(len(rows)))
        assert found.evidence == pytest.approx(plain.evidence(some), rel=1e-9)
        assert found.n_clusters == some.max() + 1
        np.testing.assert_allclose(
            found.weights, plain.settle(some, np.ones(len(rows)))[0], rtol=1e-8
        )
        assert found.coupling == estimate_coupling(plain.counts(some), some)


def test_evidence_of_a_singleton_is_that_of_the_model():
    rows, graphs, labels = small_slide(5, d=2, n_labels=2, side=5)
    labels[3] = 2
    assert evidence(rows, graphs, labels) == pytest.approx(
        Plain(rows, graphs).evidence(labels), rel=1e-9
    )


def test_integrated_density_in_one_dimension_is_a_chain_of_students():
    # Without neighbours nothing is predicted and a cluster's residuals are its own.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [30, 20])
    rows = (rng.standard_normal(50) * np.where(labels == 0, 1, 3) + 4 * labels)[:, None]
    field = field_of(rows, NO_EDGES)
    found = assess(field, labels, np.ones(50))
    weights = found.weights
    means = [np.average(rows[labels == k, 0], weights=weights[labels == k]) for k in (0, 1)]
    residual = (rows[:, 0] - np.array(means)[labels]) * np.sqrt(weights)
    floor = 1e-6 * rows.var()

    def chain(shared: float) -> float:
        total = 0.0
        for k in (0, 1):
            freedom, squares = 2 + shared, shared * (np.mean(residual**2) + floor)
            for e in residual[labels == k]:
                total += student_t.logpdf(e, freedom, scale=np.sqrt(squares / freedom))
                freedom, squares = freedom + 1, squares + e**2
        return total

    plain = Plain(rows, NO_EDGES)
    _, tails = plain.settle(labels, np.ones(50))
    # No neighbours: every label is as likely as any other.
    expected = max(map(chain, SHARED_TILES)) + tails - 50 * np.log(2)
    expected += plain.of_means(labels, weights)
    assert found.coupling == 0
    assert found.evidence == pytest.approx(expected, rel=1e-9)


def test_sums_are_those_of_a_loop_over_tiles():
    rows, graphs, labels = small_slide(3)
    rows = rows - rows.mean(axis=0)
    n_labels = int(labels.max()) + 1
    found = assess(field_of(rows, graphs), labels, np.ones(len(rows)))
    around = Plain(rows, graphs).around
    one, y, yy = np.zeros(n_labels), np.zeros((n_labels, 10)), np.zeros((n_labels, 10, 10))
    for tile, label in enumerate(labels):
        neighbours = around[tile]
        mean = rows[neighbours].mean(axis=0) if neighbours else np.zeros(3)
        shares = [np.mean(labels[neighbours] == k) if neighbours else 0.0 for k in range(n_labels)]
        of_tile = np.concatenate([rows[tile], mean, shares])
        one[label] += found.weights[tile]
        y[label] += found.weights[tile] * of_tile
        yy[label] += found.weights[tile] * np.outer(of_tile, of_tile)
    np.testing.assert_allclose(found.sums.one, one, rtol=1e-12)
    np.testing.assert_allclose(found.sums.y, y, atol=1e-10)
    np.testing.assert_allclose(found.sums.yy, yy, atol=1e-10)


def test_numbers_of_clusters_and_order_of_tiles_do_not_matter():
    rows, graphs, labels = small_slide(4)
    expected = evidence(rows, graphs, labels)
    renamed = np.array([2, 0, 3, 1])[labels]
    assert evidence(rows, graphs, renamed) == pytest.approx(expected, rel=1e-10)
    order = np.random.default_rng(0).permutation(len(rows))
    place = np.argsort(order)
    moved = Graphs(*(np.sort(place[pairs], axis=1) for pairs in graphs))
    assert evidence(rows[order], moved, labels[order]) == pytest.approx(expected, rel=1e-10)


def test_unit_origin_and_axes_of_the_embedding_shift_all_evidence_alike():
    rows, graphs, labels = small_slide(6)
    labelings = [labels, np.zeros_like(labels), np.minimum(labels, 1), np.minimum(labels, 2)]
    before = np.array([evidence(rows, graphs, some) for some in labelings])
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    for unit, origin in ((1.0, 0.0), (1e-3, 0.0), (1.0, 5.0), (250.0, -100.0)):
        moved = (unit * rows + origin) @ turn
        after = np.array([evidence(moved, graphs, some) for some in labelings])
        # The density of n tiles in 3 dimensions changes by the unit's volume.
        np.testing.assert_allclose(after, before - len(rows) * 3 * np.log(unit), atol=1e-5)


def smooth_field(coords: np.ndarray, kind: str) -> np.ndarray:
    x, y = coords.T / coords.max()
    return {
        "linear": x + 0.5 * y,
        "sinusoidal": np.sin(5 * x) + np.cos(4 * y),
    }[kind]


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def halves(values: np.ndarray) -> np.ndarray:
    return (values > np.median(values)).astype(np.int64)


@pytest.mark.parametrize("kind", ["linear", "sinusoidal"])
@pytest.mark.parametrize("columns", [25, 80])
def test_a_drift_is_one_kind_and_a_border_is_two(columns, kind):
    # Both vary alike, in one of four directions, and are labelled along their own variation.
    rng = np.random.default_rng(columns)
    coords = lattice(columns, columns * 4 // 5)
    graphs = Graphs.of(coords)
    noise = rng.standard_normal((len(coords), 4))
    drift = standardised(smooth_field(coords, kind))
    labels = halves(drift)
    step = standardised(labels.astype(float))
    one = np.zeros_like(labels)
    for signal, two_found in ((drift, False), (step, True)):
        rows = noise.copy()
        rows[:, 0] += 1.5 * signal
        gain = evidence(rows, graphs, labels) - evidence(rows, graphs, one)
        assert (gain > 0) == two_found
    # Not so without a look at the neighbours: halves of the drift look like clusters.
    rows = noise.copy()
    rows[:, 0] += 1.5 * drift
    halved = [norm(rows[labels == k].mean(axis=0), rows[labels == k].std(axis=0)) for k in (0, 1)]
    whole = norm(rows.mean(axis=0), rows.std(axis=0))
    naive = sum(halved[k].logpdf(rows[labels == k]).sum() for k in (0, 1))
    assert naive - whole.logpdf(rows).sum() > 4 * np.log(len(rows))


@pytest.mark.parametrize("n_columns", [25, 70])
def test_heavy_tails_are_no_second_kind(n_columns):
    rng = np.random.default_rng(n_columns)
    coords = lattice(n_columns, n_columns)
    rows = rng.standard_t(3, (len(coords), 1)) * rng.standard_normal((len(coords), 4))
    graphs = Graphs.of(coords)
    far = (np.linalg.norm(rows, axis=1) > 3).astype(np.int64)
    one = np.zeros_like(far)
    assert evidence(rows, graphs, far) < evidence(rows, graphs, one)


def test_kinds_of_one_mean_and_different_spread_are_two():
    rng = np.random.default_rng(0)
    coords = lattice(30, 30)
    labels = (coords[:, 0] >= 15).astype(np.int64)
    rows = rng.standard_normal((900, 3)) * np.where(labels[:, None] == 0, 1.0, [2.0, 0.5, 1.0])
    graphs = Graphs.of(coords)
    assert evidence(rows, graphs, labels) > evidence(rows, graphs, np.zeros_like(labels))


def test_labels_that_do_not_hang_together_are_improbable():
    rng = np.random.default_rng(0)
    coords = lattice(20, 20)
    graphs = Graphs.of(coords)
    rows = rng.standard_normal((400, 2))
    stripes = (coords[:, 0] >= 10).astype(np.int64)
    scattered = rng.permutation(stripes)
    # The rows say nothing; the labels do.
    assert evidence(rows, graphs, stripes) > evidence(rows, graphs, scattered) + 100
    apart = evidence(rows, NO_EDGES, stripes) - evidence(rows, NO_EDGES, scattered)
    assert abs(apart) < 20


def test_weights_to_begin_with_hardly_matter():
    rows, graphs, labels = small_slide(7, side=16)
    field = field_of(rows, graphs)
    fresh = assess(field, labels, np.ones(len(rows)))
    again = assess(field, labels, fresh.weights)
    assert again.evidence == pytest.approx(fresh.evidence, abs=5)
    assert again.labels is labels
