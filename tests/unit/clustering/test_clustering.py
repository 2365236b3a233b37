from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from bench.synthetic_slides import PITCH_PX, make_slide
from helpers import ROOT
from histohet.clustering import cluster as clustering
from histohet.clustering import start_clusters
from histohet.clustering.annealing import AnnealingSchedule
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.result import Clustering
from histohet.clustering.settings import PUBLISHED, ClusteringParams

QUICK = ClusteringParams(q=8, n_init=2, restarts=0)
BRIEF = AnnealingSchedule(max_proposals=100_000)
PUBLISHED_QUICK = dataclasses.replace(PUBLISHED, q=8, n_init=2, schedule=BRIEF)
ARRAYS = ("start", "raw", "labels")


def cluster(features, coords, params=QUICK, procedure="potts", seed=314) -> Clustering:
    return cluster_tiles(features, coords, PITCH_PX, params, [procedure], seed)[procedure]


def lattice(columns: int, rows: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.stack([x.ravel(), y.ravel()], axis=1) * PITCH_PX


def planted_slide(seed: int = 0, side: int = 24, n_kinds: int = 3, width: int = 12):
    """Vertical stripes of tissue, each with its own mean embedding; tiles in random order."""
    rng = np.random.default_rng(seed)
    coords = lattice(side, side)[rng.permutation(side**2)]
    kind = coords[:, 0] * n_kinds // (side * PITCH_PX)
    means = rng.standard_normal((n_kinds, width))
    features = 1.2 * means[kind] + rng.standard_normal((side**2, width)) + 0.5
    return features.astype(np.float32), coords, kind


@pytest.fixture(scope="module")
def slide():
    return planted_slide()


@pytest.fixture(scope="module")
def smoothed(slide) -> Clustering:
    return cluster(slide[0], slide[1])


@pytest.fixture(scope="module")
def small():
    return planted_slide(1, side=14)


def same(a: Clustering, b: Clustering) -> bool:
    arrays = all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ARRAYS)
    return arrays and a.steps == b.steps and a.certificate == b.certificate


def reordered(found: Clustering, order: np.ndarray) -> Clustering:
    return dataclasses.replace(found, **{name: getattr(found, name)[order] for name in ARRAYS})


def assert_well_formed(found: Clustering, n: int) -> None:
    for name in ARRAYS:
        assert getattr(found, name).dtype == np.int32
        assert getattr(found, name).shape == (n,)
    for labels in (found.labels, found.start):
        sizes = np.bincount(labels)
        assert sizes.all()
        assert (np.diff(sizes) <= 0).all()
    assert found.n_clusters == len(np.unique(found.labels))
    # Raw labels beyond those of the final clusters are numbered on without a gap.
    used = np.unique(np.concatenate([found.raw, found.labels]))
    assert used.tolist() == list(range(len(used)))
    if found.certificate is not None:
        assert found.certificate.lower_bound <= found.certificate.energy
        assert found.certificate.gap_percent >= 0


# What is found.


@pytest.mark.parametrize(
    ("n_tiles", "n_kinds", "separation"),
    [(500, 1, 0.22), (500, 5, 0.22), (1000, 3, 0.22), (1000, 5, 0.22), (2000, 3, 0.28)],
)
def test_planted_kinds_of_a_slide_are_found(n_tiles, n_kinds, separation):
    slide = make_slide(n_tiles, n_kinds, 0, separation)
    params = ClusteringParams(restarts=0)
    both = cluster_tiles(slide.features, slide.coords, PITCH_PX, params, ["potts", "unsmoothed"], 1)
    found = both["potts"]
    assert found.n_clusters == n_kinds
    assert adjusted_rand_score(slide.regions, found.labels) > 0.98
    assert abs(both["unsmoothed"].n_clusters - n_kinds) <= 1
    assert found.certificate.gap_percent < 0.02
    for one in both.values():
        assert_well_formed(one, n_tiles)


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
@pytest.mark.parametrize("n_odd", [1, 3, 10])
def test_a_few_tiles_of_pen_are_no_kind(procedure, n_odd):
    slide = make_slide(1000, 3, 0, separation=0.28)
    pen = np.random.default_rng(1).standard_normal(slide.features.shape[1]).astype(np.float32)
    odd = np.arange(500, 500 + n_odd)
    features = slide.features.copy()
    features[odd] = 0.05 * features[odd] + pen / np.linalg.norm(pen)
    found = cluster(features, slide.coords, ClusteringParams(restarts=0), procedure)
    others = np.delete(np.arange(1000), odd)
    assert found.n_clusters == 3
    assert adjusted_rand_score(slide.regions[others], found.labels[others]) > 0.98
    assert found.notes == () or found.notes[-1].startswith("clusters of fewer than 21 tiles")


def test_heavy_tails_and_drift_are_no_kinds():
    for noise in ("heavy_tailed", "correlated"):
        slide = make_slide(500, 1, 1, noise=noise)
        assert cluster(slide.features, slide.coords).n_clusters == 1


@pytest.mark.parametrize("seed", range(3))
def test_raw_labels_are_worse_and_have_the_numbers_of_the_final_ones(seed):
    # Kinds that overlap so much that embeddings alone often mistake them.
    rng = np.random.default_rng(seed)
    coords = lattice(24, 24)
    kind = coords[:, 0] // (8 * PITCH_PX)
    features = 0.8 * rng.standard_normal((3, 12))[kind] + rng.standard_normal((576, 12))
    found = cluster(features, coords)
    before, after = (adjusted_rand_score(kind, labels) for labels in (found.raw, found.labels))
    assert 0.6 < before < 0.9
    assert after > 0.95
    assert 0.8 < np.mean(found.raw == found.labels) < 1
    assert_well_formed(found, 576)


def test_kinds_that_are_clear_without_smoothing_are_found_without_it():
    rng = np.random.default_rng(0)
    coords = lattice(24, 24)
    kind = coords[:, 0] // (8 * PITCH_PX)
    means = rng.standard_normal((3, 12))
    features = 2 * means[kind] + rng.standard_normal((576, 12))
    both = cluster_tiles(features, coords, PITCH_PX, QUICK, ["potts", "unsmoothed"], 0)
    for found in both.values():
        assert found.n_clusters == 3
        assert adjusted_rand_score(kind, found.labels) > 0.95


def test_two_pieces_of_tissue_share_their_kinds():
    features, coords, kind = planted_slide(2, n_kinds=3)
    # The cut runs through the middle one of the stripes.
    apart = coords + np.where(coords[:, :1] < 12 * PITCH_PX, 0, [10**6, -(10**6)])
    found = cluster(features, apart)
    assert found.n_clusters == 3
    assert adjusted_rand_score(kind, found.labels) > 0.98


def test_a_slide_of_more_tiles_than_are_searched_has_the_same_kinds(monkeypatch):
    slide = make_slide(2000, 3, 0, 0.28)
    monkeypatch.setattr(clustering, "SEARCHED_TILES", 1000)
    monkeypatch.setattr(clustering, "BLOCK_PITCHES", 8)
    found = cluster(slide.features, slide.coords, ClusteringParams(restarts=0))
    assert found.n_clusters == 3
    assert adjusted_rand_score(slide.regions, found.labels) > 0.95
    assert sum(found.steps[-2].merged_sizes) < 2000
    assert_well_formed(found, 2000)


def test_a_slide_of_more_tiles_than_k_means_is_fitted_to_has_the_same_kinds(monkeypatch, slide):
    monkeypatch.setattr(start_clusters, "FITTED_TILES", 200)
    found = cluster(slide[0], slide[1])
    assert found.n_clusters == 3
    assert adjusted_rand_score(slide[2], found.labels) > 0.98


# What is reported.


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
def test_steps_lead_from_the_start_to_one_cluster(slide, procedure):
    found = cluster(slide[0], slide[1], procedure=procedure)
    numbers = [step.n_clusters for step in found.steps]
    assert 2 <= numbers[0] <= QUICK.q
    assert numbers[-1] == 1
    assert (np.diff(numbers) < 0).all()
    assert found.n_clusters == max(found.steps, key=lambda step: step.criterion).n_clusters
    assert [step.merged_sizes is None for step in found.steps] == [False] * (len(numbers) - 1) + [
        True
    ]
    assert sum(found.steps[-2].merged_sizes) <= 576
    json.dumps([dataclasses.asdict(step) for step in found.steps], allow_nan=False)
    assert_well_formed(found, 576)


def test_without_smoothing_only_the_smoothing_is_left_out(slide, smoothed):
    unsmoothed = cluster(slide[0], slide[1], procedure="unsmoothed")
    assert unsmoothed.certificate is None
    assert unsmoothed.start.tobytes() == smoothed.start.tobytes()
    assert unsmoothed.raw.tobytes() == unsmoothed.labels.tobytes()
    assert smoothed.certificate.coupling > 0
    # Nor where the number is chosen by BIC and nothing can be moved.
    idle = dataclasses.replace(PUBLISHED_QUICK, schedule=AnnealingSchedule(max_proposals=0))
    both = cluster_tiles(slide[0], slide[1], PITCH_PX, idle, ["potts", "unsmoothed"], 1)
    assert both["potts"].labels.tobytes() == both["unsmoothed"].labels.tobytes()
    assert both["potts"].steps == both["unsmoothed"].steps
    assert both["unsmoothed"].certificate is None


def test_all_together_are_what_each_is_alone(small):
    features, coords, _ = small
    params = dataclasses.replace(QUICK, restarts=2)
    together = cluster_tiles(features, coords, PITCH_PX, params, ["unsmoothed", "potts"], 1)
    assert list(together) == ["unsmoothed", "potts"]
    for name, found in together.items():
        alone = cluster(features, coords, params, name, 1)
        assert same(found, alone)
        assert found.stability.agreement.tobytes() == alone.stability.agreement.tobytes()
    assert cluster_tiles(features, coords, PITCH_PX, params, [], 1) == {}


def test_paper_is_the_published_procedure_whatever_the_parameters(monkeypatch, small):
    features, coords, _ = small
    monkeypatch.setattr(clustering, "PUBLISHED", PUBLISHED_QUICK)
    published = cluster(features, coords, PUBLISHED_QUICK, "potts", 1)
    for params in (QUICK, ClusteringParams(q=3, k=2)):
        assert same(cluster(features, coords, params, "paper", 1), published)
    assert published.stability is None
    assert published.certificate is not None


def test_published_parameters_are_those_of_the_paper():
    # METHODS: q 20, k-means with 20 starts, 8 neighbours at any distance, 80 % of the variance.
    assert (PUBLISHED.q, PUBLISHED.n_init, PUBLISHED.k, PUBLISHED.reach) == (20, None, 8, None)
    assert (PUBLISHED.energy, PUBLISHED.minimiser) == ("cosine", "annealing")
    assert (PUBLISHED.model_choice, PUBLISHED.variance) == ("bic_full", 0.8)
    schedule = PUBLISHED.schedule
    assert (schedule.t_start, schedule.factor, schedule.t_end) == (2.0, 0.9, 0.01)
    assert (schedule.proposals_per_temperature, schedule.max_proposals) == (10_000, 10_000_000)


@pytest.mark.parametrize(
    ("energy", "minimiser", "model_choice"),
    list(
        itertools.product(
            ["calibrated", "cosine"], ["expansion", "annealing"], ["evidence", "bic_full"]
        )
    ),
)
def test_every_combination_runs_and_is_certified(small, energy, minimiser, model_choice):
    features, coords, _ = small
    params = ClusteringParams(
        q=5,
        n_init=1,
        restarts=1,
        energy=energy,
        minimiser=minimiser,
        model_choice=model_choice,
        schedule=BRIEF,
    )
    found = cluster(features, coords, params)
    assert_well_formed(found, len(coords))
    certificate = found.certificate
    assert certificate.lower_bound <= certificate.energy
    if minimiser == "expansion" and energy == "calibrated":
        assert certificate.gap_percent < 0.02
    criteria = [step.criterion for step in found.steps]
    if model_choice == "bic_full":
        assert (np.diff(criteria) < 0).all()
    assert np.isfinite(criteria).all()
    assert found.stability.n_restarts == 1
    unsmoothed = cluster(features, coords, params, "unsmoothed")
    assert unsmoothed.certificate is None
    assert_well_formed(unsmoothed, len(coords))


def test_expansion_is_never_worse_than_annealing(slide):
    # The same path, and on it the same number to go back to.
    features, coords, _ = slide
    base = dataclasses.replace(PUBLISHED_QUICK, energy="cosine", model_choice="evidence", reach=1.5)
    annealed = cluster(features, coords, base)
    expanded = cluster(features, coords, dataclasses.replace(base, minimiser="expansion"))
    assert expanded.steps == annealed.steps
    assert expanded.certificate.gap_percent <= annealed.certificate.gap_percent


def test_stability_of_clear_kinds_is_high_and_of_noise_reported(slide):
    features, coords, _ = slide
    params = dataclasses.replace(QUICK, restarts=3)
    found = cluster(features, coords, params)
    stability = found.stability
    assert same(found, cluster(features, coords))
    assert (stability.n_restarts, stability.fewest, stability.most) == (3, 3, 3)
    assert stability.mean_ari > 0.95
    drawn = ~np.isnan(stability.agreement)
    assert stability.agreement.dtype == np.float32
    assert 0.9 < drawn.mean() <= 1
    assert np.nanmean(stability.agreement) > 0.95


# What must not matter.


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
def test_order_of_tiles_does_not_matter(small, procedure):
    features, coords, _ = small
    params = dataclasses.replace(QUICK, restarts=2)
    order = np.random.default_rng(0).permutation(len(coords))
    given = cluster(features, coords, params, procedure)
    shuffled = cluster(features[order], coords[order], params, procedure)
    assert same(shuffled, reordered(given, order))
    assert shuffled.stability.mean_ari == given.stability.mean_ari
    assert shuffled.stability.agreement.tobytes() == given.stability.agreement[order].tobytes()


def test_order_of_tiles_does_not_matter_to_the_published_parts(small):
    features, coords, _ = small
    order = np.random.default_rng(0).permutation(len(coords))
    given = cluster(features, coords, PUBLISHED_QUICK)
    shuffled = cluster(features[order], coords[order], PUBLISHED_QUICK)
    assert same(shuffled, reordered(given, order))


def test_order_does_not_matter_where_tiles_share_positions():
    features, coords, _ = planted_slide(3, side=12)
    coords = coords // 896 * 896
    order = np.random.default_rng(0).permutation(len(coords))
    given = cluster(features, coords)
    shuffled = cluster(features[order], coords[order])
    assert same(shuffled, reordered(given, order))


def test_place_on_the_slide_does_not_matter(slide, smoothed):
    features, coords, _ = slide
    for shift in ([12345, -678], [-(10**6), 10**6], [10**7, 10**7]):
        assert same(cluster(features, coords + np.array(shift)), smoothed)


@pytest.mark.parametrize(
    "turn", [[[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[-1, 0], [0, 1]], [[0, 1], [1, 0]]]
)
def test_turning_and_flipping_the_slide_hardly_matters(slide, smoothed, turn):
    # K-means draws its starts in another order of the tiles; that is all.
    turned = cluster(slide[0], slide[1] @ np.array(turn))
    assert turned.n_clusters == smoothed.n_clusters
    assert adjusted_rand_score(turned.labels, smoothed.labels) > 0.99


def test_length_of_embeddings_does_not_matter(slide, smoothed):
    features, coords, _ = slide
    # Powers of two change no digit.
    lengths = 2.0 ** np.random.default_rng(0).integers(-3, 4, (len(features), 1))
    assert same(cluster(features * lengths, coords), smoothed)


@pytest.mark.parametrize("threads", [1, 2])
def test_number_of_threads_does_not_matter(slide, smoothed, threads):
    with threadpool_limits(limits=threads):
        assert same(cluster(slide[0], slide[1]), smoothed)


def test_same_seed_same_bytes_and_another_seed_another_start(slide, smoothed):
    assert same(cluster(slide[0], slide[1]), smoothed)
    other = cluster(slide[0], slide[1], seed=315)
    assert other.start.tobytes() != smoothed.start.tobytes()
    assert other.n_clusters == 3


IN_ANOTHER_PROCESS = """
import pickle, sys
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringParams
features, coords = pickle.load(sys.stdin.buffer)
params = ClusteringParams(q=8, n_init=2, restarts=2)
found = cluster_tiles(features, coords, 448, params, ["potts"], 314)["potts"]
sys.stdout.buffer.write(pickle.dumps(found))
"""


def test_another_process_with_other_threads_finds_the_same_bytes():
    slide = make_slide(300, 3, 0, 0.28)
    run = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        input=pickle.dumps((slide.features, slide.coords)),
        capture_output=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "workflow"),
            "PYTHONHASHSEED": "7",
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
        },
    )
    assert run.returncode == 0, run.stderr
    there = pickle.loads(run.stdout)
    here = cluster(slide.features, slide.coords, dataclasses.replace(QUICK, restarts=2))
    assert same(here, there)
    assert there.stability.agreement.tobytes() == here.stability.agreement.tobytes()
    assert there.stability.mean_ari == here.stability.mean_ari


def test_files_of_features_are_read_and_left_alone(slide, smoothed, tmp_path):
    features, coords, _ = slide
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert same(cluster(mapped, coords), smoothed)
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), features)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features
    with h5py.File(tmp_path / "features.h5") as file:
        assert same(cluster(file["features"], coords), smoothed)


def test_input_arrays_are_left_alone(small):
    features, coords = small[0].copy(), small[1].copy()
    cluster(features, coords)
    cluster(features, coords, PUBLISHED_QUICK)
    np.testing.assert_array_equal(features, small[0])
    np.testing.assert_array_equal(coords, small[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_find_the_same(slide, smoothed, dtype):
    features, coords, _ = slide
    found = cluster(features.astype(dtype), coords)
    assert found.n_clusters == 3
    assert adjusted_rand_score(found.labels, smoothed.labels) > 0.99


# Slides that are hardly any.

PARTS = {
    "ours": dataclasses.replace(QUICK, restarts=2),
    "published": dataclasses.replace(PUBLISHED_QUICK, restarts=2),
}


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
@pytest.mark.parametrize("parts", PARTS)
def test_no_tiles_no_clusters(parts, procedure):
    nothing = np.zeros((0, 64), np.float32), np.zeros((0, 2), np.int64)
    found = cluster(*nothing, PARTS[parts], procedure)
    assert_well_formed(found, 0)
    assert (found.n_clusters, found.steps, found.stability) == (0, (), None)
    assert (found.certificate is None) == (procedure == "unsmoothed")
    assert "0 tiles" in found.notes[0]


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 19, 20, 79])
def test_few_tiles_start_with_fewer_clusters(n, procedure):
    features = np.random.default_rng(n).standard_normal((n, 64)).astype(np.float32)
    found = cluster(features, lattice(n, 1), PARTS["ours"], procedure)
    assert_well_formed(found, n)
    at_start = max(1, n // start_clusters.TILES_PER_CLUSTER)
    assert len(np.unique(found.start)) == at_start < 8
    assert 1 <= found.n_clusters <= at_start
    assert found.notes == (f"{n} tiles: {at_start} instead of 8 clusters at the start",)
    assert (found.stability is None) == (n == 1)


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_published_start_has_a_cluster_for_every_one_of_few_tiles(n, procedure):
    features = np.random.default_rng(n).standard_normal((n, 64)).astype(np.float32)
    found = cluster(features, lattice(n, 1), PARTS["published"], procedure)
    assert_well_formed(found, n)
    assert len(np.unique(found.start)) == n
    assert 1 <= found.n_clusters <= n
    assert found.notes == (
        f"{n} tiles with {n} different feature vectors: {n} instead of 8 clusters at the start",
    )
    assert (found.stability is None) == (n == 1)


@pytest.mark.parametrize(("parts", "n"), [("ours", 80), ("published", 8)])
def test_just_enough_tiles_for_the_start(parts, n):
    features = np.random.default_rng(n).standard_normal((n, 6)).astype(np.float32)
    found = cluster(features, lattice(n, 1), PARTS[parts])
    assert_well_formed(found, n)
    assert found.notes == ()
    assert len(np.unique(found.start)) == 8


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
@pytest.mark.parametrize("parts", PARTS)
def test_one_cluster_at_the_start_is_one_cluster(small, parts, procedure):
    found = cluster(*small[:2], dataclasses.replace(PARTS[parts], q=1), procedure)
    assert_well_formed(found, len(small[1]))
    assert (found.n_clusters, found.notes, found.steps) == (1, (), ())
    assert found.stability.mean_ari == 1
    assert (found.stability.fewest, found.stability.most) == (1, 1)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("n_rows", "width"), [(12, 16), (11, 132), (20, 446), (29, 1)])
def test_constant_features_are_one_cluster(parts, n_rows, width):
    coords = lattice(25, n_rows)
    row = np.random.default_rng(width).standard_normal(width).astype(np.float32)
    for procedure in ("potts", "unsmoothed"):
        found = cluster(np.tile(row, (len(coords), 1)), coords, PARTS[parts], procedure)
        assert found.n_clusters == 1
        assert not found.labels.any()
        assert not found.raw.any()
        assert "with 1 different feature vectors: 1 instead of 8" in found.notes[0]


@pytest.mark.parametrize("seed", range(3))
def test_embeddings_that_differ_by_rounding_are_one_cluster(seed):
    # Two or three clusters of nothing, or a singular covariance, come of noise in the last digit.
    rng = np.random.default_rng(seed)
    features = rng.standard_normal(300) + 1e-7 * rng.standard_normal((400, 300))
    found = cluster(features.astype(np.float32), lattice(20, 20), PARTS["ours"])
    assert found.n_clusters == 1


@pytest.mark.parametrize(("n_kinds", "n_rows"), [(2, 24), (3, 24), (5, 24), (3, 8), (4, 8)])
@pytest.mark.parametrize("width", [5, 200, 424])
def test_repeated_features_are_as_many_clusters(width, n_kinds, n_rows):
    coords = lattice(24, n_rows)
    kinds = np.random.default_rng(0).standard_normal((n_kinds, width)).astype(np.float32)
    kind = coords[:, 0] * n_kinds // (24 * PITCH_PX)
    for procedure in ("potts", "unsmoothed"):
        found = cluster(kinds[kind], coords, PARTS["ours"], procedure)
        assert len(np.unique(found.start)) == n_kinds
        assert found.n_clusters == n_kinds
        assert adjusted_rand_score(kind, found.labels) == 1
        assert f"{n_kinds} different feature vectors: {n_kinds} instead of 8" in found.notes[0]
    found = cluster(kinds[kind], coords, PUBLISHED_QUICK)
    assert len(np.unique(found.start)) == n_kinds


@pytest.mark.parametrize("seed", [2, 35, 45, 89])
def test_one_odd_tile_among_equal_ones(seed):
    # Restarts that do not draw it are left with equal tiles, far from the mean of all.
    rng = np.random.default_rng(seed)
    n = 100 + seed
    features = np.ones((n, 16), np.float32) * rng.standard_normal(16).astype(np.float32)
    features[n // 2] = rng.standard_normal(16)
    found = cluster(features, lattice(20, 10)[:n], ClusteringParams())
    assert_well_formed(found, n)
    assert found.n_clusters <= 2
    assert found.stability.fewest >= 1


def test_blank_embeddings_are_tiles_like_others(slide):
    features, coords, kind = slide[0].copy(), slide[1], slide[2]
    blank = np.random.default_rng(0).choice(len(coords), 20, replace=False)
    features[blank] = 0
    found = cluster(features, coords, PARTS["ours"])
    others = np.setdiff1d(np.arange(len(coords)), blank)
    assert adjusted_rand_score(kind[others], found.labels[others]) > 0.95
    assert_well_formed(cluster(features, coords, PUBLISHED_QUICK), len(coords))
    nothing = cluster(np.zeros((50, 8), np.float32), coords[:50], PARTS["ours"])
    assert nothing.n_clusters == 1


@pytest.mark.parametrize("parts", PARTS)
def test_tiles_of_one_position(parts):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 6)).astype(np.float32)
    found = cluster(features, np.zeros((60, 2), np.int64), PARTS[parts])
    assert_well_formed(found, 60)


def test_a_thousand_tiles_of_each_of_two_positions():
    # Every tile of a place may be the neighbour of the same few.
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 1000)
    features = rng.standard_normal((2000, 6)) + 8 * np.eye(6)[kind]
    coords = np.stack([kind * 10 * PITCH_PX, 0 * kind], axis=1)
    with np.errstate(over="raise", invalid="raise"):
        found = cluster(features, coords)
    assert found.n_clusters == 2
    assert adjusted_rand_score(kind, found.labels) > 0.99
    assert found.certificate.coupling > 0


@pytest.mark.parametrize("procedure", ["potts", "unsmoothed"])
def test_tiles_that_are_nobodys_neighbours(slide, procedure):
    features, coords, _ = slide
    found = cluster(features, coords * 10, PARTS["ours"], procedure)
    assert_well_formed(found, len(coords))
    if procedure == "potts":
        assert found.certificate.coupling == 0
        anywhere = dataclasses.replace(PARTS["ours"], reach=None)
        assert cluster(features, coords * 10, anywhere).certificate.coupling > 0


def test_clusters_of_one_tile():
    # Odd tiles of many kinds in even tissue.
    rng = np.random.default_rng(0)
    coords = lattice(15, 15)
    features = rng.standard_normal((225, 10)) + 5
    features[[20, 100, 180]] = 100 * np.eye(10)[:3]
    for parts in PARTS.values():
        for procedure in ("potts", "unsmoothed"):
            assert_well_formed(cluster(features, coords, parts, procedure), 225)


def test_a_cluster_that_vanishes_in_smoothing_is_numbered_last():
    # One odd tile is a cluster of its own for k-means; its neighbours smooth it away.
    features = np.tile(np.array([[1.0, 0.0]], np.float32), (49, 1))
    features[24] = [0.8, 0.6]
    found = cluster(features, lattice(7, 7), dataclasses.replace(PUBLISHED_QUICK, q=2))
    assert found.n_clusters == 1
    assert not found.labels.any()
    assert found.raw.tolist() == [0] * 24 + [1] + [0] * 24
    assert found.start.tolist() == found.raw.tolist()


def test_equal_clusters_are_numbered_from_the_top():
    # Two kinds of equal size; the topmost, then leftmost tile decides.
    coords = lattice(10, 10)
    below = (coords[:, 1] >= 5 * PITCH_PX).astype(int)
    features = np.eye(4)[below] + 0.01 * np.random.default_rng(0).standard_normal((100, 4))
    order = np.random.default_rng(1).permutation(100)
    found = cluster(features[order], coords[order])
    assert found.labels.tolist() == below[order].tolist()


# What is refused.


def test_bad_input_is_refused(slide):
    features, coords = slide[0].copy(), slide[1]
    with pytest.raises(ValueError, match=r"\(575, 12\).*\(576, 2\) are not \(N, D\) and \(N, 2\)"):
        cluster(features[:-1], coords)
    with pytest.raises(ValueError, match=r"not \(N, D\) and \(N, 2\)"):
        cluster(features[:, :0], coords)
    with pytest.raises(ValueError, match=r"not \(N, D\) and \(N, 2\)"):
        cluster(features[:, 0], coords)
    with pytest.raises(ValueError, match="potts, unsmoothed, paper, not 'strong'"):
        cluster(features, coords, procedure="strong")
    features[[41, 17]] = np.nan
    for parts in PARTS.values():
        with pytest.raises(ValueError, match="tile 17 is not finite; encode the slide again"):
            cluster(features, coords, parts)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"q": 0}, "must be at least 1"),
        ({"k": 0}, "must be at least 1"),
        ({"n_init": 0}, "must be at least 1"),
        ({"variance": 0.0}, r"a share in \(0, 1\], got 0.0"),
        ({"variance": 1.1}, r"a share in \(0, 1\], got 1.1"),
        ({"reach": 0.0}, "reach must be positive"),
        ({"reach": float("nan")}, "reach must be positive"),
        ({"restarts": -1}, "restarts 0 or more"),
    ],
)
def test_parameters_are_checked(bad, message):
    with pytest.raises(ValueError, match=message):
        ClusteringParams(**bad)
