"""What counts as epithelium, and what becomes of the rest of a tile: section `epithelium`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histohet.common.settings import FaultyKeyError, Settings, Several, Text
from histohet.slides.settings import Origin

Fill = Literal["zero", "white", "none", "pool"]


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
        description="QuPath classes of a GeoJSON mask that are epithelium; capitals do not count.",
    )
    excluded_names: Several[Text] | tuple[()] = Field(
        ("Ignore*", "Necrosis"),
        description="QuPath classes that are taken out of the epithelium where they overlap it.",
    )
    mask_origin: Origin | None = Field(
        None,
        description="Of slides with bounds (MRXS, SCN, BIF …) and of regions of a file: what masks "
        "are measured from, and what label images cover. `bounds`: the part of the file that "
        "QuPath shows; `plane`: all pixels of the file (OpenSlide, HALO, TRIDENT, LazySlide); "
        "`region`: the sheet's region. Absent: `bounds` for GeoJSON, for label images `region`, or "
        "without one `plane`; a mask that lies better on the tissue another way is refused.",
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
        "slide's own), `none`. `pool` encodes tiles whole, and takes the mean of what the encoder "
        "gives for positions in the epithelium (docs/encoders.md).",
    )

    @model_validator(mode="after")
    def _excludes_no_epithelium(self) -> Self:
        wanted = {name.casefold() for name in self.class_names}
        if both := [name for name in self.excluded_names if name.casefold() in wanted]:
            raise FaultyKeyError("excluded_names", f"'{both[0]}' is also one of class_names")
        return self
