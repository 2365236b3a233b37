"""Settings of the clustering."""

from __future__ import annotations

import pytest

from histohet.clustering.settings import ClusteringSettings


def test_defaults_follow_the_procedure() -> None:
    published = ClusteringSettings(procedure="paper")
    assert (published.q, published.k, published.reach, published.restarts) == (20, 8, None, 0)
    assert ClusteringSettings(procedure="paper", q=10, reach=1.5).q == 10
    assert ClusteringSettings().q == 20


@pytest.mark.parametrize("procedure", ["histohet", "paper"])
def test_the_canonical_form_says_the_same(procedure: str) -> None:
    written = ClusteringSettings.model_validate({"procedure": procedure, "restarts": 2, "q": 5.0})
    assert ClusteringSettings(**written.canonical()) == written


@pytest.mark.parametrize(
    "wrong", [{"q": 0}, {"k": 0}, {"reach": 0}, {"restarts": -1}, {"procedure": "annealing"}]
)
def test_what_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClusteringSettings.model_validate(wrong)
