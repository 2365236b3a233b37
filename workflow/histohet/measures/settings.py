"""How heterogeneity is measured: the section `measures`."""

from __future__ import annotations

from pydantic import Field

from histohet.common.settings import Settings


class MeasuresSettings(Settings):
    """How the heterogeneity of a slide is measured."""

    hta_region_um: float = Field(
        1120,
        gt=0,
        description="Side of the squares that the spatial index HTA compares, about ten tiles, µm.",
    )
