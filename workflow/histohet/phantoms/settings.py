"""How a phantom cohort is generated: section `phantoms`."""

from __future__ import annotations

from pydantic import Field

from histohet.common.settings import Settings


class PhantomSettings(Settings):
    """How a phantom cohort is generated (workflow/phantoms.smk)."""

    n_slides: int = Field(ge=1, description="Slides, one per patient.")
    epithelial_tiles: int = Field(
        ge=1, description="Least number of 112 µm tiles per slide with more than 1/4 epithelium."
    )
    seed: int = Field(ge=0, description="Seed of the cohort: the same seed, the same slides.")
    hazard_ratio: float = Field(
        1.8,
        gt=0,
        description="The hazard is multiplied by it with every subclone beyond the first.",
    )
    separation: float = Field(
        1.0,
        ge=0,
        le=2,
        description="How much the subclones of a slide differ: at 1 each has a growth pattern of "
        "its own, clear to the eye but not in every tile; 0 makes them alike.",
    )
    share_40x: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of slides scanned at 40x (0.25 µm/px); the others are 20x.",
    )
