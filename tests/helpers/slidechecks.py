"""What preflight finds of a row of a sheet."""

from __future__ import annotations

from histohet.preflight.slide import check_slide
from histohet.slides.record import SlideRecord
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow, missing_files
from histohet.tiles.settings import TileSpec

SETTINGS = {"tiles": TileSpec(), "scale": ScaleSettings()}


def check(row: SlideRow, **more: object) -> SlideRecord:
    problems = row.problems_of_files(missing_files([row]))
    return check_slide(row, **(SETTINGS | {"problems_of_files": problems} | more))
