"""The files that a sheet names beside a slide: can they be its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from histohet.agreement.truth import read_truth
from histohet.common.outcome import joined
from histohet.epithelium.base import MaskError, MaskRules
from histohet.epithelium.coverage import check_mask
from histohet.measures.traits import read_trait_map
from histohet.slides.record import SlideRecord
from histohet.tiles.settings import TileSpec
from histohet.tumour.attention import read_attention_of

READERS: Mapping[str, Callable[[str, tuple[int, int] | None], object]] = {
    "attention": read_attention_of,
    "traits": read_trait_map,
    "truth": lambda path, size: read_truth(path),
}
"""What reads the files beside a slide but for the mask, by column of the sheet."""


def check_companions(
    record: SlideRecord, files: Mapping[str, str], tiles: TileSpec, rules: MaskRules
) -> SlideRecord:
    """Read the files that the sheet names beside a slide and refuse it if they cannot be its own.

    Not part of `check_slide`, so that another mask or attention does not encode a slide again.

    Parameters
    ----------
    files
        By column of the sheet, `histohet.slides.sheet.COMPANIONS`.
    rules
        How a mask is read.
    """
    if not record.outcome.ok or record.mpp is None:
        return record
    side_px, size = tiles.side_px(record.mpp), record.known_size

    problems, notes = [], [record.notes]
    for column, file in files.items():
        try:
            if column == "mask":
                # Without a slide there is no mask either.
                notes += check_mask(file, rules, record, side_px)
            else:
                READERS[column](file, size)
        except MaskError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{column}: {error}")
    record = replace(record, notes=joined(notes))
    return record.refused(joined(problems)) if problems else record
