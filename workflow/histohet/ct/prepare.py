"""One prepared image for every engine: CT and masks on one grid, and what speaks against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from histohet.common.arrays import Bools, Floats
from histohet.common.outcome import Outcome, attempt, joined
from histohet.ct.grid import Grid, centred_grid, resample
from histohet.ct.reading import LARGEST_HU, ScanError, Volume, read_ct, read_region
from histohet.ct.settings import CtSettings
from histohet.ct.sheet import MaskRow

Int16 = npt.NDArray[np.int16]

AIR_HU = -1000
INSIDE = 0.5 - 1e-6
"""Share of a voxel that must lie in the region."""

MARGIN_MM = 12.0
"""Around the regions: local peaks look 6.2 mm around a voxel, and boundaries are moved."""

ANISOTROPIC = 5
"""Slices so many times as thick as pixels are wide are worth a note."""


@dataclass(frozen=True)
class Region:
    """The region that one mask shows.

    Attributes
    ----------
    reader
        Whose mask it is.
    voxels
        (Z, Y, X) bool on the prepared grid; empty with another outcome than ok.
    in_range
        Share of its voxels within the range of HU; NaN with another outcome than ok.
    outcome
        Why it cannot be used, if it cannot; notes if it can.
    """

    reader: str
    voxels: Bools
    in_range: float
    outcome: Outcome


@dataclass(frozen=True)
class Prepared:
    """A scan around its regions.

    Attributes
    ----------
    image
        (Z, Y, X) int16, HU.
    spacing
        mm (x, y, z).
    origin, direction
        Centre of the first voxel, mm (LPS); (3, 3), its columns the directions of the axes.
    stored_size, stored_spacing
        Voxels and mm of the CT as it was.
    regions
        One for each mask.
    outcome
        That of the first region, which counts.
    """

    image: Int16
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: Floats
    stored_size: tuple[int, ...]
    stored_spacing: tuple[float, ...]
    regions: tuple[Region, ...]

    @property
    def outcome(self) -> Outcome:
        """How far the scan came."""
        return self.regions[0].outcome


NOTHING: Bools = np.zeros((0, 0, 0), bool)


def prepare(
    path: str, masks: Sequence[MaskRow], settings: CtSettings, missing: Mapping[str, str]
) -> Prepared:
    """Read a CT and its masks, and bring them to one grid.

    Parameters
    ----------
    path
        The CT.
    masks
        At least one.
    missing
        Files that are not there, and what is wrong with them.

    Raises
    ------
    ScanError
        If the CT cannot be used, or none of its masks: then that of the first says why. One that
        cannot be used beside others that can has its outcome.
    """
    ct = read_ct(check_present("ct", path, missing))
    size, spacing = ct.geometry.size, ct.geometry.spacing
    found = [attempt(partial(_region_of, mask, ct, missing), NOTHING) for mask in masks]
    if settings.keep == "largest":
        found = [_largest_alone(voxels, outcome) for voxels, outcome in found]
    if not any(outcome.ok for _, outcome in found):
        found[0][1].raise_if_lost()
    usable = np.any([voxels for voxels, outcome in found if outcome.ok], axis=0)
    new_spacing = _sides(settings, spacing)
    box = _box_around(usable, spacing, centred_grid(size, spacing, new_spacing))
    finite = np.isfinite(ct.voxels)
    image = resample(np.where(finite, ct.voxels, AIR_HU), spacing, box, settings.interpolation)
    hu = np.rint(image).clip(-LARGEST_HU, LARGEST_HU).astype(np.int16)
    notes = joined([*_notes(spacing), _note_of_holes(int((~finite).sum()))])
    regions = [
        _on_grid(mask, voxels, outcome.with_note(notes), box, hu, ct, settings)
        for mask, (voxels, outcome) in zip(masks, found, strict=True)
    ]
    origin = ct.geometry.place([a / side for a, side in zip(box.start, spacing, strict=True)])
    return Prepared(
        hu,
        box.spacing,
        tuple(origin.tolist()),
        ct.geometry.direction,
        size,
        spacing,
        tuple(regions),
    )


def check_present(column: str, path: str, missing: Mapping[str, str]) -> str:
    """Return the path of a file, if it is there.

    Raises
    ------
    ScanError
        If it was missing when the run began.
    """
    if path in missing:
        raise ScanError(f"{column}: {path} {missing[path]}")
    return path


def _sides(settings: CtSettings, stored: tuple[float, ...]) -> tuple[float, ...]:
    """Return the sides of voxels that the settings want, mm (x, y, z)."""
    wanted = settings.spacing_mm
    if wanted == "as_stored":
        return stored
    return wanted if isinstance(wanted, tuple) else (wanted,) * 3


def _region_of(mask: MaskRow, ct: Volume, missing: Mapping[str, str]) -> Bools:
    """Return the region of a mask on the grid of the CT, (Z, Y, X)."""
    voxels = read_region(check_present("mask", mask.path, missing), mask.labels, ct.geometry)
    n_bad = int((~np.isfinite(ct.voxels[voxels])).sum())
    if n_bad:
        raise ScanError(f"ct: {n_bad} voxels of the region are not finite")
    return voxels


def largest_part(region: Bools) -> tuple[Bools, int]:
    """Return the largest part of a region, and how many there are; parts touch at no corner."""
    parts, n_parts = ndimage.label(region, np.ones((3, 3, 3)))
    if n_parts < 2:
        return region, n_parts
    largest: Bools = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return largest, n_parts


def _largest_alone(voxels: Bools, outcome: Outcome) -> tuple[Bools, Outcome]:
    """Leave out all voxels of a region but those of its largest part, and say how many."""
    largest, n_parts = largest_part(voxels)
    if n_parts < 2:
        return voxels, outcome
    share = 1 - largest.sum() / voxels.sum()
    note = f"region: smaller parts, {share:.1%} of it, are left out ({n_parts} parts)"
    return largest, outcome.with_note(note.replace("%", " %"))


def _extent(voxels: Bools) -> tuple[list[int], list[int]]:
    """Return the first and last index (x, y, z) of a region."""
    sides = [np.flatnonzero(voxels.any(axis=others)) for others in ((0, 1), (0, 2), (1, 2))]
    return [int(side[0]) for side in sides], [int(side[-1]) for side in sides]


def _box_around(voxels: Bools, spacing: tuple[float, ...], grid: Grid) -> Grid:
    low, high = _extent(voxels)
    return grid.around(
        [n * side - MARGIN_MM for n, side in zip(low, spacing, strict=True)],
        [n * side + MARGIN_MM for n, side in zip(high, spacing, strict=True)],
    )


def _notes(spacing: tuple[float, ...]) -> list[str]:
    """Say what is unusual about a CT."""
    thick = max(spacing) / min(spacing)
    if thick <= ANISOTROPIC:
        return []
    return [f"voxels of {_text(spacing)} mm are {thick:.1f} times as thick as wide"]


def _note_of_holes(n: int) -> str:
    return f"{n} voxels outside of the region are not finite and count as air" if n else ""


def _on_grid(
    mask: MaskRow,
    stored: Bools,
    outcome: Outcome,
    box: Grid,
    hu: Int16,
    ct: Volume,
    settings: CtSettings,
) -> Region:
    """Bring a region to the grid of the prepared image, and check what is left of it."""

    def check() -> tuple[Bools, float]:
        voxels: Bools = resample(stored, ct.geometry.spacing, box) >= INSIDE
        return voxels, _check_region(voxels, hu, box.spacing, settings)

    (voxels, in_range), outcome = attempt(check, (NOTHING, float("nan")), outcome)
    if outcome.ok and _touches_edge(stored):
        outcome = outcome.with_note("region is cut by the edge of the scan")
    return Region(mask.reader, voxels, in_range, outcome)


def _touches_edge(stored: Bools) -> bool:
    low, high = _extent(stored)
    return 0 in low or any(
        last == n - 1 for last, n in zip(high, reversed(stored.shape), strict=True)
    )


def _check_region(
    voxels: Bools, hu: Int16, spacing: tuple[float, ...], settings: CtSettings
) -> float:
    """Return the share of a region within the range of HU."""
    n_voxels = int(voxels.sum())
    if n_voxels < settings.min_voxels:
        raise ScanError(
            f"region: {n_voxels} voxels at {_text(spacing)} mm, at least {settings.min_voxels} are "
            "needed"
        )
    low, high = settings.range_hu
    inside = hu[voxels]
    share = float(((inside >= low) & (inside <= high)).mean())
    if share < settings.min_in_range:
        raise ScanError(
            f"region: {1 - share:.0%} of its voxels lie outside {low:g} to {high:g} HU; is the "
            "lumen in the mask?".replace("-", "−").replace("%", " %")
        )
    return share


def _text(spacing: Sequence[float]) -> str:
    same = len({round(side, 6) for side in spacing}) == 1
    return f"{spacing[0]:g}" if same else " × ".join(f"{side:.4g}" for side in spacing)
