"""Slides that are no slides, break off, have no scale or an absurd one, or show something else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bad_input.cases import Case, first_half, foreseen, later, refused, written
from helpers.pictures import (
    GLASS,
    fluorescence,
    immunostaining,
    light,
    pen_marks,
    photo,
    plain,
    section,
)
from helpers.slidefiles import break_tiff_tiles, write_giant, write_jpeg_tiff, write_plain

GIANT_PX = 10_000
"""Side of a slide of one level; in one piece it would need 1.4 GB, as RGBA and RGB, each twice."""

ACROSS = 14
"""JPEG tiles in a row of the slides with holes."""


def broken_files(folder: Path, slide: Path) -> dict[str, Case]:
    """Return slides that cannot be opened, or not be read to the end."""
    jpeg = write_plain(folder / "whole.jpg", section(1700, 150), Q=85)
    (folder / "folder.svs").mkdir()
    os.mkfifo(folder / "pipe.svs")
    # So large that its thumbnail is read from another level than its tiles.
    large = section(ACROSS * 256, 600)
    hole = write_jpeg_tiff(folder / "hole.svs", large, 256, pyramid=True)
    break_tiff_tiles(hole, [6 * ACROSS + 6])
    holes = write_jpeg_tiff(folder / "holes.svs", large, 256, pyramid=True)
    break_tiff_tiles(holes, list(range(4 * ACROSS, 10 * ACROSS)))
    labels = np.zeros((large.shape[0] // 4, large.shape[1] // 4), np.uint8)
    labels[150:-150, 150:-150] = 3
    mask = write_plain(folder / "large.tif", labels, tile=True)
    flat = written(folder / "flat.svs", slide.read_bytes())
    break_tiff_tiles(flat, [24])
    no_slide = "is no TIFF, PNG or JPEG image"
    return {
        "zero_bytes": refused("zero.svs is empty", path=written(folder / "zero.svs", "")),
        "truncated_svs": refused("half.svs breaks off", path=first_half(slide, "half.svs")),
        "truncated_jpeg": refused(
            "premature end of JPEG", path=first_half(jpeg, "half.jpg"), mpp=1
        ),
        "text_as_svs": refused(no_slide, path=written(folder / "text.svs", "Dear colleague,")),
        "zip_as_svs": refused(
            no_slide, path=written(folder / "zip.svs", b"PK\x03\x04" + bytes(99))
        ),
        "jpeg_as_svs": Case({"path": written(folder / "j.svs", jpeg.read_bytes()), "mpp": 0.5}),
        "mirax_alone": refused(
            "copy both", path=written(folder / "alone.mrxs", jpeg.read_bytes()), mpp=0.5
        ),
        "folder": refused("folder.svs is not a file", path=folder / "folder.svs"),
        "pipe": refused("pipe.svs is not a file", path=folder / "pipe.svs"),
        "absent": refused("absent.svs does not exist", path=folder / "absent.svs"),
        "one_broken_tile": later(
            "ok", "tiles cannot be decoded and are left out", path=hole, mask=mask
        ),
        "broken_rows": later("unreadable", "cannot be read", path=holes, mask=mask),
        "broken_tile_of_one_level": foreseen("unreadable", "cannot be read", path=flat),
    }


def absurd_scales(folder: Path, slide: Path) -> dict[str, Case]:
    """Return slides of unknown, absurd or contradicted scale."""
    small = section(900, 100)
    plain_image = write_plain(folder / "small.png", small)

    def aperio(name: str, about: str) -> Path:
        return write_jpeg_tiff(folder / f"{name}.svs", small, 256, about=about)

    unknown = "give `mpp` in the slide sheet"
    of_file = {
        f"file_mpp_{name}": refused(
            f"mpp {mpp} in the file is not credible and was ignored; micrometres per pixel unknown",
            path=aperio(f"mpp_{name}", f"AppMag = 20|MPP = {mpp}"),
        )
        for name, mpp in (("zero", "0"), ("negative", "-0.5"), ("1000", "1000"))
    }
    of_sheet = {
        f"sheet_mpp_{name}": refused(
            f"mpp '{mpp}' in the sheet is not a positive number", path=plain_image, mpp=mpp
        )
        for name, mpp in (
            ("zero", "0"),
            ("negative", "-0.5"),
            ("comma", "0,5"),
            ("underscore", "0_5"),
        )
    }
    comma = write_jpeg_tiff(folder / "comma.svs", section(1700, 150), 256, about="MPP = 0,5")
    power = write_jpeg_tiff(
        folder / "power.svs", section(1700, 150), 256, about="AppMag = 40|MPP = 0.5"
    )
    return (
        of_file
        | of_sheet
        | {
            "sheet_mpp_1000": refused(
                "mpp 1000 in the sheet is not credible", path=plain_image, mpp=1000
            ),
            "no_mpp": refused(unknown, path=plain_image),
            "sheet_mpp_nan": refused(unknown, path=plain_image, mpp="nan"),
            "objective_only": refused(unknown, path=aperio("objective", "AppMag = 20")),
            "too_coarse": refused("too coarse", path=aperio("coarse", "MPP = 2")),
            "file_mpp_comma": Case({"path": comma}),
            "objective_contradicts": Case(
                {"path": power}, message="objective 40x does not go with mpp 0.5"
            ),
            "sheet_contradicts": Case(
                {"path": slide, "mpp": 0.25},
                message="0.5 in the file and 0.25 in the sheet; the file counts",
            ),
        }
    )


def other_pictures(folder: Path, mask: Path) -> dict[str, Case]:
    """Return slides that show no section, or too little of one."""

    def image(name: str, pixels: np.ndarray, **cells: object) -> dict[str, object]:
        return {"path": write_plain(folder / f"{name}.png", pixels), "mpp": 0.5, **cells}

    on_black = "light on a dark ground"
    no_tissue, no_stain = "no piece of tissue is large enough", "pen, fluorescence"
    sixteen_bit = np.random.default_rng(0).integers(0, 2**16, (900, 900), np.uint16)
    real_numbers = write_plain(folder / "real.tif", np.ones((900, 900, 3), np.float32))
    return {
        "all_white": foreseen("no_tissue", no_tissue, **image("white", plain(900, 255))),
        "all_black": foreseen("no_tissue", no_tissue, **image("black", plain(900, 0))),
        "one_pixel": foreseen("no_tissue", no_tissue, **image("pixel", plain(1, 100))),
        "thread": foreseen("no_tissue", no_tissue, **image("thread", plain(2, 90).repeat(4000, 1))),
        "speck": foreseen("no_tissue", no_tissue, **image("speck", section(900, 300))),
        "small": foreseen(
            "too_few_tiles", "at least 10 are needed", **image("small", section(700, 80))
        ),
        "pen_only": foreseen("no_tissue", no_stain, **image("pen", pen_marks(1700), mask=mask)),
        "fluorescence": foreseen("no_tissue", on_black, **image("glow", fluorescence(900))),
        "blue_on_black": foreseen(
            "no_tissue", on_black, **image("dapi", light(900, (40, 60, 255)))
        ),
        "magenta_on_black": foreseen(
            "no_tissue", on_black, **image("dye", light(900, (255, 0, 255)))
        ),
        "immunostaining": foreseen(
            "no_tissue", "is brown and not pink", **image("dab", immunostaining(1700))
        ),
        "fluorescence_16_bit": foreseen("no_tissue", no_tissue, **image("deep", sixteen_bit)),
        "photo": foreseen("no_tissue", no_stain, **image("photo", photo(900))),
        "real_numbers": refused("real.tif has float pixels", path=real_numbers, mpp=0.5),
        "giant": foreseen(
            "no_tissue", no_tissue, path=write_giant(folder / "giant.svs", GIANT_PX, GLASS)
        ),
    }
