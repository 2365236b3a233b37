"""What will be planted: the slides of a cohort, and the survival of its patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.special import ndtri

from histohet.common.arrays import Bools, Floats
from histohet.phantoms.settings import PhantomSettings

TILE_UM = 112.0
MAX_SUBCLONES = 6
PEN_COLOURS = ("green", "blue", "black")

# Shares of slides; what a laboratory's archive might show.
PEN_SHARE = 0.25
BLUR_SHARE = 0.25

# Survival: median of a patient aged 65 with the middle number of subclones; study; drop-out.
MEDIAN_MONTHS = 42.0
STUDY_MONTHS = 96.0
ACCRUAL_MONTHS = 36.0
DROPOUT_PER_MONTH = 0.004
AGE_HAZARD_RATIO_PER_DECADE = 1.2

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Stain:
    """Optical density of the two dyes (unit vectors, RGB) and how much of each the tissue took."""

    hematoxylin: Rgb
    eosin: Rgb
    hematoxylin_strength: float
    eosin_strength: float


@dataclass(frozen=True)
class Scanner:
    """How the slide is imaged.

    Attributes
    ----------
    white
        RGB of clear glass, 0-255.
    gamma
        Exponent applied to the transmitted light.
    psf_um
        Standard deviation of the point spread function.
    noise
        Standard deviation of the sensor noise, grey levels.
    jpeg_quality
        libjpeg quality factor.
    """

    white: Rgb
    gamma: float
    psf_um: float
    noise: float
    jpeg_quality: int


class Section(Protocol):
    """What a scanner sees, of a slide or of an array: attributes as of `PhantomPlan`."""

    @property
    def mpp(self) -> float:
        """Level-0 pixel size, µm."""

    @property
    def objective(self) -> int:
        """Power."""

    @property
    def stain(self) -> Stain:
        """The two dyes."""

    @property
    def scanner(self) -> Scanner:
        """How it is imaged."""

    @property
    def pen(self) -> str | None:
        """Colour of the pen mark."""


@dataclass(frozen=True)
class PhantomPlan:
    """One slide to be generated: everything `render_phantom` needs, and what it will plant.

    Attributes
    ----------
    label_downsample
        Level-0 pixels per pixel of the epithelium label image.
    epithelial_tiles
        Least number of lattice tiles whose epithelium fraction exceeds 1/4.
    n_subclones
        Planted tumour subclones, 1 to 6.
    separation
        How much the subclones differ, in units of the default; 0 makes them alike.
    pen
        Colour of the pen mark, or None.
    blurred_patches
        Number of out-of-focus patches.
    grade
        Nuclear grade of the tumour, in standard deviations of a cohort with scans; 0 in others.
    """

    slide: str
    patient: str
    seed: int
    mpp: float
    objective: int
    label_downsample: float
    epithelial_tiles: int
    n_subclones: int
    separation: float
    stain: Stain
    scanner: Scanner
    pen: str | None
    blurred_patches: int
    grade: float = 0.0


def plan_cohort(settings: PhantomSettings) -> list[PhantomPlan]:
    """Plan a cohort of one slide per patient; the same settings give the same cohort.

    Numbers of subclones (1 to `max_subclones`) are spread evenly over the cohort in seeded random
    order, and so are the 40x slides, pen marks and out-of-focus patches. Nuclear grade varies
    where patients have scans.
    """
    n_slides = settings.n_slides
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 0]))
    n_subclones = rng.permutation(np.arange(n_slides) % settings.max_subclones + 1)
    at_40x = spread(n_slides, settings.share_40x, rng)
    with_pen = spread(n_slides, PEN_SHARE, rng)
    with_blur = spread(n_slides, BLUR_SHARE, rng)
    grades = np.zeros(n_slides)
    if settings.scans is not None:
        of_grades = np.random.default_rng(np.random.SeedSequence([settings.seed, 4]))
        grades = spread_normally(n_slides, of_grades)
    digits = max(2, len(str(n_slides)))
    return [
        PhantomPlan(
            slide=f"phantom_{i + 1:0{digits}d}",
            patient=f"patient_{i + 1:0{digits}d}",
            seed=int(rng.integers(2**31)),
            mpp=0.25 if at_40x[i] else 0.5,
            objective=40 if at_40x[i] else 20,
            # Readers of label images must cope with any scale, so the two kinds differ.
            label_downsample=2.5 if at_40x[i] else 2.0,
            epithelial_tiles=settings.epithelial_tiles,
            n_subclones=int(n_subclones[i]),
            separation=settings.separation,
            stain=draw_stain(rng),
            scanner=draw_scanner(rng),
            pen=str(rng.choice(PEN_COLOURS)) if with_pen[i] else None,
            blurred_patches=int(rng.integers(1, 4)) if with_blur[i] else 0,
            grade=float(grades[i]),
        )
        for i in range(n_slides)
    ]


def spread(n: int, share: float, rng: np.random.Generator) -> Bools:
    """Mark the nearest whole number to `share` of n, in random order; (n,)."""
    return rng.permutation(np.arange(n) < round(share * n))


def spread_normally(n: int, rng: np.random.Generator) -> Floats:
    """Return quantiles of the standard normal distribution in random order; (n,)."""
    quantiles: Floats = ndtri((np.arange(n) + 0.5) / n)
    return rng.permutation(quantiles)


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw stain vectors around those estimated from colon sections, and their strengths."""
    return Stain(
        hematoxylin=_unit(rng.normal((0.58, 0.75, 0.30), (0.08, 0.03, 0.04))),
        eosin=_unit(rng.normal((0.13, 0.90, 0.36), (0.05, 0.02, 0.07))),
        hematoxylin_strength=float(np.exp(rng.normal(0.02, 0.18))),
        eosin_strength=float(np.exp(rng.normal(-0.05, 0.2))),
    )


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Draw how a slide is imaged."""
    # The tint stays below what the usual saturation thresholds take for tissue.
    tint = np.clip(rng.normal(0, 1.5, 3), -2.5, 2.5)
    return Scanner(
        white=_triple(np.round(rng.uniform(238, 249) + tint, 1)),
        gamma=float(rng.uniform(0.92, 1.1)),
        psf_um=float(rng.uniform(0.18, 0.34)),
        noise=float(rng.uniform(1.0, 2.5)),
        jpeg_quality=int(rng.integers(72, 88)),
    )


def _unit(vector: np.ndarray) -> Rgb:
    return _triple(vector / np.linalg.norm(vector))


def _triple(values: np.ndarray) -> Rgb:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def slide_sheet(plans: Sequence[PhantomPlan], folder: str) -> pd.DataFrame:
    """Return the slide sheet of phantoms whose files lie in a folder."""
    files = {
        "path": "svs",
        "mask": "labels.tif",
        "attention": "attention.csv",
        "truth": "truth.tsv",
    }
    return pd.DataFrame(
        {"slide": plan.slide, "patient": plan.patient}
        | {column: f"{folder}/{plan.slide}.{end}" for column, end in files.items()}
        for plan in plans
    )


def plan_table(plans: list[PhantomPlan]) -> pd.DataFrame:
    """Return one row per slide with everything that was planned; nested records are flattened."""
    return pd.DataFrame([_flat(dataclasses.asdict(plan)) for plan in plans])


def _flat(record: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}_")
        elif isinstance(value, tuple):
            channels = zip("rgb", value, strict=True)
            flat |= {f"{prefix}{name}_{channel}": part for channel, part in channels}
        else:
            flat[prefix + name] = value
    return flat


def clinical_table(
    plans: list[PhantomPlan], hazard_ratio: float, seed: int, max_subclones: int = MAX_SUBCLONES
) -> pd.DataFrame:
    """Simulate overall survival whose hazard depends on the planted number of subclones.

    The hazard is constant in time (exponential survival); it is multiplied by `hazard_ratio` for
    each additional subclone and by 1.2 for each additional decade of age. Patients enter over
    three years, the study ends after eight (administrative censoring), and some drop out at random;
    about a third are censored.

    Parameters
    ----------
    plans
        One plan per patient.
    hazard_ratio
        Hazard ratio per additional subclone, positive.
    seed
        Seed of the simulation.
    max_subclones
        Most subclones that any patient may have; half way to them median survival is 42 months.

    Returns
    -------
    DataFrame
        ``patient``, ``os_months`` (float, > 0), ``os_event`` (1 death, 0 censored), ``age``
        (years), ``sex``, ``t_stage``, ``n_stage``; stages do not act on survival.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    n = len(plans)
    n_subclones = np.array([plan.n_subclones for plan in plans])
    age = np.clip(np.round(rng.normal(66, 10, n)), 30, 92).astype(int)
    log_hazard = (
        np.log(np.log(2) / MEDIAN_MONTHS)
        + np.log(hazard_ratio) * (n_subclones - (1 + max_subclones) / 2)
        + np.log(AGE_HAZARD_RATIO_PER_DECADE) * (age - 65) / 10
    )
    death = rng.exponential(np.exp(-log_hazard))
    dropout = rng.exponential(1 / DROPOUT_PER_MONTH, n)
    censored = np.minimum(dropout, STUDY_MONTHS - rng.uniform(0, ACCRUAL_MONTHS, n))
    return pd.DataFrame(
        {
            "patient": [plan.patient for plan in plans],
            "os_months": np.maximum(np.round(np.minimum(death, censored), 2), 0.01),
            "os_event": (death <= censored).astype(int),
            "age": age,
            "sex": rng.choice(["female", "male"], n),
            "t_stage": rng.choice(["T1", "T2", "T3", "T4"], n, p=[0.1, 0.2, 0.45, 0.25]),
            "n_stage": rng.choice(["N0", "N1", "N2", "N3"], n, p=[0.35, 0.3, 0.2, 0.15]),
        }
    )
