"""Networks: the same in NumPy and PyTorch, and better than planes where no direction tells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.traits import Planted, planted, settings
from histohet.traits.auc import auc
from histohet.traits.linear import fit_linear
from histohet.traits.models import AttentionHeads, heads_of
from histohet.traits.networks import MODULES, NetworkFit, unscaled
from histohet.traits.training import Lesson, Slides, train_trait


@pytest.mark.parametrize("kind", list(MODULES))
def test_numpy_and_torch_agree(kind: str) -> None:
    """Also after columns were scaled for training."""
    rng = np.random.default_rng(1)
    torch.manual_seed(2)
    mean, sd = rng.normal(size=7), rng.uniform(0.5, 2, 7)
    networks = [MODULES[kind](7) for _ in range(3)]
    states = [unscaled(network.state_dict(), mean, sd) for network in networks]
    heads = heads_of(kind, {name: np.stack([s[name] for s in states]) for name in states[0]})
    tiles = rng.normal(size=(50, 7))
    scaled = torch.as_tensor((tiles - mean) / sd, dtype=torch.float32)
    with torch.no_grad():
        expected = [float(network(scaled)) for network in networks]
    found = 1 / (1 + np.exp(-heads.slide_logits(tiles)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert heads.width == 7
    np.testing.assert_allclose(heads.mean_logits(tiles), heads.tile_logits(tiles).mean(axis=1))
    again = heads_of(kind, heads.tensors())
    np.testing.assert_array_equal(again.tile_logits(tiles), heads.tile_logits(tiles))


def test_attention_with_a_linear_classifier_is_additive() -> None:
    """Classifying the pooled tiles, as ABMIL does, is pooling the tiles' classifications."""
    rng = np.random.default_rng(3)
    torch.manual_seed(4)
    state = {
        name: one[None]
        for name, one in unscaled(MODULES["abmil"](5).state_dict(), np.zeros(5), np.ones(5)).items()
    }
    heads = heads_of("abmil", state)
    assert isinstance(heads, AttentionHeads)
    tiles = rng.normal(size=(40, 5))
    attention = heads.attention(tiles)[:, 0]
    assert attention.sum() == pytest.approx(1)
    hidden = np.maximum(tiles @ state["hidden.weight"][0].T + state["hidden.bias"][0], 0)
    pooled = attention @ hidden
    classified = pooled @ state["output.weight"][0, 0] + state["output.bias"][0, 0]
    assert heads.slide_logits(tiles)[0] == pytest.approx(classified, abs=1e-9)


def interacting(n_slides: int, seed: int) -> Planted:
    """A tile is positive where two numbers have the same sign: no plane tells."""
    base = planted(n_slides, 60, 6, seed, effect=0)
    rng = np.random.default_rng(seed)
    tiles = []
    for one, positive in zip(base.tiles, base.positive, strict=True):
        first = rng.choice([-1.5, 1.5], len(one))
        moved = one.copy() * 0.5
        moved[:, 0] += first
        moved[:, 1] += np.where(positive, first, -first)
        tiles.append(moved)
    return Planted(base.patients, tiles, base.positive, base.share)


def test_a_network_finds_what_no_plane_can() -> None:
    """The scores of a plane are symmetric about its bias, for positive and for negative tiles.

    So its AUC within a fold is 1/2 in expectation, with a variance of at most 1 / (4 m) where m is
    the number of positive or of negative tiles, the smaller (Birnbaum & Klose 1957). The signs of
    two numbers, 1.5 from 0 with a deviation of 0.5, tell 0.997 of the tiles.
    """
    one, folds = interacting(100, 5), {"folds": 2, "rounds": 2}
    cohort = one.cohort(one.share, settings(**folds))
    tested = cohort.splits["fold"].to_numpy()
    found: dict[str, list[float]] = {}
    for kind, fit in {"linear": fit_linear, "proportion": NetworkFit("proportion", 1)}.items():
        model = train_trait("A", one.slides, *cohort[:3], settings(model=kind, **folds), "e", fit)
        found[kind] = []
        for number in (1, 2):
            slides = np.flatnonzero(tested == number)
            logits = [model.folds[number].tile_scores(one.tiles[n]).logit for n in slides]
            positive = np.concatenate([one.positive[n] for n in slides])
            found[kind].append(auc(np.concatenate(logits), positive))
            if kind == "linear":
                fewer = min(positive.sum(), (~positive).sum())
                assert abs(found[kind][-1] - 0.5) < 4 / (2 * np.sqrt(fewer))
    assert min(found["proportion"]) > 0.9


def lesson(target: np.ndarray) -> Lesson:
    held_out = np.arange(len(target)) % 4 == 0
    return Lesson(target, np.ones(len(target)), ((~held_out, held_out),))


@pytest.mark.parametrize("kind", list(MODULES))
def test_the_same_seed_gives_the_same_network_and_the_tested_do_not_matter(kind: str) -> None:
    one = planted(40, 30, 4, 6)
    target = (one.share > 0.5).astype(float)
    target[-5:] = np.nan  # tested
    trained = lesson(target[:-5])
    rounds = tuple(tuple(np.append(part, [False] * 5) for part in r) for r in trained.rounds)
    found = []
    for noise in (0.0, 9.0):
        tiles = [t + (noise if i >= 35 else 0) for i, t in enumerate(one.tiles)]
        slides = Planted(one.patients, tiles, one.positive, one.share).slides
        slides = Slides(slides.patients, slides.vectors, slides.tiles, np.ones(4))
        fit = NetworkFit(kind, 3)
        found.append(fit(slides, Lesson(target, np.ones(40), rounds), 1))
    for name, tensor in found[0].heads.tensors().items():
        assert tensor.tobytes() == found[1].heads.tensors()[name].tobytes()
