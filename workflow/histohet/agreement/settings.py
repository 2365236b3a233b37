"""What clusters are compared with, besides a truth of the sheet: the section `agreement`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from histohet.cohort.settings import Measure
from histohet.common.settings import FaultyKeyError, FilePath, Settings, Text


class PathologistSettings(Settings):
    """Subclones that a pathologist counted."""

    table: FilePath = Field(description="TSV or CSV, one row per slide or patient.")
    column: Text = Field(description="Column with the count of subclones.")
    unit: Literal["slide", "patient"] = Field(
        "slide",
        description="What a row is, and the column with its id. The score of a patient is the mean "
        "over the slides.",
    )
    score: Measure = Field("n_clusters", description="Measure that the count is compared with.")


class SpotPlaces(Settings):
    """Where tables of spots keep positions and ids."""

    x: Text = Field("x", description="Column of a table with x, level-0 px.")
    y: Text = Field("y", description="Column of a table with y, level-0 px.")
    spot: Text | tuple[Text, Text] = Field(
        "spot",
        description="Column of tables with the spot's id; or two with its place on the array, "
        "`[x, y]`, where the id is `10x14`, as before Visium.",
    )

    @property
    def id_columns(self) -> tuple[str, ...]:
        """Columns whose cells, with an x between them, are the id of a spot."""
        return (self.spot,) if isinstance(self.spot, str) else self.spot


class SpotColumns(SpotPlaces):
    """Where tables of spots keep what we need."""

    label: Text = Field(description="Column with the expression cluster; of AnnData, of obs.")


class ExpressionSettings(SpotColumns):
    """Spatial transcriptomics on the same section."""

    slide: Text = Field(description="Id of the slide.")
    spots: FilePath = Field(
        description='AnnData (.h5ad) with positions in `obsm["spatial"]`, or a table with one row '
        "per spot (TSV or CSV, also `.gz`)."
    )
    labels: FilePath | None = Field(
        None, description="Table with the labels, joined by `spot`, if the spots have none."
    )


class AgreementSettings(Settings):
    """What clusters are compared with, besides a truth that the sheet names."""

    pathologist: PathologistSettings | None = None
    expression: tuple[ExpressionSettings, ...] = Field((), description="One entry per slide.")

    @model_validator(mode="after")
    def _each_slide_once(self) -> Self:
        slides = [section.slide for section in self.expression]
        for number, slide in enumerate(slides):
            if slide in slides[:number]:
                raise FaultyKeyError(f"expression[{number}]", f"slide '{slide}' comes twice")
        return self
