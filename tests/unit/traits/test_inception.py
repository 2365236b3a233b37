"""Inception on pixels: the published schedule and order, overfitting, and going on after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiletables import tile_table
from histohet.common.provenance import Provenance
from histohet.traits.expression import TraitError
from histohet.traits.inception import (
    CHECKPOINT,
    Labelled,
    Trained,
    Training,
    flip,
    is_over,
    learning_rate,
    networks_of,
    new_network,
    score_tiles,
    tiles_of_step,
)
from histohet.traits.pictures import Pictures, _jpeg, tile_set, write_pictures
from histohet.traits.settings import InceptionSettings

SIDE = 75
"""Of a tile, px: the least that the network takes."""


@pytest.fixture
def readers() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def recipe(**changes: Any) -> InceptionSettings:
    small = {"tile_um": SIDE / 2, "tile_px": SIDE, "batch": 8, "part": 4}
    return InceptionSettings(**small | changes)


def labelled(folder: Path, n_tiles: int, seed: int = 1) -> Labelled:
    """Two slides: grey noise, fine in the low one and in blocks of 5 px in the high one."""
    rng, paths = np.random.default_rng(seed), []
    for slide, block in enumerate((1, 5)):
        grain = rng.integers(60, 200, (n_tiles, SIDE // block, SIDE // block, 3), np.uint8)
        tiles = grain.repeat(block, axis=1).repeat(block, axis=2)
        paths.append(str(folder / f"{seed}_{slide}.h5"))
        table = tile_table(np.arange(2 * n_tiles).reshape(-1, 2), 0.5, (1000, 900))
        pictures = Pictures(table, np.zeros(n_tiles, np.float32), list(map(_jpeg, tiles)))
        write_pictures(paths[-1], pictures, Provenance())
    return Labelled(tile_set(paths, [n_tiles, n_tiles]), np.array([0.0, 1.0]))


def plateau(losses: list[float], rate: float, patience: int) -> float:
    """Keras's ReduceLROnPlateau as its documentation has it, an evaluation at a time."""
    best, wait = np.inf, 0
    for loss in losses:
        if loss < best - 1e-4:
            best, wait = loss, 0
            continue
        wait += 1
        if wait >= patience:
            rate, wait = rate / 10, 0
    return rate


@pytest.mark.parametrize("seed", range(5))
def test_the_schedule_is_that_of_keras(seed: int) -> None:
    losses = np.random.default_rng(seed).choice([1, 0.99995, 0.5, 0.7], 60).tolist()
    one = recipe(lr_patience=4)
    for n in range(len(losses)):
        assert learning_rate(losses[:n], one) == pytest.approx(plateau(losses[:n], 1e-3, 4))


def test_training_ends_when_the_loss_falls_no_more() -> None:
    one = recipe(patience=3, most_evaluations=9)
    assert not is_over([], one)
    assert not is_over([3, 1, 2, 2], one)
    assert is_over([3, 1, 1, 1, 1], one)
    assert not is_over([3, 1, 1, 1, 0.99999], one)
    assert is_over([1 / n for n in range(1, 10)], one)


def test_passes_hold_every_tile_once_and_steps_depend_on_no_other() -> None:
    n, batch = 10, 4
    drawn = np.concatenate([tiles_of_step(step, batch, n, [7]) for step in range(10)])
    for first in range(0, 40, n):
        assert sorted(drawn[first : first + n].tolist()) == list(range(n))
    assert not np.array_equal(drawn[:n], drawn[n : 2 * n])
    np.testing.assert_array_equal(tiles_of_step(6, batch, n, [7]), drawn[24:28])
    # A batch may be larger than a pass.
    assert np.bincount(tiles_of_step(1, 25, n, [7])).tolist().count(0) == 0


def test_tiles_are_flipped_and_nothing_else() -> None:
    tiles = np.random.default_rng(1).integers(0, 255, (64, 5, 5, 3), np.uint8)
    flipped = flip(tiles, np.random.default_rng(2))
    kinds: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda one: one,
        lambda one: one[::-1],
        lambda one: one[:, ::-1],
        lambda one: one[::-1, ::-1],
    ]
    found = [
        [np.array_equal(kind(one), other) for kind in kinds]
        for one, other in zip(tiles, flipped, strict=True)
    ]
    assert [sum(one) for one in found] == [1] * 64
    assert np.array(found).sum(axis=0).min() > 6


def test_the_network_is_the_published_one() -> None:
    """Keras counts 21,802,784 numbers without the output, running means and variances included."""
    network = new_network(1)
    learned = [one for one in network.parameters() if one.requires_grad]
    scales = [m.weight for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    running = 2 * sum(map(len, scales))
    assert sum(one.numel() for one in learned) + running == 21_802_784 + 2048 + 1
    assert new_network(1).state_dict()["fc.weight"].equal(network.state_dict()["fc.weight"])


def run(folder: Path, tiles: Labelled, one: InceptionSettings, readers: Executor) -> Trained:
    folder.mkdir(exist_ok=True)
    return Training(tiles, tiles, one, [3, 1, 1], folder, readers).run()


def test_it_overfits_24_tiles(tmp_path: Path, readers: Executor) -> None:
    tiles = labelled(tmp_path, 12)
    one = recipe(batch=24, part=12, norm_momentum=0.7, most_evaluations=8, best_by="slides")
    found = run(tmp_path, tiles, one, readers)
    assert found.best.tile_auc == 1
    assert found.best.slide_auc == 1
    assert found.history[-1].train_loss < 0.1 < found.history[0].train_loss
    (network,) = networks_of([found.weights])
    scores = score_tiles([network, network], tiles.tiles, 5, readers)
    assert scores.shape == (24, 2)
    assert scores[:12, 0].max() < scores[12:, 0].min()


def same(one: Trained, other: Trained) -> bool:
    assert one.history == other.history
    pairs = zip(one.weights.items(), other.weights.items(), strict=True)
    return all(a == b and x.tobytes() == y.tobytes() for (a, x), (b, y) in pairs)


def test_killed_and_resumed_gives_the_same_bytes(
    tmp_path: Path, readers: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles, one = labelled(tmp_path, 6), recipe(evaluations_per_pass=1, most_evaluations=3)
    whole = run(tmp_path / "whole", tiles, one, readers)
    assert len(whole.history) == 3

    folder = tmp_path / "killed"
    folder.mkdir()
    Training(tiles, tiles, one, [3, 1, 1], folder, readers).go_on()
    half = Training(tiles, tiles, one, [3, 1, 1], folder, readers)
    assert half.history == whole.history[:1]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(half, "_evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        half.go_on()
    assert same(run(folder, tiles, one, readers), whole)
    # All that is there says that it is over; what is damaged is begun anew.
    assert same(run(folder, tiles, one, readers), whole)
    checkpoint = folder / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    assert not Training(tiles, tiles, one, [3, 1, 1], folder, readers).history


def test_slides_of_one_label_are_refused(tmp_path: Path, readers: Executor) -> None:
    tiles = labelled(tmp_path, 2)
    low = Labelled(tiles.tiles, np.zeros(2))
    with pytest.raises(TraitError, match="2 slides to validate on, and not both low and high"):
        Training(tiles, low, recipe(), [1], tmp_path, readers)
    empty = Labelled(tile_set(tiles.tiles.paths, [2, 0]), tiles.target)
    with pytest.raises(TraitError, match="2 slides to train on, and not both low and high"):
        Training(empty, tiles, recipe(), [1], tmp_path, readers)
