"""What clusters and traits are compared with, besides a truth of the sheet: `agreement`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

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


class ExpressionSettings(SpotPlaces):
    """Spatial transcriptomics on the same section."""

    slide: Text = Field(description="Id of the slide.")
    spots: FilePath = Field(
        description='AnnData (.h5ad) with positions in `obsm["spatial"]`, or a table with one row '
        "per spot (TSV or CSV, also `.gz`)."
    )
    label: Text | None = Field(
        None,
        description="Column with the expression cluster; of AnnData, of obs. The clusters of tiles "
        "are compared with it.",
    )
    labels: FilePath | None = Field(
        None, description="Table with the labels, joined by `spot`, if the spots have none."
    )
    counts: FilePath | None = Field(
        None,
        description="Table with the counts as they were sequenced (TSV or CSV, also `.gz`): one "
        "row per spot, its id in the first column, and one column per gene.",
    )
    genes: Annotated[dict[Text, Text], Field(min_length=1)] | None = Field(
        None,
        description="Gene in `counts` that the map of a trait is compared with: `{her2: ERBB2}`, "
        "by the names in `traits.wanted`.",
    )

    @model_validator(mode="after")
    def _something_to_compare(self) -> Self:
        if self.label is None and self.genes is None:
            fault = "nothing to compare: name a label of the spots, or genes and their counts"
            raise FaultyKeyError("label", fault)
        if self.label is None and self.labels is not None:
            raise FaultyKeyError("labels", "which column of it? Name the label")
        if (self.counts is None) != (self.genes is None):
            lacking, other = ("counts", "genes") if self.counts is None else ("genes", "counts")
            raise FaultyKeyError(lacking, f"they are needed beside {other}")
        return self


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
