"""What is kept of a prepared scan: its voxels (HDF5), and what is known of it (JSON)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histohet.common.arrays import Bools
from histohet.common.files import write_json
from histohet.common.hdf5 import new_file, open_file, outcome_of
from histohet.common.outcome import Outcome
from histohet.common.provenance import Provenance
from histohet.ct.prepare import Int16, Prepared

PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


@dataclass(frozen=True)
class ScanImage:
    """What engines get.

    Attributes
    ----------
    image
        (Z, Y, X) int16, HU; empty with another outcome than ok.
    spacing
        mm (x, y, z).
    regions
        (Z, Y, X) bool of every mask that can be used, by its reader; the first one counts.
    outcome
        How far the scan came.
    """

    image: Int16
    spacing: tuple[float, ...]
    regions: dict[str, Bools]
    outcome: Outcome


def write_scan(
    path: str | Path, prepared: Prepared | None, outcome: Outcome, provenance: Provenance
) -> None:
    """Write a prepared scan: ``image`` (Z, Y, X), ``regions`` (N, Z, Y, X), and where they lie.

    A scan with another outcome than ok gets a file without voxels that says why.
    """
    with new_file(path, outcome, provenance) as file:
        if prepared is None or not outcome.ok:
            return
        usable = [region for region in prepared.regions if region.outcome.ok]
        voxels = np.stack([region.voxels for region in usable]).astype(np.uint8)
        file.create_dataset("image", data=prepared.image, **PACKED)
        file.create_dataset("regions", data=voxels, **PACKED)
        file["regions"].attrs["readers"] = [region.reader for region in usable]
        file.attrs["spacing_mm"] = prepared.spacing
        file.attrs["origin_mm"] = prepared.origin
        file.attrs["direction"] = prepared.direction


def read_scan(path: str | Path) -> ScanImage:
    """Read what `write_scan` wrote."""
    with open_file(path) as file:
        outcome = outcome_of(file)
        if not outcome.ok:
            return ScanImage(np.zeros((0, 0, 0), np.int16), (), {}, outcome)
        readers = [str(reader) for reader in file["regions"].attrs["readers"]]
        regions = dict(zip(readers, file["regions"][:].astype(bool), strict=True))
        spacing = tuple(float(side) for side in file.attrs["spacing_mm"])
        return ScanImage(file["image"][:], spacing, regions, outcome)


def write_record(
    path: str | Path,
    scan: str,
    prepared: Prepared | None,
    outcome: Outcome,
    provenance: Provenance,
) -> None:
    """Write what is known of a scan: its grids, and what became of every mask."""
    about: dict[str, Any] = {
        "scan": scan,
        "status": str(outcome.status),
        "reason": outcome.reason,
    }
    if prepared is not None:
        about |= {
            "stored_size": prepared.stored_size,
            "stored_spacing_mm": prepared.stored_spacing,
            "size": prepared.image.shape[::-1],
            "spacing_mm": prepared.spacing,
            "origin_mm": prepared.origin,
            "regions": [
                {
                    "reader": region.reader,
                    "status": str(region.outcome.status),
                    "reason": region.outcome.reason,
                    "n_voxels": int(region.voxels.sum()),
                    "in_range": region.in_range if region.outcome.ok else None,
                }
                for region in prepared.regions
            ],
        }
    write_json(path, {**about, **provenance.as_dict()})
