"""Size of tiles, on the slide and as an encoder sees them: section `tiles`."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field, model_validator

from histohet.common.settings import Settings


class TileSpec(Settings):
    """Size of any tiles: ours, CHIEF's, or those of finished features."""

    tile_um: float = Field(112, gt=0, description="Side of a tile on the slide, µm (HETMAP).")
    tile_px: int = Field(
        224, gt=0, description="Side of a tile as the encoder sees it, px (HETMAP)."
    )
    overlap_um: float = Field(0, ge=0, description="Overlap of neighbouring tiles, µm.")

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> TileSpec:
        if self.overlap_um >= self.tile_um:
            raise ValueError(
                f"an overlap of {self.overlap_um:g} µm leaves nothing of tiles of "
                f"{self.tile_um:g} µm"
            )
        return self

    @property
    def mpp(self) -> float:
        """Micrometres per tile pixel."""
        return self.tile_um / self.tile_px

    @property
    def step_um(self) -> float:
        """Distance between neighbouring tiles."""
        return self.tile_um - self.overlap_um

    def divided(self, parts: int) -> TileSpec:
        """Return the size of the parts of a tile, so many along its side, at the same scale."""
        return TileSpec(
            tile_um=self.tile_um / parts,
            tile_px=self.tile_px // parts,
            overlap_um=self.overlap_um,
        )

    def side_px(self, mpp: float) -> float:
        """Side of a tile in level-0 px of a slide with `mpp`; usually fractional."""
        return self.tile_um / mpp

    def step_px(self, mpp: float) -> float:
        """Distance between neighbouring tiles in level-0 px; usually fractional."""
        return self.step_um / mpp


class Block(NamedTuple):
    """A square of tiles that are encoded at once.

    Attributes
    ----------
    side
        Tiles along its side; 1: each tile is encoded alone.
    margin
        So many of them, at each end, are only seen: they are kept of the block that they are
        further inside of.
    """

    side: int = 1
    margin: int = 0

    @property
    def kept(self) -> int:
        """Tiles along its side that are kept."""
        return self.side - 2 * self.margin


SINGLE = Block()
"""Each tile is encoded alone."""


class TileSettings(TileSpec):
    """The tiles of a cohort. An encoder takes no other size than these bounds allow."""

    tile_px: int = Field(
        224,
        ge=16,
        le=4096,
        description="Side of a tile as the encoder sees it, 16 to 4096 px: 112 µm as 224 px are "
        '0.5 µm/px, "20x" (HETMAP).',
    )
    min_tissue_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A tile is left out if less than this share of it is tissue: the rim of a "
        "section, clefts and holes would make clusters of their own. Of fat only the walls "
        "count. 0 keeps every tile that touches tissue (CLAM, HETMAP). Finished features and the "
        "tiles of CHIEF are not looked at.",
    )

    rim_tissue_share: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Of whole tiles, those at the rim (with glass beside them, on any side) with "
        "less tissue than this are outliers when tiles are clustered: to a network, the glass at "
        "their side is a kind of its own. Where pixels outside of the epithelium are masked, and "
        "in `paper`, they take part like any other. 0: none are outliers for that.",
    )

    @property
    def size(self) -> TileSpec:
        """Their size alone."""
        return TileSpec(**self.model_dump(include=set(TileSpec.model_fields)))


CHIEF_TILES = TileSpec(tile_um=256, tile_px=224)
"""Tiles that CHIEF scores: 256 px at 10x on the slide, 224 px as CTransPath sees them."""
