"""How scans are prepared: the section `ct`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histohet.common.settings import FaultyKeyError, Settings

Millimetres = Annotated[float, Field(ge=0.1, le=10)]
Sides = tuple[Millimetres, Millimetres, Millimetres]


class CtSettings(Settings):
    """How a CT and its masks become one image that every engine gets."""

    spacing_mm: Millimetres | Sides | Literal["as_stored"] = Field(
        2.0,
        description="Voxels of the prepared image: their side, or `[x, y, z]`, mm; `as_stored` for "
        "those of the CT. Texture is comparable between patients at equal spacing only.",
    )
    interpolation: Literal["linear", "bspline"] = Field(
        "linear",
        description="Of the CT; masks are always interpolated linearly. A cubic `bspline` keeps "
        "more of fine texture, and overshoots at edges of metal and gas.",
    )
    range_hu: tuple[float, float] = Field(
        (-150.0, 250.0),
        description="Voxels of the region outside of these HU (gas, bone, metal) count for its "
        "shape and not for intensity and texture: IBSI's re-segmentation. Grey levels are numbered "
        "from its lower end.",
    )
    outliers_sd: float | None = Field(
        None,
        ge=1,
        le=10,
        description="Of the voxels within `range_hu`, those further than so many standard "
        "deviations from their mean do not count for intensity and texture either: IBSI's outlier "
        "filtering, which has 3. None if absent.",
    )
    keep: Literal["all", "largest"] = Field(
        "all",
        description="Parts of a region that do not touch each other: `all`, or the `largest` one, "
        "where masks have stray voxels; what is left out is noted with the scan.",
    )
    min_voxels: int = Field(
        100, ge=10, description="A region with fewer voxels at this spacing is refused."
    )
    min_in_range: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A region with a smaller share of its voxels within `range_hu` is refused: a "
        "mask of an organ with its lumen is none of a tumour.",
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.range_hu
        if not low < high:
            raise FaultyKeyError("range_hu", f"{low:g} is not below {high:g}")
        return self
