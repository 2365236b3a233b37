"""Cohorts of slides whose tiles carry a trait, as embeddings alone: nothing is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from histohet.traits.cohort import TraitCohort, trait_cohort
from histohet.traits.expression import Expression
from histohet.traits.settings import TraitSettings
from histohet.traits.training import Slides, spread_of

SITES = 20


def settings(**changes: Any) -> TraitSettings:
    """Return settings of one trait, A, with sites kept together."""
    fixed: dict[str, Any] = {
        "expression": [{"table": "t.tsv", "id": "sample"}],
        "wanted": {"A": "A"},
        "site_pattern": "^(..)-",
    }
    return TraitSettings(**fixed | changes)


@dataclass(frozen=True)
class Planted:
    """A slide per patient, in the order of the ids.

    Attributes
    ----------
    patients, tiles, positive, share
        Of each slide the patient, its tiles (N, D), which carry the trait, and how many do.
    """

    patients: list[str]
    tiles: list[np.ndarray]
    positive: list[np.ndarray]
    share: np.ndarray

    @property
    def slides(self) -> Slides:
        """What models are trained on."""
        vectors = np.stack([tiles.mean(axis=0) for tiles in self.tiles])
        return Slides(self.patients, vectors, self._some, spread_of(len(vectors), self._some))

    def _some(self, slide: int, most: int, rng: np.random.Generator | None) -> np.ndarray:
        tiles = self.tiles[slide]
        rows = slice(most) if rng is None else rng.permutation(len(tiles))[:most]
        return tiles[rows]

    def cohort(self, values: np.ndarray, one: TraitSettings) -> TraitCohort:
        """Label and split the patients by the expression of each."""
        index = pd.Index(self.patients, name="patient")
        expression = Expression(pd.DataFrame({"A": values}, index=index), [])
        return trait_cohort(expression, self.patients, one, seed=1)


def planted(
    n_slides: int, n_tiles: int, width: int, seed: int, *, effect: float = 2.0, site: float = 0.0
) -> Planted:
    """Plant a trait in a direction of the embeddings, and what sites look like in all of them."""
    rng = np.random.default_rng(seed)
    patients = sorted(f"{n % SITES:02d}-{n:04d}" for n in range(n_slides))
    looks = site * rng.normal(size=(SITES, width))
    share = rng.beta(1.5, 1.5, n_slides)
    tiles, positive = [], []
    for patient, of_slide in zip(patients, share, strict=True):
        there = rng.random(n_tiles) < of_slide
        one = rng.normal(size=(n_tiles, width)) + looks[int(patient[:2])]
        one[there, 0] += effect
        tiles.append(one)
        positive.append(there)
    return Planted(patients, tiles, positive, share)
