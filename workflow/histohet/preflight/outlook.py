"""What will become of a slide, as far as its files, tissue, tiles and mask tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd

from histohet.common.arrays import Float32
from histohet.common.outcome import Outcome, Status, joined
from histohet.cores.tiling import CoreSize, misfit
from histohet.epithelium.coverage import LISTED_BELOW
from histohet.slides.record import SlideRecord
from histohet.slides.sheet import SlideSheet
from histohet.tiles.file import TileTable

REFUSED, NO_RESULT = "refused", "no result"

WHERE_USED = " where it is used"
"""What becomes of a slide; of its mask, say, variants of whole tiles need none."""


@dataclass(frozen=True)
class Outlook:
    """What will become of a slide, as far as its files, tissue, tiles and mask tell.

    Attributes
    ----------
    record
        What the slide is; its status and reason as they will be.
    consequence
        What becomes of a slide that is not ok, or what one that is has yet to show.
    n_tissue_tiles
        Tiles on tissue, or of the finished features; None if the slide did not come so far.
    mask_on_tissue
        Share of the epithelium of a mask that lies on tissue, if known.
    n_glass_tiles
        Tiles left out because they are mostly glass; None where nobody looked.
    """

    record: SlideRecord
    consequence: str = ""
    n_tissue_tiles: int | None = None
    mask_on_tissue: float | None = None
    n_glass_tiles: int | None = None


@dataclass(frozen=True)
class MeasuredMask:
    """What a mask says of the tiles of its slide.

    Attributes
    ----------
    coverage
        (N,) epithelium of each tile.
    outcome
        Why the mask cannot be used, if it cannot.
    on_tissue
        Share of its epithelium that lies on tissue, if known.
    """

    coverage: Float32
    outcome: Outcome
    on_tissue: float | None


def foresee(
    opened: SlideRecord,
    beside: SlideRecord,
    tissue: Outcome,
    tiles: TileTable,
    mask: MeasuredMask | None,
    *,
    min_tiles: int,
    min_coverage: float,
    by_stain: bool,
    tolerance: float,
) -> Outlook:
    """Say what will become of a slide.

    Parameters
    ----------
    opened, beside
        What `check_slide` and `check_companions` found.
    tissue
        How far it came, and what is unusual about it.
    tiles
        Those on tissue, or of the finished features.
    mask
        None if the slide brings none.
    min_tiles, min_coverage
        Tiles that are needed, and epithelium that one of them needs.
    by_stain
        Whether the stain will tell the epithelium of a slide that brings no mask.
    tolerance
        How much coarser than the tiles a slide may be.
    """
    if not opened.outcome.ok:
        return Outlook(opened, REFUSED)
    n_tiles, share = len(tiles.coords), None if mask is None else mask.on_tissue
    notes = [beside.notes, tissue.reason if tissue.ok else ""]
    if share is not None and share < LISTED_BELOW:
        notes.append(f"{share:.0%} of the epithelium of the mask lies on tissue")
    notes.append(_lost_at_rim(tiles, min_tiles))
    record = replace(beside, notes=joined(notes))
    by_tiles = _lost_by_tiles(tiles, min_tiles, _misfit(opened, tiles, min_tiles, tolerance))
    lost = [by_tiles, beside.outcome]
    if by_tiles.ok and mask is not None:
        lost.append(_lost_by_mask(mask, min_tiles, min_coverage))
    lost = [one for one in lost if not one.ok]
    if not lost:
        condition = f"used if {min_tiles} of its {n_tiles} tiles are epithelium by the stain"
        condition = condition if by_stain and mask is None else ""
        return Outlook(record, condition, n_tiles, share, tiles.n_glass)
    # What is wrong with a mask is told with the files beside the slide, and again with the tiles.
    reasons = [
        one.reason
        for number, one in enumerate(lost)
        if not any(one.reason in before.reason for before in lost[:number])
    ]
    record = replace(record, status=lost[0].status, reason=joined(reasons))
    consequence = REFUSED if lost[0].status is Status.REFUSED else NO_RESULT
    where_used = WHERE_USED if by_tiles.ok else ""
    return Outlook(record, f"{consequence}{where_used}", n_tiles, share, tiles.n_glass)


def _misfit(record: SlideRecord, tiles: TileTable, min_tiles: int, tolerance: float) -> str:
    """Say which settings a core needs whose tiles are too large for it; "" of other slides."""
    if record.core_diameter_um is None or record.mpp is None or not tiles.outcome.ok:
        return ""
    core = CoreSize(record.core_diameter_um, record.mpp)
    return misfit(core, tiles.spec, min_tiles, tolerance)


def _lost_by_tiles(tiles: TileTable, min_tiles: int, hint: str) -> Outcome:
    """Whether there are tiles enough, whatever the mask."""
    if not tiles.outcome.ok or len(tiles.coords) >= min_tiles:
        return tiles.outcome
    glass = ""
    if tiles.n_glass:
        glass = f"; {tiles.n_glass} more are mostly glass (tiles.min_tissue_share)"
    found = (
        f"{len(tiles.coords)} tiles on tissue, at least {min_tiles} are needed "
        f"(clustering.min_tiles){glass}"
    )
    return Outcome(Status.TOO_FEW_TILES, joined([found, hint]))


def _lost_at_rim(tiles: TileTable, min_tiles: int) -> str:
    """Say whether too few tiles are left without those of the rim; they count where masked."""
    n_tiles, n_rim = len(tiles.coords), 0 if tiles.at_rim is None else int(tiles.at_rim.sum())
    if not n_tiles - n_rim < min_tiles <= n_tiles:
        return ""
    return (
        f"{n_rim} of {n_tiles} tiles are at the rim (tiles.rim_tissue_share): where whole tiles "
        f"are clustered, {n_tiles - n_rim} are left, at least {min_tiles} are needed "
        "(clustering.min_tiles)"
    )


def _lost_by_mask(mask: MeasuredMask, min_tiles: int, min_coverage: float) -> Outcome:
    """Whether there are tiles enough with epithelium."""
    if not mask.outcome.ok:
        return mask.outcome
    n_covered = int((mask.coverage > min_coverage).sum())
    found = f"{n_covered} tiles are more than {min_coverage:.0%} epithelium"
    if n_covered == 0:
        return Outcome(Status.NO_EPITHELIUM, found)
    if n_covered < min_tiles:
        needed = f"at least {min_tiles} are needed (clustering.min_tiles)"
        return Outcome(Status.TOO_FEW_TILES, f"{found}, {needed}")
    return mask.outcome


def slide_table(outlooks: Sequence[Outlook], sheet: SlideSheet) -> pd.DataFrame:
    """Return one row per slide: its record, its patient, and what will become of it."""
    rows = [
        {
            **asdict(outlook.record),
            "consequence": outlook.consequence,
            "n_tissue_tiles": outlook.n_tissue_tiles,
            "n_glass_tiles": outlook.n_glass_tiles,
            "mask_on_tissue": outlook.mask_on_tissue,
        }
        for outlook in outlooks
    ]
    table = pd.DataFrame(rows).astype(
        {"n_tissue_tiles": "Int64", "n_glass_tiles": "Int64", "mask_on_tissue": float}
    )
    patients = [sheet.slides[outlook.record.slide].patient for outlook in outlooks]
    table.insert(1, "patient", patients)
    return table


def read_outlooks(table: pd.DataFrame) -> list[Outlook]:
    """Return what `slide_table` was made of."""
    of_record = [field.name for field in fields(SlideRecord)]
    rows: list[dict[str, Any]] = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    return [
        Outlook(
            SlideRecord(**{name: row[name] for name in of_record}),
            row["consequence"],
            row["n_tissue_tiles"],
            row["mask_on_tissue"],
            row["n_glass_tiles"],
        )
        for row in rows
    ]
