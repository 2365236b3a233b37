"""How a phantom cohort is generated: the section `phantoms`."""

from __future__ import annotations

from pydantic import Field

from histohet.common.settings import Settings


class PhantomSettings(Settings):
    """How a phantom cohort is generated (``workflow/phantoms.smk``)."""

    n_slides: int = Field(ge=1, description="Slides, one per patient.")
    epithelial_tiles: int = Field(
        ge=1, description="Least number of tiles with more than a quarter of epithelium on a slide."
    )
    seed: int = Field(ge=0, description="The same seed gives the same cohort.")
    hazard_ratio: float = Field(
        gt=0, description="Hazard is multiplied by this with every subclone beyond the first."
    )
    separation: float = Field(
        1.0,
        ge=0,
        description="How much subclones differ: 1 is clear to the eye but not to every tile, 0 "
        "makes them alike.",
    )
    share_40x: float = Field(
        0.25, ge=0, le=1, description="Share of slides scanned at 40x; the others are 20x."
    )
