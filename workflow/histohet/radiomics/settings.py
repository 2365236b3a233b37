"""Which radiomics is extracted, and how: the section `radiomics`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from histohet.common.settings import FaultyKeyError, Settings


class RadiomicsSettings(Settings):
    """Which engine extracts features, and how."""

    engine: Literal["z-rad", "paper"] = Field(
        "z-rad",
        description="`z-rad`: all 482 consensus values of IBSI's digital phantom, names are IBSI's "
        "tags. `paper`: PyRadiomics 3.0.1 as GC-MLM-RCSA used it, with names of its own; for "
        "comparison with what is published (docs/radiopathomics.md).",
    )
    bin_width_hu: float = Field(
        25.0, gt=0, le=500, description="Grey levels of texture: so many HU each."
    )
    bins: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="In place of `bin_width_hu`: so many equal ones between the extremes of each "
        "region. With engine `paper` the safer choice, see docs/radiopathomics.md.",
    )
    dimension: Literal["3D", "2.5D", "2D"] = Field(
        "3D",
        description="Texture across slices (3D), of all slices merged (2.5D) or of each for itself "
        "(2D): these two for slices much thicker than pixels, with `ct.spacing_mm: as_stored`. "
        "`z-rad` alone.",
    )
    aggregation: Literal["merged", "averaged"] = Field(
        "merged",
        description="Directions of a texture matrix merged before features are computed, or "
        "features averaged over them. `z-rad` alone; PyRadiomics averages.",
    )
    perturbations: int = Field(
        4,
        ge=0,
        le=100,
        description="So many times the boundary of the region is moved at random, to see how "
        "stable features are (`results/radiomics/stability.tsv`); each costs one extraction.",
    )
    boundary_mm: float = Field(
        1.5, gt=0, le=5, description="Standard deviation of that movement, mm."
    )

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        if self.engine == "paper" and self.dimension != "3D":
            raise FaultyKeyError("dimension", f"engine 'paper' has 3D only, no {self.dimension}")
        return self
