"""Size of the tiles: the section `tiles`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from histohet.common.settings import Settings


class TileSettings(Settings):
    """Size of tiles, in micrometres on the slide and in pixels as the encoder sees them."""

    tile_um: float = Field(112, gt=0, description="Side of a tile on the slide (HETMAP: 112).")
    tile_px: int = Field(
        224, ge=16, le=4096, description="Side of a tile as the encoder sees it, 16 to 4096."
    )
    overlap_um: float = Field(0, ge=0, description="Overlap of neighbouring tiles.")

    @model_validator(mode="after")
    def _step_forward(self) -> Self:
        if self.overlap_um >= self.tile_um:
            raise ValueError(
                f"an overlap of {self.overlap_um:g} µm leaves nothing of tiles of "
                f"{self.tile_um:g} µm"
            )
        return self
