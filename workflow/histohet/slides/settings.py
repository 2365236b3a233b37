"""How the scale of a slide is settled: the section `scale`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from histohet.common.settings import Settings

Preference = Literal["file", "sheet"]

Origin = Literal["bounds", "plane", "region"]
"""Where coordinates begin: at the corner of the bounds that a scanner gives, of all pixels of the
file, or of the region of it that is the slide."""


class ScaleSettings(Settings):
    """Which micrometres per pixel count, and how far from the tiles they may be."""

    prefer: Preference = Field(
        "file",
        description="Whose micrometres per pixel count where file and sheet disagree by more than "
        "5 %: `file`, or `sheet` where a converter wrote nonsense. Either way the conflict is "
        "listed.",
    )
    tolerance: float = Field(
        0.1,
        ge=0,
        le=10,
        description="A slide may be this much coarser than the tiles (`tile_um / tile_px`) before "
        "it is refused; tiles of finished features may be this much larger, smaller, nearer or "
        "farther than configured.",
    )
