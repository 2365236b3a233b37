"""The CT scans of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from histohet.common.files import read_json
from histohet.common.sheets import SheetError
from histohet.config import Config
from histohet.ct.header import count_voxels
from histohet.ct.sheet import MaskRow, ScanRow, read_scan_sheet
from plan import paths
from plan.interface import PlanError, Wildcards, with_signature
from plan.segmentation import Segmentation

MEM_MB, MEM_PER_MB = 1000, 30
"""Memory to prepare a scan, and more per MB of its file."""

SEGMENT_MEM_MB, SEGMENT_MEM_PER_MVOXEL, SEGMENT_MEM_PER_LABEL = 2000, 150, 15
"""Memory to segment a scan, and more per million of its voxels and for each label of them."""


def read_scans(config: Config) -> dict[str, ScanRow]:
    """Read the sheet of scans; no scans without one.

    Raises
    ------
    PlanError
        If it cannot be used, or a scan has no region.
    """
    if config.scans is None:
        return {}
    try:
        rows = read_scan_sheet(config.scans)
    except SheetError as error:
        raise PlanError(f"config, scans: {error}") from error
    for scan, row in rows.items():
        if row.features is None and not row.masks and config.segmentation is None:
            raise PlanError(
                f"config, scans: {config.scans}, row {row.row}: scan '{scan}' has no mask: name "
                "one, or finished features, or a model in the section `segmentation`"
            )
    return rows


@with_signature
class Scans:
    """The scans of the sheet: input functions of rules, unless they say otherwise.

    Parameters
    ----------
    rows
        Rows of the sheet, by scan.
    missing
        What is wrong with files that the sheets name and that are not there.

    Attributes
    ----------
    segmentation
        The model that segments scans without a mask.
    """

    def __init__(
        self, config: Config, rows: Mapping[str, ScanRow], missing: Mapping[str, str]
    ) -> None:
        self.rows = rows
        self.segmentation = Segmentation(config)
        self._sheet = config.scans
        self._missing = missing

    @property
    def prepared(self) -> list[str]:
        """Scans whose CT is read here; those with finished features are not."""
        return [scan for scan, row in self.rows.items() if row.features is None]

    @property
    def segmented(self) -> list[str]:
        """Scans whose region is found here."""
        return [scan for scan in self.prepared if not self.rows[scan].masks]

    @property
    def about(self) -> list[dict[str, Any]]:
        """What the sheet says of every scan, in its order, apart from its files."""
        columns = ("patient", "phase", "batch", "scan_day")
        return [
            {name: getattr(row, name) for name in columns} | {"region_from": _region_from(row)}
            for row in self.rows.values()
        ]

    def pictures_of(self, patient: str) -> list[str]:
        """Return the pictures of the scans of a patient, in the order of the sheet."""
        own = [scan for scan in self.prepared if self.rows[scan].patient == patient]
        return paths.fill(paths.SCAN_PICTURE, scan=own)

    def _row(self, wildcards: Wildcards) -> ScanRow:
        if wildcards.scan not in self.rows:
            there = self._sheet or "the configuration, which names no sheet of scans"
            raise PlanError(f"scan '{wildcards.scan}' is not in {there}")
        return self.rows[wildcards.scan]

    def _ct(self, wildcards: Wildcards) -> str:
        row = self._row(wildcards)
        if row.features is not None or row.ct is None:
            raise PlanError(
                f"scan '{row.scan}' has finished features in {self._sheet}: its CT is not prepared"
            )
        return row.ct

    def row(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the files of a scan and what the sheet says of them.

        Raises
        ------
        PlanError
            If it has finished features.
        """
        row = self._row(wildcards)
        ct = self._ct(wildcards)
        masks = row.masks or (self._own_mask(wildcards.scan),)
        return {"ct": ct, "masks": [asdict(mask) for mask in masks]}

    def _own_mask(self, scan: str) -> MaskRow:
        _, labels = self.segmentation.region
        return MaskRow(paths.SEGMENTED["mask"].format(scan=scan), labels)

    def segmented_files(self, wildcards: Wildcards) -> list[str]:
        """Return the mask that is made of a scan and its record, where the sheet has none."""
        if self._row(wildcards).masks:
            return []
        return [pattern.format(scan=wildcards.scan) for pattern in paths.SEGMENTED.values()]

    def region(self, wildcards: Wildcards) -> str | None:
        """Return the name of the region in a mask that is made here; None of one of the sheet."""
        return None if self._row(wildcards).masks else self.segmentation.region[0]

    def ct(self, wildcards: Wildcards) -> str:
        """Return the CT of a scan that is segmented here.

        Raises
        ------
        PlanError
            If the sheet has a mask of it, or finished features.
        """
        if self._row(wildcards).masks:
            raise PlanError(f"scan '{wildcards.scan}' has a mask in {self._sheet}")
        return self._ct(wildcards)

    def table(self, wildcards: Wildcards) -> str:
        """Return the finished features of a scan.

        Raises
        ------
        PlanError
            If it has none.
        """
        row = self._row(wildcards)
        if row.features is None:
            raise PlanError(f"scan '{row.scan}' has no finished features in {self._sheet}")
        return row.features

    def features(self, wildcards: Wildcards) -> list[str]:
        """Return the features of all scans, in the order of the sheet."""
        return [
            (paths.SCAN_FEATURES if row.features is None else paths.IMPORTED_RADIOMICS).format(
                scan=scan
            )
            for scan, row in self.rows.items()
        ]

    def files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a scan that are there."""
        return [file for file in self._named(wildcards) if file not in self._missing]

    def _named(self, wildcards: Wildcards) -> list[str]:
        return list(dict.fromkeys(self._row(wildcards).files.values()))

    def problems_of_files(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the files of a scan that are not there, and what is wrong with them.

        Raises
        ------
        PlanError
            If an earlier run has read the scan: results that stand are not replaced by their
            absence.
        """
        problems = {
            file: self._missing[file] for file in self._named(wildcards) if file in self._missing
        }
        finished = self._row(wildcards).features is not None
        pattern = paths.IMPORTED_RADIOMICS if finished else paths.SCAN_RECORD
        record = Path(pattern.format(scan=wildcards.scan))
        if problems and record.exists() and read_json(record)["status"] == "ok":
            file, problem = next(iter(problems.items()))
            raise PlanError(
                f"scan '{wildcards.scan}': {file} {problem}, but an earlier run has read this "
                f"scan. Is the disk mounted, and the file right in {self._sheet}? To go on without "
                f"the scan, take it out of there; to have it refused, remove {record}"
            )
        return problems

    def mem_mb(self, wildcards: Wildcards) -> float:
        """Memory that it takes to prepare a scan, by the size of its CT."""
        try:
            size = Path(self._ct(wildcards)).stat().st_size
        except OSError:  # for the job to say
            size = 0
        return MEM_MB + MEM_PER_MB * size / 1e6

    def segment_mem_mb(self, wildcards: Wildcards) -> float:
        """Memory that it takes to segment a scan, by its voxels and the labels of the model."""
        per_mvoxel = SEGMENT_MEM_PER_MVOXEL + SEGMENT_MEM_PER_LABEL * self.segmentation.n_labels
        return SEGMENT_MEM_MB + per_mvoxel * count_voxels(self._ct(wildcards)) / 1e6


def _region_from(row: ScanRow) -> str | None:
    """Return who found the region of a scan; finished features do not say."""
    if row.features is not None:
        return None
    return "sheet" if row.masks else "segmentation"
