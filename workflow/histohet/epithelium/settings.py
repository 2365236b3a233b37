"""What counts as epithelium, and what becomes of the rest of a tile: section `epithelium`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from histohet.common.settings import Settings, Several, Text

Fill = Literal["zero", "white", "none"]


class EpitheliumSettings(Settings):
    """What counts as epithelium, and what becomes of the rest of a tile."""

    without_mask: Literal["stain", "whole"] = Field(
        "stain",
        description="For slides without a mask in the sheet: `stain` finds epithelium by colour "
        "(no weights needed; docs/epithelium.md says how well), `whole` takes all tissue for "
        "epithelium.",
    )
    classes: Several[Annotated[int, Field(ge=0)]] = Field(
        (3, 12), description="Classes of a label image that are epithelium (PAGET's)."
    )
    class_names: Several[Text] = Field(
        ("Tumor", "Epithelium"),
        description="QuPath classes of a GeoJSON mask that are epithelium.",
    )
    min_coverage: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="A tile is kept if more than this share of it is epithelium (HETMAP).",
    )
    fill: Fill = Field(
        "zero",
        description="What replaces the rest of a kept tile: `zero` (black, HETMAP), `white` (the "
        "slide's own), `none`.",
    )
