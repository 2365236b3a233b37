"""How tissue is found: the section `tissue`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from histohet.common.settings import Settings

Preset = Literal["default", "bwh_biopsy", "bwh_resection", "tcga"]


class TissueOverrides(Settings):
    """Single values in place of the preset's."""

    sthresh: int | None = Field(
        None,
        ge=0,
        le=255,
        description="Saturation (0 to 255) above which a pixel is tissue. A pink haze around the "
        "tissue needs 20–30.",
    )
    min_tissue_mm2: float | None = Field(
        None,
        ge=0,
        description="Smallest piece of tissue, in place of the preset's; the same at every scale.",
    )
    min_hole_mm2: float | None = Field(
        None,
        ge=0,
        description="Smallest hole in tissue, in place of the preset's; the same at every scale.",
    )
    max_ink: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of pixels too blue, green or grey for H&E above which a piece is no "
        "section (0.5); 1: never refuse.",
    )


class TissueSettings(Settings):
    """How tissue is found."""

    preset: Preset = Field(
        "default",
        description="CLAM's presets. `default` and `bwh_resection` drop pieces below 26 million "
        "level-0 px (1.6 mm² at 0.25 µm/px, 6.6 mm² at 0.5!), `tcga` below 4.2 million, "
        "`bwh_biopsy` below 0.26 million.",
    )
    overrides: TissueOverrides = TissueOverrides()
