"""What the atlas holds: the section `atlas`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histohet.common.settings import Settings, Text


class PyramidSettings(Settings):
    """Which slides can be zoomed into, and how far; give `slides` or `first`."""

    slides: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None, description="Their ids."
    )
    first: int | None = Field(None, ge=1, description="So many, from the top of the sheet.")
    um: float = Field(
        1.0,
        ge=0.1,
        le=10,
        description="µm per pixel of the finest level: a section of 1 cm² takes about 5 MB at 2, "
        "15 MB at 1, 60 MB at 0.5.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.slides is None) == (self.first is None):
            raise ValueError("give either `slides` or `first`: pyramids are large")
        return self


class AtlasSettings(Settings):
    """What `snakemake atlas` puts into its folder."""

    exemplars: int = Field(
        4,
        ge=0,
        le=20,
        description="Typical tiles of every cluster at full resolution, 6 to 25 kB each.",
    )
    pictures: Literal["copy", "link"] = Field(
        "copy",
        description="`copy`: the folder `results/atlas` stands alone. `link`: pictures stay in "
        "`results/`, which has to be kept and passed on as a whole.",
    )
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None,
        description="Columns of the table that go into the atlas, as it names them "
        "(`n_clusters`, `main: age`); without it all. Ids and status of slides always do, since "
        "they name files, and so do published curves and estimates. Without "
        "`<analysis>: <endpoint>_months` and `…_event` no curve can be made of a brushed group.",
    )
    pyramids: PyramidSettings | None = Field(
        None, description="Optional: slides that can be zoomed into."
    )
