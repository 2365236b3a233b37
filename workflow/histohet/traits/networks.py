"""Networks on the tiles of slides, trained with PyTorch: the kinds ``proportion`` and ``abmil``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from histohet.common.arrays import Bools, Floats
from histohet.traits.models import heads_of
from histohet.traits.training import MOST_TILES, Fitted, Lesson, Slides

HIDDEN, GATED = 128, 64
BAG = 512
"""Most tiles of a slide in a step, drawn anew every time."""

LEARNING_RATE, WEIGHT_DECAY = 3e-4, 1e-3
MOST_EPOCHS, PATIENCE = 60, 8
"""Training ends when the validation loss has not fallen for so many epochs."""

LEAST_PROBABILITY = 1e-6


class Proportion(nn.Module):
    """See `histohet.traits.models.ProportionHeads`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the probability of a slide by its tiles, (n, D)."""
        logits = self.output(torch.relu(self.hidden(tiles)))[:, 0]
        return torch.sigmoid(logits).mean()


class GatedAttention(nn.Module):
    """See `histohet.traits.models.AttentionHeads`; hidden units are left out with `dropout`."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.tanh_gate = nn.Linear(HIDDEN, GATED)
        self.sigmoid_gate = nn.Linear(HIDDEN, GATED)
        self.score = nn.Linear(GATED, 1)
        self.output = nn.Linear(HIDDEN, 1)

    def logit(self, tiles: Tensor) -> Tensor:
        """Return the logit of a slide by its tiles, (n, D)."""
        hidden = self.dropout(torch.relu(self.hidden(tiles)))
        gated = torch.tanh(self.tanh_gate(hidden)) * torch.sigmoid(self.sigmoid_gate(hidden))
        attention = torch.softmax(self.score(gated)[:, 0], dim=0)
        logit: Tensor = attention @ self.output(hidden)[:, 0]
        return logit

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the probability of a slide by its tiles, (n, D)."""
        return torch.sigmoid(self.logit(tiles))


MODULES: Mapping[str, type[Proportion] | type[GatedAttention]] = {
    "proportion": Proportion,
    "abmil": GatedAttention,
}


class NetworkFit:
    """Learns the networks of a fold, one per round (`histohet.traits.training.Fit`).

    Parameters
    ----------
    kind
        ``proportion`` or ``abmil``.
    seed
        Of initial weights, the order of slides and the draws of tiles.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self._kind = kind
        self._seed = seed
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, slides: Slides, lesson: Lesson, fold: int) -> Fitted:
        """Return the network of every round, as it was when its validation loss was least."""
        found = [
            self._train(slides, lesson, trained, validated, [self._seed, fold, number])
            for number, (trained, validated) in enumerate(lesson.rounds)
        ]
        tensors = {
            name: np.stack([parameters[name] for parameters, _ in found]) for name in found[0][0]
        }
        loss = np.array([one for _, one in found])
        return Fitted(heads_of(self._kind, tensors), loss, {})

    def _train(
        self, slides: Slides, lesson: Lesson, trained: Bools, validated: Bools, seed: list[int]
    ) -> tuple[dict[str, Floats], float]:
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**31)))
        mean, sd = slides.vectors[trained].mean(axis=0), slides.spread
        network = MODULES[self._kind](slides.vectors.shape[1]).to(self._device)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )

        def loss_of(slide: int, most: int, draws: np.random.Generator | None) -> Tensor:
            tiles = (slides.tiles(slide, most, draws) - mean) / sd
            bag = torch.as_tensor(tiles, dtype=torch.float32, device=self._device)
            target = torch.tensor(lesson.target[slide], dtype=torch.float32, device=self._device)
            probability = network(bag).clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
            return float(lesson.weight[slide]) * nn.functional.binary_cross_entropy(
                probability, target
            )

        best, state, since = np.inf, network.state_dict(), 0
        held_out = np.flatnonzero(validated).tolist()
        for _ in range(MOST_EPOCHS):
            for slide in rng.permutation(np.flatnonzero(trained)).tolist():
                optimiser.zero_grad()
                loss_of(slide, BAG, rng).backward()
                optimiser.step()
            with torch.no_grad():
                losses = [float(loss_of(slide, MOST_TILES, None)) for slide in held_out]
            loss = float(np.mean(losses))
            since += 1
            if loss < best:
                best, since = loss, 0
                state = {name: one.detach().clone() for name, one in network.state_dict().items()}
            if since >= PATIENCE:
                break
        return unscaled(state, mean, sd), best


def unscaled(state: Mapping[str, Tensor], mean: Floats, sd: Floats) -> dict[str, Floats]:
    """Return the parameters of a network that takes embeddings as they are."""
    tensors = {name: one.double().cpu().numpy() for name, one in state.items()}
    tensors["hidden.weight"] = tensors["hidden.weight"] / sd
    tensors["hidden.bias"] = tensors["hidden.bias"] - tensors["hidden.weight"] @ mean
    return tensors
