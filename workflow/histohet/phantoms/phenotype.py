"""How the planted subclones differ: a handful of traits a pathologist would name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histohet.common.arrays import Floats
from histohet.phantoms.fields import Numbers

Scores = Floats


class Trait(NamedTuple):
    """A trait's typical value in tumour, its spread, and where normal epithelium stands.

    Bounded traits live between 0 and 1 and vary on the logit scale, the others are positive and
    vary on the log scale; `spread` is one unit of score on that scale.
    """

    typical: float
    spread: float
    normal_score: float
    bounded: bool


TRAITS: dict[str, Trait] = {
    # nucleus
    "area_um2": Trait(46.0, 0.24, -1.8, False),
    "elongation": Trait(1.5, 0.16, 0.6, False),
    "spacing": Trait(1.06, 0.10, 0.0, False),
    "chromaticity": Trait(1.0, 0.18, -0.2, False),
    "coarseness": Trait(0.45, 0.9, -1.2, True),
    "nucleolus": Trait(0.4, 1.0, -1.8, True),
    "vesicular": Trait(0.4, 1.0, -1.0, True),
    # cytoplasm
    "eosin": Trait(0.58, 0.18, -0.5, False),
    "basophilia": Trait(0.2, 0.32, -0.8, False),
    # architecture
    "gland_radius_um": Trait(62.0, 0.22, 0.0, False),
    "septum_um": Trait(6.5, 0.25, 0.0, False),
    "openness": Trait(0.5, 1.1, 0.0, True),
    "cribriform": Trait(0.25, 1.1, 0.0, True),
}
NAMES = tuple(TRAITS)
# The first of them belong to the nucleus.
N_NUCLEAR = 7

# Root mean square score, per trait, of a subclone about its slide at separation 1.
UNIT_SEPARATION = 1.3
# Root mean square score of a slide about the cohort.
SLIDE_SPREAD = 0.5


def value(name: str, score: Numbers) -> Numbers:
    """Turn scores of the trait `name` into its natural unit."""
    trait = TRAITS[name]
    ratio: Numbers = np.exp(trait.spread * score)
    if trait.bounded:
        odds = ratio * (trait.typical / (1 - trait.typical))
        return odds / (1 + odds)
    return trait.typical * ratio


def subclone_scores(n_subclones: int, separation: float, rng: np.random.Generator) -> Scores:
    """Draw the traits of normal epithelium (row 0) and of each subclone (rows 1 to n).

    The subclones of a slide scatter about a common mean in mutually orthogonal directions, so no
    two of them are alike by accident; how far each lies out varies by a fifth.

    Returns
    -------
    float64 (n_subclones + 1, number of traits), in units of `Trait.spread`
    """
    n_traits = len(NAMES)
    directions, _ = np.linalg.qr(rng.standard_normal((n_traits, n_subclones)))
    lengths = UNIT_SEPARATION * separation * np.sqrt(n_traits) * rng.uniform(0.8, 1.2, n_subclones)
    slide = SLIDE_SPREAD * rng.standard_normal(n_traits)
    normal = np.array([trait.normal_score for trait in TRAITS.values()]) + 0.5 * slide
    return np.vstack([normal, slide + (directions * lengths).T])
