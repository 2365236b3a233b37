"""How the tissue of a slide is found: the section `tissue`, and the presets."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from histohet.common.resources import read_resource
from histohet.common.settings import Settings, did_you_mean, quoted


class TissueParameters(Settings):
    """CLAM's segmentation, with its names and defaults.

    Source: Lu et al., Nature Biomedical Engineering 2021 (CLAM).
    """

    sthresh: int = Field(
        8, ge=0, le=255, description="Tissue is where the blurred HSV saturation is above it."
    )
    mthresh: int = Field(
        7, ge=1, description="Side of the median blur, odd, px of the segmentation image."
    )
    close: int = Field(
        4, ge=0, description="Side of the square closing, px of the segmentation image; 0: none."
    )
    a_t: float = Field(
        100, ge=0, description="Smallest piece of tissue, in 512 × 512 px level-0 patches."
    )
    a_h: float = Field(16, ge=0, description="Smallest hole, in 512 × 512 px level-0 patches.")
    max_n_holes: int = Field(
        8, ge=0, description="Holes kept per piece, the largest; the others count as tissue."
    )
    min_tissue_mm2: float | None = Field(
        None, ge=0, description="Smallest piece of tissue, in place of `a_t`."
    )
    min_hole_mm2: float | None = Field(None, ge=0, description="Smallest hole, in place of `a_h`.")
    max_ink: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of ink-coloured pixels above which a piece is no section. Sections have "
        "a few per cent; pens, fluorescence and photographs more than half. 1: whatever has "
        "colours is taken, light on a dark ground and brown immunostaining too.",
    )

    @field_validator("mthresh")
    @classmethod
    def _odd(cls, side: int) -> int:
        if side % 2 == 0:
            raise ValueError(f"the side of a median blur is odd, got {side}")
        return side


TISSUE_PRESETS: Mapping[str, TissueParameters] = {
    name: TissueParameters(**values) for name, values in read_resource("tissue_presets").items()
}


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
        description="Share of pixels too blue, green, grey or dark for H&E above which a piece is "
        "no section (0.5); 1: never refuse, nor what is light on a dark ground or brown.",
    )


class TissueSettings(Settings):
    """How tissue is found."""

    preset: str = Field(
        "default",
        description="One of `resources/tissue_presets.yaml` (CLAM's, and `core`). `default` and "
        "`bwh_resection` drop pieces below 26 million level-0 px (1.6 mm² at 0.25 µm/px, 6.6 mm² "
        "at 0.5!), `tcga` below 4.2 million, `bwh_biopsy` below 0.26 million, `core` (of tissue "
        "microarrays) below 0.02 mm² at any scale.",
    )
    overrides: TissueOverrides = TissueOverrides()

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str) -> str:
        if preset not in TISSUE_PRESETS:
            hint = did_you_mean(preset, TISSUE_PRESETS) or f"; there are {quoted(TISSUE_PRESETS)}"
            raise ValueError(f"there is no tissue preset '{preset}'{hint}")
        return preset

    @property
    def parameters(self) -> TissueParameters:
        """The preset's, with what stands in place of them."""
        own = self.overrides.model_dump(exclude_none=True)
        return TISSUE_PRESETS[self.preset].model_copy(update=own)
