"""Which radiomics is extracted, and how: the section `radiomics`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from histohet.common.settings import FaultyKeyError, Settings, Several, quoted

Family = Literal[
    "shape",
    "local_intensity",
    "intensity",
    "histogram",
    "volume_histogram",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "ngldm",
]
"""Families of features, as IBSI divides them."""

NOT_OF_PAPER = ("local_intensity", "histogram", "volume_histogram", "gldzm")
"""Families that PyRadiomics does not have; its first order has entropy and uniformity of the
histogram."""


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
    families: Literal["all"] | Several[Family] = Field(
        "all",
        description="Which families of features: `all`, or a list such as `[shape, intensity, "
        "glcm]`. `gldzm`, `local_intensity` and both histograms are of `z-rad` alone.",
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
        absent = [name for name in NOT_OF_PAPER if name in self.families]
        if self.engine == "paper" and absent:
            raise FaultyKeyError("families", f"engine 'paper' has no {quoted(absent)}")
        return self
