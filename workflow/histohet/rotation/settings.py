"""What is turned, and how clusters are compared then: the section `rotation`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from histohet.common.settings import Settings, Several, Text
from histohet.encoders.settings import EncoderOrName

Angle = Annotated[float, Field(ge=0, lt=360)]
Smoothing = Literal["none", "potts"]


class ComparisonSettings(Settings):
    """How clusters of turned tiles are compared, whatever encodes them."""

    angles: Several[Angle] = Field(
        tuple(map(float, range(0, 360, 30))),
        description="By how much tiles are turned, degrees counterclockwise, from 0 to below 360. "
        "0 is always among them: the others are compared with it.",
    )
    clusters: int = Field(3, ge=2, description="k-means clusters, of unit vectors.")
    smooth: Several[Smoothing] = Field(
        ("none", "potts"),
        description="Labels that are compared: as they are (`none`), smoothed over neighbours "
        "(`potts`), or both. Smoothing makes any map more like itself, so it is shown apart.",
    )
    folds: int | None = Field(
        5,
        ge=2,
        description="Folds of patients, as many as there are patients at most: clusters that are "
        "fitted to the cores of the others are applied to those of a fold. null: clusters are only "
        "fitted to each core itself.",
    )

    @property
    def views(self) -> list[float]:
        """The angles, ascending, 0 among them."""
        return sorted({0.0, *self.angles})


class RotationSettings(ComparisonSettings):
    """Clusters of turned tiles; without the section nothing is turned."""

    encoders: tuple[EncoderOrName, ...] = Field(
        min_length=1,
        description="Encoders that are compared: names of the catalogue, or sections like "
        "`encoder`, such as `{name: uni, symmetry: d4}`. An ordinary network and `stain_texture` "
        "beside them show what is easy and what is not.",
    )
    cores: Literal["first", "all"] | Several[Text] = Field(
        "first",
        description="Slides that are turned: `first` of each patient, `all`, or a list of ids.",
    )

    @property
    def comparison(self) -> ComparisonSettings:
        """How they are compared alone."""
        return ComparisonSettings(**self.model_dump(include=set(ComparisonSettings.model_fields)))
