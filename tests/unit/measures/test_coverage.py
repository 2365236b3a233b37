"""How far embeddings follow the coverage of their tiles, against another way to compute it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures, StandardScaler, normalize

from histohet.measures import coverage as module
from histohet.measures.coverage import LIMIT, explained_by_coverage, warning_of


def mixed(n: int, width: int, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D), of which a part follows coverage, and coverage (N,)."""
    random = np.random.default_rng(seed)
    coverage = random.uniform(0.25, 1, n)
    directions = random.normal(size=(3, width))
    follows = np.stack([np.ones(n), coverage, coverage**2], axis=1) @ directions
    return strength * follows + random.normal(size=(n, width)), coverage


@pytest.mark.parametrize(("n", "width"), [(60, 200), (300, 12), (40, 3)])
@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0])
def test_it_is_what_a_regression_of_principal_components_says(
    n: int, width: int, strength: float
) -> None:
    features, coverage = mixed(n, width, strength)
    pca = PCA(3, svd_solver="full")
    components = pca.fit_transform(StandardScaler().fit_transform(normalize(features)))
    powers = PolynomialFeatures(2).fit_transform(coverage[:, np.newaxis])
    shares = [
        LinearRegression().fit(powers, component).score(powers, component)
        for component in components.T
    ]
    plain = np.average(shares, weights=pca.explained_variance_)
    expected = max(0, 1 - (1 - plain) * (n - 1) / (n - 3))
    assert explained_by_coverage(features, coverage) == pytest.approx(expected, abs=1e-6)


def test_nothing_but_coverage_and_nothing_of_it() -> None:
    random = np.random.default_rng(1)
    coverage = random.uniform(0, 1, 500)
    only = np.stack([np.ones(500), coverage], axis=1)
    assert explained_by_coverage(only, coverage) == pytest.approx(1, abs=0.01)
    for n in (20, 2_000):
        drawn = [
            explained_by_coverage(random.normal(size=(n, 30)), random.uniform(0, 1, n))
            for _ in range(20)
        ]
        assert np.mean([share or 0 for share in drawn]) < 2 / n


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_order_length_and_what_is_counted_do_not_matter(seed: int) -> None:
    features, coverage = mixed(80, 10, 1.0, seed)
    expected = explained_by_coverage(features, coverage)
    order = np.random.default_rng(seed).permutation(80)
    lengths = np.linspace(0.1, 50, 80)[:, np.newaxis]
    found = [
        explained_by_coverage(features[order], coverage[order]),
        explained_by_coverage(features * lengths, coverage),
        explained_by_coverage(features[:, ::-1], coverage),
        explained_by_coverage(features, 1 - coverage),
    ]
    assert found == pytest.approx([expected] * 4, abs=1e-6)


def test_where_nothing_varies() -> None:
    features, coverage = mixed(50, 8, 1.0)
    assert explained_by_coverage(features, np.ones(50)) == pytest.approx(0, abs=1e-9)
    assert explained_by_coverage(np.ones((50, 8)), coverage) is None
    assert explained_by_coverage(np.zeros((50, 8)), coverage) is None
    assert explained_by_coverage(features[:3], coverage[:3]) is None
    assert explained_by_coverage(features[:4], coverage[:4]) is not None
    assert explained_by_coverage(features[:0], coverage[:0]) is None


def test_of_many_tiles_some_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    features, coverage = mixed(3_000, 20, 0.5)
    some = explained_by_coverage(features, coverage)
    monkeypatch.setattr(module, "MOST_TILES", 3_000)
    every = explained_by_coverage(features, coverage)
    assert some == pytest.approx(every, abs=0.02)
    assert some != every


def test_a_warning_says_how_much_and_what_to_try() -> None:
    assert warning_of(None) == warning_of(LIMIT) == ""
    said = warning_of(0.834)
    assert "explains 83% of the leading components" in said
    assert "epithelium.fill" in said
