"""Gated attention over tiles, trained with Cox's partial likelihood of the event of interest.

Attention is that of Ilse, Tomczak & Welling (2018, ICML, equation 9); the competing event ends
follow-up, as for any cause-specific hazard.

The networks of a split are trained side by side, so that a bag is read once for all of them: one by
all training patients, and for each inner fold one by those of the others, whose predictions of the
training patients fusion learns from. No bag of a patient who is left out is opened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from histohet.common.arrays import Bools, Float32, Floats, Ints
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.bags import Bags
from histohet.fusion.mil.networks import Tensors
from histohet.fusion.settings import MilSettings
from histohet.fusion.splits import LEFT_OUT
from histohet.traits.networks import GatedAttention, unscaled

logger = logging.getLogger(__name__)

BATCH = 16
"""Patients of a step, whose partial likelihood is taken among themselves (Kvamme et al. 2019)."""

LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 1e-3, 1e-2, 0.25

CONSTANT = 1e-10
"""A number of the tiles whose variance is a smaller share of its mean square does not vary."""

LEAST_EVENTS = 2
"""Fewer among the patients of a network teach it nothing."""


@dataclass(frozen=True, eq=False)
class Pupils:
    """Patients that networks are trained by; all have a bag.

    Attributes
    ----------
    patients
        (n,) ids.
    time, event
        Follow-up, and whether it ended with the event, (n,).
    part
        Inner fold of each, from 1, (n,).
    """

    patients: Sequence[str]
    time: Floats
    event: Bools
    part: Ints

    @property
    def taught(self) -> Bools:
        """Who trains each network, (1 + k, n): everybody, then all but each inner fold."""
        numbers = np.arange(self.part.max() + 1)
        taught: Bools = self.part != numbers[:, None]
        return taught


def pupils_of(
    patients: Sequence[str], time: Floats, event: Bools, part: Ints, bags: Bags
) -> Pupils:
    """Return those of n patients who are not left out and have a bag.

    Raises
    ------
    FusionError
        If a network would have too few events to learn from.
    """
    here = np.array([one != LEFT_OUT for one in part]) & [one in bags for one in patients]
    found = Pupils(
        [patient for patient, one in zip(patients, here, strict=True) if one],
        time[here],
        event[here],
        part[here],
    )
    events = (found.taught & found.event).sum(axis=1) if here.any() else np.zeros(1)
    if events.min() < LEAST_EVENTS:
        raise FusionError(
            f"block 'mil': {int(events.min())} events among the patients with slides that a "
            f"network is trained by, at least {LEAST_EVENTS} are needed: fewer 'folds', or leave "
            "'mil' out"
        )
    return found


def train(bags: Bags, pupils: Pupils, settings: MilSettings, seed: Sequence[int]) -> Tensors:
    """Train the networks of a split.

    On a CPU with one thread the same seed gives the same bytes.

    Parameters
    ----------
    bags
        Where tiles are drawn from.
    pupils
        By whom.
    settings
        Tiles of a bag, epochs.
    seed
        Of initial weights, the order of patients, draws of tiles, dropout.

    Returns
    -------
    dict
        Parameters by name, along the first axis one network by everybody, then one for each inner
        fold by the others. What they say of those who trained them has the mean 0.

    Raises
    ------
    FusionError
        If an embedding is not finite.
    """
    rng = np.random.default_rng(list(seed))
    torch.manual_seed(int(rng.integers(2**31)))
    n, taught = len(pupils.patients), pupils.taught
    time, event = torch.as_tensor(pupils.time), torch.as_tensor(pupils.event)

    def bag(pupil: int) -> Float32:
        return bags.some(pupils.patients[pupil], settings.tiles, rng)

    networks = [_Network(*moments) for moments in _moments(map(bag, range(n)), taught)]
    for epoch in range(settings.epochs):
        losses = []
        for batch in np.array_split(rng.permutation(n), -(-n // BATCH)):
            drawn = {pupil: torch.from_numpy(bag(pupil)) for pupil in batch.tolist()}
            for network, teaches in zip(networks, taught, strict=True):
                here = [pupil for pupil in drawn if teaches[pupil]]
                if event[here].any():
                    tiles = [drawn[pupil] for pupil in here]
                    losses.append(network.step(tiles, time[here], event[here]))
        logger.info("epoch %d: mean loss of a step %.3f", epoch + 1, np.mean(losses))
    said = np.zeros(taught.shape)
    for pupil in range(n):
        sample = torch.from_numpy(bag(pupil))
        said[:, pupil] = [network.says(sample) for network in networks]
    means = (said * taught).sum(axis=1) / taught.sum(axis=1)
    found = [network.about(mean) for network, mean in zip(networks, means.tolist(), strict=True)]
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def _moments(bags: Iterable[Float32], taught: Bools) -> list[tuple[Floats, Floats]]:
    """Return mean and standard deviation of the numbers of tiles, (D,), for each network.

    Parameters
    ----------
    bags
        Of n patients, (m, D) each.
    taught
        Whose count, (r, n).
    """
    weight, total, squares = np.zeros(len(taught)), np.zeros(1), np.zeros(1)
    for bag, counts in zip(bags, taught.T.astype(np.float64), strict=True):
        tiles = bag.astype(np.float64)
        weight += counts * len(tiles)
        total = total + np.outer(counts, tiles.sum(axis=0))
        squares = squares + np.outer(counts, (tiles**2).sum(axis=0))
    mean, square = total / weight[:, None], squares / weight[:, None]
    variance = square - mean**2
    varies = variance > CONSTANT * square
    return list(zip(mean, np.where(varies, np.sqrt(np.where(varies, variance, 1)), 1), strict=True))


class _Network:
    """A network that is trained, on tiles (m, D) whose numbers are brought to mean 0, deviation 1.

    Parameters
    ----------
    mean, deviation
        Of these numbers, (D,).
    """

    def __init__(self, mean: Floats, deviation: Floats) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._moments = mean, deviation
        self._mean, self._factor = (
            torch.as_tensor(one, dtype=torch.float32, device=self._device)
            for one in (mean, 1 / deviation)
        )
        self._module = GatedAttention(len(mean), DROPOUT).to(self._device)
        self._optimiser = torch.optim.AdamW(
            self._module.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )

    def _logit(self, tiles: Tensor) -> Tensor:
        return self._module.logit((tiles.to(self._device) - self._mean) * self._factor)

    def step(self, bags: Iterable[Tensor], time: Tensor, event: Tensor) -> float:
        """Learn from some patients, at least one of whom had the event; return the loss."""
        self._module.train()
        self._optimiser.zero_grad()
        predictor = torch.stack([self._logit(tiles) for tiles in bags])
        loss = cox_loss(predictor, time.to(self._device), event.to(self._device))
        loss.backward()
        self._optimiser.step()
        return float(loss.detach())

    def says(self, tiles: Tensor) -> float:
        """Return the log hazard of a patient."""
        self._module.eval()
        with torch.no_grad():
            return float(self._logit(tiles))

    def about(self, mean: float) -> dict[str, Floats]:
        """Return parameters that take embeddings as they are, for predictions less their mean."""
        found = unscaled(self._module.state_dict(), *self._moments)
        return found | {"output.bias": found["output.bias"] - mean}


def cox_loss(predictor: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return the mean negative log partial likelihood of the events of n patients (Breslow's ties).

    Parameters
    ----------
    predictor
        Log relative hazards, (n,).
    time, event
        Follow-up, and whether it ended with the event, each (n,).
    """
    at_risk = time >= time[:, None]
    of_sets = torch.where(at_risk, predictor, -torch.inf).logsumexp(dim=1)
    return (of_sets - predictor)[event].mean()
