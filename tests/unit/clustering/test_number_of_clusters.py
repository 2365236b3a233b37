from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from helpers.evidence import Graphs, field_of
from helpers.lattices import lattice
from histohet.clustering.evidence import TileField, assess
from histohet.clustering.number_of_clusters import (
    LEAST_TILES,
    Stage,
    merge_path,
    most_evident,
)
from histohet.clustering.result import OUTLIER, compact


def field_at(rows: np.ndarray, coords: np.ndarray) -> TileField:
    return field_of(rows, Graphs.of(coords))


def k_means(rows: np.ndarray, k: int) -> np.ndarray:
    return compact(KMeans(k, n_init=2, random_state=0).fit(rows).labels_)


def best(path: list[Stage]) -> np.ndarray:
    return max(path, key=lambda stage: stage.step.criterion).labels


def planted(seed: int = 0, side: int = 24, n_kinds: int = 3, d: int = 4, apart: float = 3):
    """Stripes of kinds that overlap a little."""
    rng = np.random.default_rng(seed)
    coords = lattice(side, side)
    kind = coords[:, 0] * n_kinds // side
    rows = apart * rng.standard_normal((n_kinds, d))[kind] + rng.standard_normal((side**2, d))
    return rows, coords, kind


@pytest.fixture(scope="module")
def slide():
    return planted()


@pytest.fixture(scope="module", params=[True, False], ids=["smoothed", "unsmoothed"])
def path(request) -> list[Stage]:
    rows, coords, _ = planted()
    return merge_path(field_at(rows, coords), k_means(rows, 9), request.param)


def test_path_leads_to_one_cluster_in_ever_fewer(path):
    numbers = [int(stage.labels.max()) + 1 for stage in path]
    assert 3 < numbers[0] <= 9
    assert (np.diff(numbers) < 0).all()
    assert numbers[-1] == 1
    for stage, n_clusters in zip(path, numbers, strict=True):
        assert stage.labels.dtype == np.int64
        assert np.unique(stage.labels).tolist() == list(range(n_clusters))
        assert np.isfinite(stage.step.criterion)


def test_merged_sizes_are_those_of_two_clusters_of_the_stage(path):
    assert path[-1].step.merged_sizes is None
    for stage in path[:-1]:
        sizes = np.bincount(stage.labels).tolist()
        for size in stage.step.merged_sizes:
            sizes.remove(size)
    # The last merger leaves nothing over.
    assert sizes == []
    assert sum(path[-2].step.merged_sizes) == len(path[-1].labels)


@pytest.mark.parametrize(("smoothed", "apart"), [(True, 3), (False, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_planted_kinds_have_the_most_evidence(seed, smoothed, apart):
    rows, coords, kind = planted(seed, apart=apart)
    found = best(merge_path(field_at(rows, coords), k_means(rows, 9), smoothed))
    assert found.max() == 2
    assert adjusted_rand_score(kind, found) > 0.95


@pytest.mark.parametrize("smoothed", [True, False])
def test_evidence_of_the_start_is_that_of_its_labels(slide, smoothed):
    rows, coords, kind = slide
    field = field_at(rows, coords)
    first = merge_path(field, kind, smoothed)[0]
    assert first.step.criterion == assess(field, first.labels, np.ones(len(rows))).evidence


def test_tiles_of_the_start_move_to_the_clusters_that_suit_them(slide):
    rows, coords, kind = slide
    rng = np.random.default_rng(0)
    wrong = np.where(rng.random(len(kind)) < 0.2, rng.integers(3, size=len(kind)), kind)
    first = merge_path(field_at(rows, coords), wrong)[0]
    assert adjusted_rand_score(kind, wrong) < 0.7
    assert adjusted_rand_score(kind, first.labels) > 0.98


def test_path_from_one_cluster_is_that_cluster(slide):
    rows, coords, _ = slide
    start = np.zeros(len(rows), np.int64)
    (only,) = merge_path(field_at(rows, coords), start)
    assert only.labels.tolist() == start.tolist()
    assert only.step.merged_sizes is None


def test_start_is_left_alone_and_the_path_is_the_same_every_time(slide):
    rows, coords, _ = slide
    start = k_means(rows, 6)
    given = start.copy()
    field = field_at(rows, coords)
    first, second = merge_path(field, start), merge_path(field, start)
    assert start.tolist() == given.tolist()
    assert [s.step.criterion for s in first] == [s.step.criterion for s in second]
    assert [s.labels.tobytes() for s in first] == [s.labels.tobytes() for s in second]


def test_numbers_of_the_start_do_not_matter(slide):
    rows, coords, _ = slide
    start = k_means(rows, 6)
    field = field_at(rows, coords)
    renamed = merge_path(field, np.array([3, 5, 0, 1, 4, 2])[start])
    for one, other in zip(merge_path(field, start), renamed, strict=True):
        assert adjusted_rand_score(one.labels, other.labels) > 0.999
        assert other.step.criterion == pytest.approx(one.step.criterion, rel=1e-6)


@pytest.mark.parametrize("kind", ["linear", "sinusoidal"])
@pytest.mark.parametrize(("columns", "rows"), [(25, 20), (80, 50)])
def test_a_drift_is_one_cluster_and_borders_are_not(columns, rows, kind):
    # 500 and 4,000 tiles; both signals have the variance 4 in the first of five directions.
    rng = np.random.default_rng(columns)
    coords = lattice(columns, rows)
    x, y = coords.T / coords.max()
    drift = x + 0.5 * y if kind == "linear" else np.sin(5 * x) + np.cos(4 * y)
    kinds = (drift > np.median(drift)).astype(np.int64)
    noise = rng.standard_normal((len(coords), 5))
    found = []
    for signal in (drift, kinds):
        embedding = noise.copy()
        embedding[:, 0] += 2 * (signal - signal.mean()) / signal.std()
        found.append(best(merge_path(field_at(embedding, coords), k_means(embedding, 8))))
    of_drift, of_kinds = found
    assert of_drift.max() == 0
    assert of_kinds.max() == 1
    assert adjusted_rand_score(kinds, of_kinds) > 0.98


@pytest.mark.parametrize("n_columns", [22, 63])
def test_heavy_tails_are_one_cluster(n_columns):
    rng = np.random.default_rng(n_columns)
    coords = lattice(n_columns, n_columns)
    scales = np.sqrt(5 / rng.chisquare(5, len(coords)))
    embedding = scales[:, None] * rng.standard_normal((len(coords), 5))
    for smoothed in (True, False):
        path = merge_path(field_at(embedding, coords), k_means(embedding, 8), smoothed)
        assert best(path).max() == 0


def test_number_of_clusters_does_not_grow_with_the_tiles():
    numbers = []
    for side in (18, 36, 60):
        rows, coords, _ = planted(1, side, n_kinds=4)
        numbers.append(best(merge_path(field_at(rows, coords), k_means(rows, 10))).max() + 1)
    assert numbers == [4, 4, 4]


def two_kinds_and_odd_tiles(n_odd: int):
    """Two kinds of 60 tiles each, side by side, and odd ones in their midst, far from both."""
    rng = np.random.default_rng(5)
    coords = lattice(12, 10)
    kind = (coords[:, 0] >= 6).astype(np.int64)
    odd = rng.choice(120, n_odd, replace=False)
    rows = 8 * np.eye(3)[kind] + rng.standard_normal((120, 3))
    rows[odd] = 60 * np.eye(3)[2] + rng.standard_normal((n_odd, 3))
    return rows, coords, kind, odd


@pytest.mark.parametrize("smoothed", [True, False])
@pytest.mark.parametrize("n_odd", [1, 4, 9])
def test_tiles_too_few_for_a_cluster_are_outliers_and_the_others_what_they_were(n_odd, smoothed):
    rows, coords, kind, odd = two_kinds_and_odd_tiles(n_odd)
    start = np.where(np.isin(np.arange(120), odd), 2, kind)
    chosen = most_evident(field_at(rows, coords), start, smoothed)
    assert np.flatnonzero(chosen.labels == OUTLIER).tolist() == sorted(odd)
    others = np.setdiff1d(np.arange(120), odd)
    assert adjusted_rand_score(chosen.labels[others], kind[others]) == 1
    alone = most_evident(field_at(rows, coords).part(others), kind[others], smoothed)
    assert chosen.gain == pytest.approx(alone.gain, rel=1e-6)


def test_as_many_as_a_cluster_needs_are_one():
    rows, coords, kind, odd = two_kinds_and_odd_tiles(LEAST_TILES)
    start = np.where(np.isin(np.arange(120), odd), 2, kind)
    chosen = most_evident(field_at(rows, coords), start, False)
    assert len(np.unique(chosen.labels)) == 3
    assert chosen.labels.min() == 0


def test_gain_is_what_the_path_says():
    rows, coords, kind, _ = two_kinds_and_odd_tiles(0)
    path = merge_path(field_at(rows, coords), kind)
    chosen = most_evident(field_at(rows, coords), kind, True)
    assert chosen.gain == path[0].step.criterion - path[-1].step.criterion > 0
    assert chosen.steps == tuple(stage.step for stage in path)
    (only,) = merge_path(field_at(rows, coords), 0 * kind)
    assert most_evident(field_at(rows, coords), 0 * kind, True).gain == 0 * only.step.criterion


def test_tiles_fewer_than_a_cluster_needs_are_one_cluster_all_the_same():
    rows, coords, _, _ = two_kinds_and_odd_tiles(0)
    chosen = most_evident(field_at(rows[:6], coords[:6]), np.zeros(6, np.int64), True)
    assert chosen.labels.tolist() == [0] * 6
