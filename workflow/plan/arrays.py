"""The arrays whose cores are to be found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from histohet.common.files import why_no_file
from histohet.common.sheets import SheetError
from histohet.config import Config
from histohet.cores.sheet import read_array_sheet
from plan.interface import PlanError, Wildcards, with_signature


@with_signature
class Arrays:
    """Arrays of the section `tma`: input functions of rules, unless they say otherwise.

    Attributes
    ----------
    rows
        Rows of their sheet, by array; none without the section.

    Raises
    ------
    PlanError
        If the sheet cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._settings = config.tma
        self._sheet = "" if config.tma is None else config.tma.sheet
        try:
            self.rows = {} if config.tma is None else read_array_sheet(self._sheet)
        except SheetError as error:
            raise PlanError(f"config, tma.sheet: {error}") from error

    def names(self, wildcards: Wildcards) -> list[str]:
        """Return all arrays.

        Raises
        ------
        PlanError
            If there is no section.
        """
        if self._settings is None:
            raise PlanError("config, tma: there are no arrays; name their sheet (docs/cores.md)")
        return list(self.rows)

    def files(self, wildcards: Wildcards) -> list[str]:
        """Return the slide of an array, and what its row names beside it.

        Raises
        ------
        PlanError
            If one is not there.
        """
        row = self.rows[wildcards.array]
        for column, file in row.files.items():
            if unfit := why_no_file(file):
                raise PlanError(f"{self._sheet}, row {row.number}: {column}: {file} {unfit}")
        return list(row.files.values())

    def row(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the sheet says of an array, whatever row it stands in."""
        return asdict(self.rows[wildcards.array]) | {"number": 0}

    def fit(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what settings that fit the cores depend on, see `cores.tiling.settings_text`."""
        return {
            "tile_px": self._config.tiles.tile_px,
            "tolerance": self._config.scale.tolerance,
            "preset": self._settings and self._settings.tissue_preset,
        }
