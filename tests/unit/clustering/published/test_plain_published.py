"""The plain implementation that speed is measured against computes what the library computes."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import adjusted_rand_score

from bench import published, synthetic_slides
from bench.synthetic_slides import make_slide
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.potts.model import PottsModel, energy
from histohet.clustering.published.bic import first_improving_merge
from histohet.clustering.published.cosine import edge_similarity, unary_cosine
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.tiles import OrderedTiles
from histohet.tiles.neighbours import knn_edges


@pytest.fixture
def short_annealing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published rules on a schedule of seconds instead of minutes."""
    monkeypatch.setattr(published, "PROPOSALS_PER_TEMPERATURE", 300)
    monkeypatch.setattr(published, "RECORDED", 3_000)
    monkeypatch.setattr(published, "MAX_PROPOSALS", 60_000)


def edges_of(graph: published.Graph):
    pairs = [
        (u, v, weight)
        for u, neighbours in enumerate(graph.neighbours)
        for v, weight in neighbours
        if u < v
    ]
    return np.array([pair[:2] for pair in pairs]), np.array([pair[2] for pair in pairs])


def scattered_tiles(seed: int, n: int = 200, width: int = 12):
    rng = np.random.default_rng(seed)
    # Coordinates so wide that no two distances are equal: ties are the library's own business.
    coords = rng.integers(0, 10**6, (n, 2))
    features = rng.standard_normal((n, width)).astype(np.float32)
    return features / np.linalg.norm(features, axis=1, keepdims=True), coords


def test_graph_has_the_edges_and_cosines_of_the_library():
    features, coords = scattered_tiles(0)
    graph = published.build_graph(features, coords)
    edges, weights = edges_of(graph)
    expected = knn_edges(coords, 8)
    assert edges.tolist() == expected.tolist()
    assert graph.n_edges == len(expected)
    assert weights == pytest.approx(edge_similarity(features, expected), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_energy_is_that_of_the_library_before_and_after_annealing(seed, short_annealing):
    features, coords = scattered_tiles(seed)
    centres = np.random.default_rng(seed).standard_normal((5, 12)).astype(np.float32)
    graph = published.build_graph(features, coords)
    unary = published.unary_terms(features, centres, graph)
    edges, weights = edges_of(graph)
    model = PottsModel(edges, weights, unary_cosine(features, centres, len(edges) / len(features)))
    start = np.random.default_rng(seed).integers(5, size=len(features))
    assert published.potts_energy(graph, unary, start.tolist()) == pytest.approx(
        energy(model, start), abs=1e-3
    )
    found = published.anneal(graph, unary, start, random.Random(seed))
    assert found.energy == pytest.approx(energy(model, found.labels), abs=1e-3)
    assert found.energy < energy(model, start)


def test_annealing_at_rest_goes_on_to_the_last_proposal(short_annealing):
    features, coords = scattered_tiles(1)
    graph = published.build_graph(features, coords)
    unary = published.unary_terms(features, features[:2], graph)
    one_label = np.zeros(len(features), np.int64)
    found = published.anneal(graph, unary, one_label, random.Random(0))
    assert found.n_proposals == published.MAX_PROPOSALS
    assert not found.labels.any()


def test_annealing_stops_as_soon_as_it_is_cold_and_has_settled(monkeypatch):
    # Too cold from the start: every proposal is recorded, and the energy falls at once.
    monkeypatch.setattr(published, "T_START", 0.001)
    monkeypatch.setattr(published, "RECORDED", 20_000)
    features, coords = scattered_tiles(2)
    graph = published.build_graph(features, coords)
    unary = published.unary_terms(features, features[:5], graph)
    start = np.random.default_rng(0).integers(5, size=len(features))
    found = published.anneal(graph, unary, start, random.Random(0))
    assert 20_000 < found.n_proposals < 30_000


@pytest.mark.parametrize("seed", range(3))
def test_bic_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((300, 4)) @ rng.standard_normal((4, 4))
    labels = rng.permutation(np.repeat([0, 1, 2], [150, 90, 60]))
    log_likelihood = 0.0
    for label in range(3):
        members = embedding[labels == label]
        normal = multivariate_normal(members.mean(axis=0), np.cov(members.T, bias=True))
        log_likelihood += normal.logpdf(members).sum()
        log_likelihood += len(members) * math.log(len(members) / 300)
    expected = -2 * log_likelihood + (3 * (4 + 10) + 2) * math.log(300)
    assert published.bic(embedding, labels) == pytest.approx(expected, rel=1e-10)


def test_density_of_points_in_a_plane_is_the_density_in_that_plane():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((50, 2))
    plane = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    expected = multivariate_normal(flat.mean(axis=0), np.cov(flat.T, bias=True)).logpdf(flat).sum()
    assert published.log_density(flat @ plane.T) == pytest.approx(expected, rel=1e-8)
    assert published.log_density(flat[:1]) == 0


def test_merge_is_the_one_the_library_finds():
    rng = np.random.default_rng(0)
    # Labels 1 and 3 halve one cloud; the others stand alone.
    centres = np.array([[0, 0], [30, 0], [0, 30], [30, 0]])
    labels = np.repeat(np.arange(4), 200)
    embedding = centres[labels] + rng.standard_normal((800, 2))
    now = published.bic(embedding, labels)
    merged = published.first_improving_merge(embedding, labels, now)
    source, target = first_improving_merge(embedding, labels).merge
    assert (source, target) == (1, 3)
    assert merged.tolist() == np.where(labels == source, target, labels).tolist()
    apart = np.unique(merged, return_inverse=True)[1]
    now = published.bic(embedding, apart)
    assert published.first_improving_merge(embedding, apart, now) is None
    alone = np.zeros(800, np.int64)
    assert published.first_improving_merge(embedding, alone, np.inf) is None


def test_whole_run_on_a_small_slide(short_annealing):
    slide = make_slide(300, 3, seed=0)
    run, again, other = (
        published.cluster_as_published(slide.features, slide.coords, seed, q=6, n_init=2)
        for seed in (5, 5, 6)
    )
    assert run.labels.tobytes() == again.labels.tobytes()
    assert [r.energy for r in run.rounds] == [r.energy for r in again.rounds]
    assert run.rounds[0].labels.tobytes() != other.rounds[0].labels.tobytes()
    assert len(run.rounds) == len(run.bic) > 1
    assert 1 <= run.n_clusters < 6
    assert set(np.unique(run.labels)) == set(range(run.n_clusters))
    assert set(run.cpu_s) == {"graph", "k_means", "potts", "model_choice"}
    # The first annealing, with the library's terms.
    centres = np.array([slide.features[run.start == k].mean(axis=0) for k in range(6)])
    edges, weights = edges_of(published.build_graph(slide.features, slide.coords))
    unary = unary_cosine(slide.features, centres, len(edges) / 300)
    first = run.rounds[0]
    assert first.energy == pytest.approx(
        energy(PottsModel(edges, weights, unary), first.labels), rel=1e-4
    )


def test_first_k_means_is_that_of_the_library_s_paper_option():
    slide = make_slide(300, 3, seed=1)
    settings = ClusteringSettings(procedure="paper", q=6)
    library = cluster_tiles(
        slide.features, slide.coords, synthetic_slides.PITCH_PX, settings, seed=5, smoothed=False
    )
    # K-means draws its starts from the tiles in the library's order.
    order = OrderedTiles.of(slide.features, slide.coords, synthetic_slides.PITCH_PX, 5).rows
    ours = published.KMeans(6, n_init=6, random_state=5).fit(slide.features[order]).labels_
    assert adjusted_rand_score(library.start[order], ours) == 1
