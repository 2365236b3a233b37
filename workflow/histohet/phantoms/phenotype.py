"""How the planted subclones differ: each grows in a pattern of its own that a pathologist names.

A pattern is a set of architectural traits, those of the textbooks' growth patterns of carcinomas:
how large glands are, whether they join to cords, what epithelium leaves open, where in it nuclei
stand. Nuclei and cytoplasm vary as well, but from patient to patient more than from subclone to
subclone: what tells subclones apart is the arrangement, which no single measurement of colour or of
nuclei holds.
"""

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


CELLULAR = {
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
}
# The first of them belong to the nucleus.
N_NUCLEAR = 7

ARCHITECTURAL = {
    # Half the distance between the middles of neighbouring glands or nests.
    "gland_radius_um": Trait(44.0, 0.3, 0.0, False),
    # Half the stroma between them.
    "septum_um": Trait(6.5, 0.3, 0.0, False),
    # Share of glands that are joined end to end to the next.
    "cords": Trait(0.3, 1.0, 0.0, True),
    # Epithelium grows as thick before it leaves a lumen.
    "wall_um": Trait(30.0, 0.35, 0.0, False),
    # Share of the places for round secondary lumina that are open.
    "cribriform": Trait(0.15, 1.0, 0.0, True),
    # Share of glands with fibrovascular cores.
    "papillae": Trait(0.03, 1.0, 0.0, True),
    # Share of the surface of glands from which stroma has shrunk away.
    "retraction": Trait(0.12, 1.0, 0.0, True),
    # Share of the cells that hold a vacuole of mucin.
    "mucin": Trait(0.001, 1.2, 9.0, True),
    # Nuclei stand as high above the basement membrane.
    "nuclear_layer_um": Trait(26.0, 0.4, 0.0, False),
    # Scatter of their direction about the cell's.
    "tilt_rad": Trait(0.45, 0.4, -2.7, False),
}

TRAITS: dict[str, Trait] = CELLULAR | ARCHITECTURAL
NAMES = tuple(TRAITS)

PATTERNS: dict[str, dict[str, float]] = {
    "tubular": {
        "wall_um": -1.0,
        "cribriform": -3,
        "septum_um": 0.8,
        "nuclear_layer_um": -2.0,
        "tilt_rad": -1.5,
        "cords": -1.5,
    },
    "cribriform": {
        "gland_radius_um": 1.6,
        "wall_um": 2.5,
        "cribriform": 3.5,
        "nuclear_layer_um": 3.0,
    },
    "papillary": {
        "gland_radius_um": 2.0,
        "wall_um": -2.3,
        "cribriform": -3,
        "papillae": 7.0,
        "nuclear_layer_um": -1.5,
        "tilt_rad": -1.0,
    },
    "micropapillary": {
        "gland_radius_um": -1.2,
        "septum_um": 0.3,
        "wall_um": 3.0,
        "cribriform": -3,
        "retraction": 6.0,
        "nuclear_layer_um": 2.0,
        "cords": -2.0,
    },
    "trabecular": {
        "gland_radius_um": -1.6,
        "cords": 3.5,
        "septum_um": 0.8,
        "wall_um": 3.0,
        "cribriform": -3,
        "tilt_rad": -1.5,
        "nuclear_layer_um": 2.0,
    },
    "solid": {
        "gland_radius_um": 1.8,
        "septum_um": -1.5,
        "wall_um": 4.0,
        "cribriform": -4,
        "nuclear_layer_um": 4.0,
        "tilt_rad": 1.5,
    },
    "mucinous": {
        "gland_radius_um": 0.5,
        "wall_um": 1.5,
        "cribriform": -3,
        "mucin": 5.0,
        "nuclear_layer_um": -0.5,
    },
}
"""Scores of the growth patterns; a trait that a pattern does not name is typical."""

GRADE = {
    "area_um2": 1.4,
    "chromaticity": 1.0,
    "coarseness": 1.2,
    "nucleolus": 1.2,
    "eosin": -0.6,
    "basophilia": 0.8,
}
"""How a standard deviation of nuclear grade moves the scores of all subclones of a slide."""

# Root mean square scores of a slide about the cohort, and of a subclone about its pattern.
SLIDE_SPREAD = 0.5
SUBCLONE_SPREAD = 0.5


def value(name: str, score: Numbers) -> Numbers:
    """Turn scores of the trait `name` into its natural unit."""
    trait = TRAITS[name]
    ratio: Numbers = np.exp(trait.spread * score)
    if trait.bounded:
        odds = ratio * (trait.typical / (1 - trait.typical))
        return odds / (1 + odds)
    return trait.typical * ratio


def subclone_scores(
    n_subclones: int, separation: float, rng: np.random.Generator, grade: float = 0.0
) -> Scores:
    """Draw the traits of normal epithelium (row 0) and of each subclone (rows 1 to n).

    The subclones of a slide grow in different patterns, each with a small variation of its own
    about the slide's; `separation` scales pattern and variation. All of them have the slide's
    nuclear grade, in standard deviations of a cohort.

    Returns
    -------
    float64 (n_subclones + 1, number of traits), in units of `Trait.spread`
    """
    chosen = rng.permutation(list(PATTERNS))[:n_subclones]
    pattern = np.array([[PATTERNS[of].get(name, 0.0) for name in NAMES] for of in chosen])
    own = SUBCLONE_SPREAD * rng.standard_normal(pattern.shape)
    slide = SLIDE_SPREAD * rng.standard_normal(len(NAMES))
    normal = np.array([trait.normal_score for trait in TRAITS.values()]) + 0.5 * slide
    graded = grade * np.array([GRADE.get(name, 0.0) for name in NAMES])
    return np.vstack([normal, slide + graded + separation * (pattern + own)])
