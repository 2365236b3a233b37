"""Inception-v3 on the pixels of tiles, trained as PathoMCH publishes it: the kind ``inception``.

Every tile has the label of its slide. A training can be killed at any time: what it goes on from is
kept at every evaluation, and what is random depends on nothing that was drawn before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import astuple
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from histohet.common.arrays import Float32, Floats, Ints
from histohet.common.logs import logger
from histohet.encoders.networks import import_timm
from histohet.features.partial import read_part, write_part
from histohet.slides.reader import Pixels
from histohet.traits.auc import auc
from histohet.traits.expression import TraitError
from histohet.traits.pictures import TileSet
from histohet.traits.rounds import Evaluation, Weights
from histohet.traits.settings import InceptionSettings

CHECKPOINT = "checkpoint.pt"
LEAST_CHANGE = 1e-4
"""By how much a loss has to be less, for the learning rate to stay (Keras)."""

ADAM_EPSILON = 1e-7
"""Keras's; PyTorch's is 1e-8."""

ORDER, FLIPS = 0, 1
"""What random numbers are drawn for."""


class Labelled(NamedTuple):
    """Tiles that a network learns from, or is evaluated by.

    Attributes
    ----------
    tiles
        N tiles; a file is a slide.
    target
        float64, of each slide: 1 high and 0 low, or a rank between.
    """

    tiles: TileSet
    target: Floats

    @property
    def of_tiles(self) -> Floats:
        """The target of each tile, (N,)."""
        return self.target[self.tiles.file]


class Trained(NamedTuple):
    """A network as it was at its best, and how it came there."""

    weights: Weights
    best: Evaluation
    history: list[Evaluation]


def device_here() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def take_gpu(number: int) -> None:
    """Make one of several GPUs the one that is used, by a number that neighbouring jobs differ in.

    On a cluster a job sees its own alone.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())


def new_network(seed: int, norm_momentum: float = 0.1) -> nn.Module:
    """Return Inception-v3 with a global maximum and one logit, from random weights.

    As in Keras: uniform weights after Glorot, and batch normalisation that does not scale.

    Parameters
    ----------
    norm_momentum
        Share of the running means of batch normalisation that every batch replaces.
    """
    torch.manual_seed(seed)
    network = _architecture()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.momentum = norm_momentum
            layer.weight.requires_grad_(False)
    return network


def _architecture() -> nn.Module:
    network: nn.Module = import_timm().create_model(
        "inception_v3", pretrained=False, num_classes=1, global_pool="max"
    )
    return network


def logits_of(network: nn.Module, tiles: Pixels, device: torch.device) -> Tensor:
    """Return what a network says of tiles, uint8 (B, S, S, 3) to float32 (B,)."""
    batch = torch.from_numpy(np.ascontiguousarray(tiles)).to(device)
    logits: Tensor = network(batch.permute(0, 3, 1, 2).float().div(255))[:, 0]
    return logits


def learning_rate(losses: Sequence[float], recipe: InceptionSettings) -> float:
    """Return the learning rate after evaluations with these validation losses.

    A tenth of what it was whenever `lr_patience` of them in a row were not less than the least so
    far by `LEAST_CHANGE` (Keras's ReduceLROnPlateau).
    """
    rate, least, since = recipe.learning_rate, math.inf, 0
    for loss in losses:
        since += 1
        if loss < least - LEAST_CHANGE:
            least, since = loss, 0
        elif since == recipe.lr_patience:
            rate, since = rate * 0.1, 0
    return rate


def is_over(losses: Sequence[float], recipe: InceptionSettings) -> bool:
    """Tell whether training ends after evaluations with these validation losses."""
    if not losses:
        return False
    since = len(losses) - 1 - int(np.argmin(losses))
    return since >= recipe.patience or len(losses) >= recipe.most_evaluations


class Training:
    """The training of one network, from an evaluation to the next.

    Parameters
    ----------
    learned, validated
        Tiles to learn from, and to be evaluated by.
    seed
        Of initial weights, order and flips of tiles.
    folder
        Keeps the checkpoint, see `histohet.features.partial.partial_folder`.
    readers
        Threads that decode tiles.

    Raises
    ------
    TraitError
        If there are no low or no high slides to learn from or to be evaluated by.
    """

    def __init__(
        self,
        learned: Labelled,
        validated: Labelled,
        recipe: InceptionSettings,
        seed: Sequence[int],
        folder: Path,
        readers: Executor,
    ) -> None:
        for role, labelled in (("train", learned), ("validate", validated)):
            if len(np.unique(labelled.of_tiles > 0.5)) < 2:
                raise TraitError(
                    f"{len(labelled.target)} slides to {role} on, and not both low and high ones "
                    "with tiles: fewer `folds` or `rounds`, or more patients"
                )
        self._learned, self._validated = learned, validated
        self._recipe, self._seed = recipe, seed
        self._checkpoint, self._readers = folder / CHECKPOINT, readers
        self._device = device_here()
        # Every part moves the running means: all parts of a step together as far as one step does.
        share = 1 - (1 - recipe.norm_momentum) ** (recipe.part / recipe.batch)
        first = int(np.random.default_rng(seed).integers(2**31))
        self._network = new_network(first, share).to(self._device)
        learnable = [one for one in self._network.parameters() if one.requires_grad]
        self._optimiser = torch.optim.Adam(learnable, eps=ADAM_EPSILON)
        self._best: dict[str, Tensor] = {}
        self.history: list[Evaluation] = []
        self._load()

    @property
    def _losses(self) -> list[float]:
        return [one.loss for one in self.history]

    @property
    def _at_best(self) -> int:
        """The evaluation with the highest AUC, of equal ones that with the least loss."""
        of_tiles = self._recipe.best_by == "tiles"
        values = [(one.tile_auc if of_tiles else one.slide_auc, -one.loss) for one in self.history]
        return values.index(max(values))

    @property
    def _steps(self) -> int:
        """Steps from an evaluation to the next."""
        recipe = self._recipe
        return max(len(self._learned.of_tiles) // (recipe.batch * recipe.evaluations_per_pass), 1)

    def run(self) -> Trained:
        """Train until it is over."""
        while not is_over(self._losses, self._recipe):
            self.go_on()
        weights = {name: one.cpu().numpy() for name, one in self._best.items()}
        return Trained(weights, self.history[self._at_best], self.history)

    def go_on(self) -> None:
        """Train to the next evaluation, and keep what to go on from."""
        rate = learning_rate(self._losses, self._recipe)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        first = len(self.history) * self._steps
        train_loss = self._learn(range(first, first + self._steps))
        self.history.append(self._evaluate(rate, train_loss))
        if self._at_best == len(self.history) - 1:
            state = self._network.state_dict()
            self._best = {name: one.detach().clone() for name, one in state.items()}
        logger.info("evaluation %d: %s", len(self.history), self.history[-1])
        self._save()

    def _learn(self, steps: range) -> float:
        """Take steps, and return their mean loss."""
        recipe, total = self._recipe, 0.0
        target = self._learned.of_tiles
        numbers = [tiles_of_step(step, recipe.batch, len(target), self._seed) for step in steps]
        pictures = self._learned.tiles.batches(numbers, self._readers)
        self._network.train()
        for step, of_step, tiles in zip(steps, numbers, pictures, strict=True):
            flipped = flip(tiles, np.random.default_rng([*self._seed, FLIPS, step]))
            self._optimiser.zero_grad()
            for first in range(0, recipe.batch, recipe.part):
                part = slice(first, first + recipe.part)
                wanted = torch.tensor(target[of_step[part]], dtype=torch.float32)
                loss = _losses(self._logits(flipped[part]), wanted.to(self._device))
                loss = loss.sum() / recipe.batch
                loss.backward()
                total += float(loss.detach())
            self._optimiser.step()
        return total / len(steps)

    def _logits(self, tiles: Pixels) -> Tensor:
        return logits_of(self._network, tiles, self._device)

    def _evaluate(self, rate: float, train_loss: float) -> Evaluation:
        tiles, target = self._validated.tiles, self._validated.of_tiles
        logits = score_tiles([self._network], tiles, self._recipe.part, self._readers)[:, 0]
        loss = _losses(torch.from_numpy(logits), torch.from_numpy(target).float()).mean()
        scores = logits.astype(np.float64)
        seen = np.unique(tiles.file)
        shares = np.array([np.mean(scores[tiles.file == one] > 0) for one in seen.tolist()])
        return Evaluation(
            rate,
            train_loss,
            float(loss),
            auc(scores, target > 0.5),
            auc(shares, self._validated.target[seen] > 0.5),
        )

    def _save(self) -> None:
        content = BytesIO()
        state = {
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self._best,
            "history": list(map(astuple, self.history)),
        }
        torch.save(state, content)
        write_part(self._checkpoint, content.getbuffer())

    def _load(self) -> None:
        content = read_part(self._checkpoint)
        if content is None:
            return
        state: Mapping[str, Any] = torch.load(
            BytesIO(content), map_location=self._device, weights_only=True
        )
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._best = state["best"]
        self.history = [Evaluation(*one) for one in state["history"]]
        logger.info("going on after %d evaluations", len(self.history))


def _losses(logits: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")


def tiles_of_step(step: int, batch: int, n: int, seed: Sequence[int]) -> Ints:
    """Return the tiles of a step, int64 (batch,).

    Pass after pass through all n tiles, each in an order of its own, dealt into batches without
    regard to where one pass ends.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    passes = np.unique(places // n).tolist()
    orders = [np.random.default_rng([*seed, ORDER, one]).permutation(n) for one in passes]
    tiles: Ints = np.concatenate(orders)[places - passes[0] * n]
    return tiles


def flip(tiles: Pixels, rng: np.random.Generator) -> Pixels:
    """Flip each of (B, S, S, 3) tiles from left to right, and upside down, or not, by chance."""
    flipped = tiles.copy()
    across, down = rng.random((2, len(tiles))) < 0.5
    flipped[across] = flipped[across][:, :, ::-1]
    flipped[down] = flipped[down][:, ::-1]
    return flipped


def score_tiles(
    networks: Sequence[nn.Module], tiles: TileSet, at_once: int, readers: Executor
) -> Float32:
    """Return what networks say of tiles, float32 (N, R).

    Parameters
    ----------
    networks
        R of them, all where the first one is.
    at_once
        Tiles that pass a network at once; they do not see each other, but bits depend on it.
    readers
        Threads that decode tiles.
    """
    device = next(networks[0].parameters()).device
    n = len(tiles.file)
    batches = [np.arange(first, min(first + at_once, n)) for first in range(0, n, at_once)]
    scores = np.empty((n, len(networks)), np.float32)
    for network in networks:
        network.eval()
    with torch.inference_mode():
        pictures = tiles.batches(batches, readers)
        for numbers, some in zip(batches, pictures, strict=True):
            for column, network in enumerate(networks):
                scores[numbers, column] = logits_of(network, some, device).cpu().numpy()
    return scores


def networks_of(weights: Iterable[Weights]) -> Iterator[nn.Module]:
    """Yield the networks that have these weights, to be asked and not to learn."""
    import_timm()  # Outside of the block below, so that nothing that it creates lacks its memory.
    for one in weights:
        # Without numbers of its own: drawing them takes longer than all else.
        with torch.device("meta"):
            network = _architecture()
        tensors = {name: torch.as_tensor(tensor) for name, tensor in one.items()}
        network.load_state_dict(tensors, assign=True)
        yield network.to(device_here()).eval()
