from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from histohet.annealing import AnnealingSchedule
from histohet.clustering import Clustering, ClusteringParams, cluster_tiles

QUICK = ClusteringParams(q=8, n_init=2)


def cluster(features, coords, params, smoothing, seed) -> Clustering:
    return cluster_tiles(features, coords, params, [smoothing], seed)[smoothing]


def planted_slide(seed: int = 0, side: int = 24, n_regions: int = 3, width: int = 12):
    """Vertical stripes of tissue, each with its own mean embedding; tiles in random order."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    coords = np.stack([x.ravel(), y.ravel()], axis=1)[rng.permutation(side**2)]
    region = coords[:, 0] * n_regions // side
    means = rng.standard_normal((n_regions, width))
    features = 1.2 * means[region] + rng.standard_normal((side**2, width)) + 0.5
    return features.astype(np.float32), (coords * 448).astype(np.int64), region


@pytest.fixture(scope="module")
def slide():
    return planted_slide()


@pytest.fixture(scope="module")
def smoothed(slide) -> Clustering:
    return cluster(slide[0], slide[1], QUICK, "potts", 314)


@pytest.fixture(scope="module")
def unsmoothed(slide) -> Clustering:
    return cluster(slide[0], slide[1], QUICK, "unsmoothed", 314)


def same(a: Clustering, b: Clustering) -> bool:
    arrays = all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for name in ("start", "raw", "labels")
    )
    return arrays and a.rounds == b.rounds


def test_planted_regions_are_found(slide, smoothed, unsmoothed):
    region = slide[2]
    assert smoothed.n_clusters == 3
    assert adjusted_rand_score(region, smoothed.labels) > 0.98
    before, after = (adjusted_rand_score(region, x) for x in (unsmoothed.labels, smoothed.labels))
    assert 0.5 < before < after


@pytest.mark.parametrize("smoothing", ["potts", "unsmoothed"])
def test_labels_are_compact_and_numbered_by_size(slide, smoothing):
    found = cluster(slide[0], slide[1], QUICK, smoothing, 1)
    for labels, n in ((found.labels, found.n_clusters), (found.start, QUICK.q)):
        assert labels.dtype == np.int32
        sizes = np.bincount(labels)
        assert len(sizes) == n
        assert sizes.all()
        assert (np.diff(sizes) <= 0).all()
    assert found.raw.dtype == np.int32
    assert set(found.labels) <= set(found.raw)
    assert set(found.raw) == set(range(found.raw.max() + 1))


def test_raw_labels_have_the_numbers_of_the_final_ones(smoothed):
    # Smoothing moves few tiles here, so most keep their number.
    assert np.mean(smoothed.raw == smoothed.labels) > 0.8
    assert np.any(smoothed.raw != smoothed.labels)


def test_clusters_that_vanish_in_smoothing_are_numbered_last():
    # One odd tile is a cluster of its own for k-means; its neighbours smooth it away.
    features = np.tile(np.array([[1.0, 0.0]], np.float32), (49, 1))
    features[24] = [0.8, 0.6]
    x, y = np.meshgrid(np.arange(7), np.arange(7))
    coords = np.stack([x.ravel(), y.ravel()], axis=1)
    found = cluster(features, coords, ClusteringParams(q=2), "potts", 0)
    assert found.n_clusters == 1
    assert not found.labels.any()
    assert found.raw.tolist() == [0] * 24 + [1] + [0] * 24
    assert found.start.tolist() == found.raw.tolist()


def test_every_round_is_recorded(smoothed, unsmoothed):
    for found in (smoothed, unsmoothed):
        assert found.n_clusters == found.rounds[-1].n_clusters
        assert found.rounds[-1].bic_merged is None
        for earlier, later in zip(found.rounds, found.rounds[1:], strict=False):
            assert earlier.bic_merged < earlier.bic
            assert later.n_clusters < earlier.n_clusters
            assert len(earlier.merged_sizes) == 2
        json.dumps([dataclasses.asdict(r) for r in found.rounds], allow_nan=False)
    assert all(r.energy is None and r.n_proposals == 0 for r in unsmoothed.rounds)
    assert all(r.energy <= r.energy_start for r in smoothed.rounds)
    assert all(r.n_proposals > 500_000 for r in smoothed.rounds if r.n_clusters > 1)
    assert 0 < smoothed.bic_dimensions <= 12


def test_without_smoothing_only_the_annealing_is_left_out(slide, smoothed, unsmoothed):
    assert unsmoothed.start.tobytes() == smoothed.start.tobytes()
    assert unsmoothed.raw.tobytes() == unsmoothed.labels.tobytes()
    no_proposals = dataclasses.replace(QUICK, schedule=AnnealingSchedule(max_proposals=0))
    idle = cluster(slide[0], slide[1], no_proposals, "potts", 314)
    assert idle.labels.tobytes() == unsmoothed.labels.tobytes()
    assert [r.bic for r in idle.rounds] == [r.bic for r in unsmoothed.rounds]


def test_both_together_are_what_each_is_alone(slide, smoothed, unsmoothed):
    both = cluster_tiles(slide[0], slide[1], QUICK, ["potts", "unsmoothed"], 314)
    assert same(both["potts"], smoothed)
    assert same(both["unsmoothed"], unsmoothed)


def test_same_seed_same_bytes(slide, smoothed):
    assert same(cluster(slide[0], slide[1], QUICK, "potts", 314), smoothed)
    other = cluster(slide[0], slide[1], QUICK, "potts", 315)
    assert other.start.tobytes() != smoothed.start.tobytes()


def test_order_of_tiles_does_not_matter(slide, smoothed):
    features, coords, _ = slide
    order = np.random.default_rng(0).permutation(len(coords))
    shuffled = cluster(features[order], coords[order], QUICK, "potts", 314)
    assert shuffled.labels.tolist() == smoothed.labels[order].tolist()
    assert shuffled.raw.tolist() == smoothed.raw[order].tolist()
    assert shuffled.start.tolist() == smoothed.start[order].tolist()
    assert shuffled.rounds == smoothed.rounds


def test_order_does_not_matter_where_tiles_share_positions():
    features, coords, _ = planted_slide(3, side=12)
    coords = coords // 896 * 896
    order = np.random.default_rng(0).permutation(len(coords))
    given = cluster(features, coords, QUICK, "potts", 0)
    shuffled = cluster(features[order], coords[order], QUICK, "potts", 0)
    assert shuffled.labels.tolist() == given.labels[order].tolist()


def test_place_and_length_of_embeddings_do_not_matter(slide, smoothed):
    features, coords, _ = slide
    assert same(cluster(features, coords + np.array([12345, -678]), QUICK, "potts", 314), smoothed)
    # Powers of two change no digit.
    lengths = 2.0 ** np.random.default_rng(0).integers(-3, 4, (len(features), 1))
    assert same(cluster(features * lengths, coords, QUICK, "potts", 314), smoothed)


@pytest.mark.parametrize("threads", [1, 2])
def test_number_of_threads_does_not_matter(slide, smoothed, threads):
    with threadpool_limits(limits=threads):
        assert same(cluster(slide[0], slide[1], QUICK, "potts", 314), smoothed)


def test_memory_mapped_features_are_read_and_left_alone(slide, smoothed, tmp_path):
    features, coords, _ = slide
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert same(cluster(mapped, coords, QUICK, "potts", 314), smoothed)
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), features)


def test_input_arrays_are_left_alone(slide):
    features, coords = slide[0].copy(), slide[1].copy()
    cluster(features, coords, QUICK, "unsmoothed", 0)
    np.testing.assert_array_equal(features, slide[0])
    np.testing.assert_array_equal(coords, slide[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_are_clustered_as_float32(slide, dtype):
    features, coords, region = slide
    found = cluster(features.astype(dtype), coords, QUICK, "potts", 314)
    assert adjusted_rand_score(region, found.labels) > 0.98


def test_no_tiles_no_clusters():
    empty = cluster(np.zeros((0, 64), np.float32), np.zeros((0, 2), np.int64), QUICK, "potts", 0)
    assert (empty.n_clusters, empty.rounds, empty.labels.shape) == (0, (), (0,))
    assert empty.labels.dtype == empty.raw.dtype == empty.start.dtype == np.int32
    assert "0 tiles" in empty.notes[0]


@pytest.mark.parametrize("smoothing", ["potts", "unsmoothed"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 19])
def test_few_tiles_start_with_fewer_clusters(n, smoothing):
    rng = np.random.default_rng(n)
    features = rng.standard_normal((n, 64)).astype(np.float32)
    coords = np.stack([np.arange(n), np.zeros(n, np.int64)], axis=1)
    found = cluster(features, coords, ClusteringParams(), smoothing, 0)
    assert len(np.unique(found.start)) == n
    assert 1 <= found.n_clusters <= n
    assert found.notes == (
        f"{n} tiles with {n} different feature vectors: {n} instead of 20 clusters at the start",
    )


def test_constant_features_are_one_cluster(slide):
    coords = slide[1]
    found = cluster(np.ones((len(coords), 16), np.float32), coords, QUICK, "potts", 0)
    assert found.n_clusters == 1
    assert not found.labels.any()
    assert "1 instead of 8" in found.notes[0]


def test_repeated_features_start_with_as_many_clusters(slide):
    coords = slide[1]
    kinds = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    kind = coords[:, 0] // 448 // 8
    found = cluster(kinds[kind], coords, QUICK, "potts", 0)
    assert len(np.unique(found.start)) == 3
    assert found.n_clusters == 3
    assert adjusted_rand_score(kind, found.labels) == 1


def test_tiles_of_one_position_and_blank_embeddings():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 6)).astype(np.float32)
    features[:5] = 0
    found = cluster(features, np.zeros((60, 2), np.int64), QUICK, "potts", 0)
    assert found.n_clusters >= 1


def test_q_of_one_is_one_cluster(slide):
    found = cluster(slide[0], slide[1], ClusteringParams(q=1), "potts", 0)
    assert (found.n_clusters, found.notes) == (1, ())


def test_bad_input_is_refused(slide):
    features, coords = slide[0].copy(), slide[1]
    with pytest.raises(ValueError, match=r"not \(N, D\) and \(N, 2\)"):
        cluster(features[:-1], coords, QUICK, "potts", 0)
    with pytest.raises(ValueError, match=r"not \(N, D\) and \(N, 2\)"):
        cluster(features[:, :0], coords, QUICK, "potts", 0)
    with pytest.raises(ValueError, match="not 'strong'"):
        cluster(features, coords, QUICK, "strong", 0)
    features[[41, 17]] = np.nan
    with pytest.raises(ValueError, match="tile 17 is not finite"):
        cluster(features, coords, QUICK, "potts", 0)


@pytest.mark.parametrize(
    "bad", [{"q": 0}, {"k": 0}, {"n_init": 0}, {"variance": 0.0}, {"variance": 1.1}]
)
def test_parameters_are_checked(bad):
    with pytest.raises(ValueError, match=r"must be at least 1|a share"):
        ClusteringParams(**bad)
