"""Arrays of cores: the section `tma`."""

from __future__ import annotations

from pydantic import Field

from histohet.common.settings import FilePath, Settings, Text


class ArraySettings(Settings):
    """Tissue microarrays whose cores `snakemake dearray` finds."""

    sheet: FilePath = Field(
        description="Sheet of array slides, one row each: `array`, `path`, and, where they apply, "
        "`mpp`, `diameter_um`, `rows`, `columns`, `map`, `cores` (docs/cores.md)."
    )
    diameter_um: float = Field(
        description="Diameter of the cores of arrays whose row names none, µm: 600, 1000, …; what "
        "the needle had. Up to a third smaller, or a tenth larger, is found too.",
        ge=50,
        le=10000,
    )
    tissue_preset: Text = Field(
        "core",
        description="`tissue_preset` that the rows of cores name: it must keep pieces that small.",
    )
