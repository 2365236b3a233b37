"""Which part of a tile counts: the section `epithelium`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from histohet.common.settings import Settings, Several

Fill = Literal["zero", "white", "none"]


class EpitheliumSettings(Settings):
    """Which part of a tile counts."""

    without_mask: Literal["stain", "whole"] = Field(
        "stain",
        description="For slides without a mask: `stain` finds epithelium by colour "
        "(docs/epithelium.md says how well), `whole` takes all tissue.",
    )
    classes: Several[Annotated[int, Field(ge=0)]] = Field(
        (3, 12), description="Classes of a label image that are epithelium (PAGET's: 3, 12)."
    )
    class_names: Several[str] = Field(
        ("Tumor", "Epithelium"), description="QuPath classes that are epithelium."
    )
    min_coverage: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="A tile is kept if more than this share of it is epithelium (HETMAP: 1/4).",
    )
    fill: Fill = Field(
        "zero",
        description="What replaces the rest of a kept tile: `zero` (black, HETMAP), `white` (the "
        "slide's own white), `none`.",
    )
