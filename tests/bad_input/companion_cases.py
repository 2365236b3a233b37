"""Masks, attention, traits and truths that are broken or cannot be their slide's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bad_input.cases import Case, first_half, foreseen, later, refused, written
from helpers.pictures import GLASS, plain, section
from helpers.slidefiles import write_jpeg_tiff, write_plain

SIDE, HALF = 1700, 850
"""Side of the slide, and of its mask at half the scale."""


def tissue_mask(label: int = 3) -> np.ndarray:
    """Return the labels of the section of the sound slide, at half its scale."""
    labels = np.zeros((HALF, HALF), np.uint8)
    labels[75:775, 75:775] = label
    return labels


def shifted_mask(folder: Path) -> dict[str, Path]:
    """Return a slide with glass beside its section, and a mask that lies two thirds of it aside."""
    picture = np.concatenate([section(SIDE, 150), plain(SIDE, GLASS)], axis=1)
    labels = np.concatenate([tissue_mask(), tissue_mask(0)], axis=1)
    return {
        "path": write_jpeg_tiff(folder / "aside.svs", picture, 256),
        "mask": write_plain(folder / "aside.tif", np.roll(labels, 467, axis=1)),
    }


def polygons(path: Path, *annotations: tuple[object, str]) -> Path:
    """Write annotations, each a geometry and a class, as QuPath exports them."""
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}
        for geometry, name in annotations
    ]
    return written(path, json.dumps({"type": "FeatureCollection", "features": features}))


def square(first: int, last: int) -> dict[str, object]:
    """Return a square polygon between two corners on the diagonal."""
    ring = [[first, first], [last, first], [last, last], [first, last], [first, first]]
    return {"type": "Polygon", "coordinates": [ring]}


def bad_masks(folder: Path, slide: Path) -> dict[str, Case]:
    """Return masks of the wrong scale, place, class or kind."""

    def labels(name: str, pixels: np.ndarray, **options: object) -> dict[str, Path]:
        return {"path": slide, "mask": write_plain(folder / name, pixels, **options)}

    def outlines(name: str, *annotations: tuple[object, str]) -> dict[str, Path]:
        return {"path": slide, "mask": polygons(folder / f"{name}.geojson", *annotations)}

    def any_file(path: Path) -> dict[str, Path]:
        return {"path": slide, "mask": path}

    noise = np.random.default_rng(0).choice([0, 3], (HALF, HALF)).astype(np.uint8)
    whole = write_plain(folder / "noise.png", noise)
    outline = square(150, 1550)
    parts = [square(150, 1200)["coordinates"], square(500, 1550)["coordinates"]]
    overlapping = {"type": "MultiPolygon", "coordinates": parts}
    return {
        "mask_of_other_shape": refused(
            "proportions differ", **labels("odd.tif", tissue_mask()[:400])
        ),
        "mask_too_coarse": refused(
            "is too coarse", **labels("tiny.tif", np.full((3, 3), 3, np.uint8))
        ),
        "mask_in_colour": refused("has 3 bands", **labels("rgb.png", section(HALF, 75))),
        "mask_as_jpeg": refused("changes numbers: save", **labels("lossy.jpg", tissue_mask())),
        "mask_white_is_zero": refused(
            "stores white as zero", **labels("white.tif", tissue_mask(), miniswhite=True)
        ),
        "mask_of_floats": refused(
            "has float pixels", **labels("float.tif", np.zeros((HALF, HALF), np.float32))
        ),
        "mask_of_text": refused(
            "a mask is a label image", **any_file(written(folder / "mask.tif", "mask"))
        ),
        "mask_of_no_bytes": refused(
            "a mask is a label image", **any_file(written(folder / "none.tif", ""))
        ),
        "mask_of_xml": refused(
            "or GeoJSON", **any_file(written(folder / "asap.xml", "<ASAP_Annotations/>"))
        ),
        "mask_truncated": foreseen(
            "refused", "cannot be read", **any_file(first_half(whole, "half.png"))
        ),
        "mask_empty": foreseen("no_epithelium", "is empty", **labels("empty.tif", tissue_mask(0))),
        "mask_of_unknown_classes": foreseen(
            "refused",
            "has no class of epithelium.classes; it has 0, 2",
            **labels("2.tif", tissue_mask(2)),
        ),
        "mask_shifted": foreseen("refused", "of the epithelium of mask", **shifted_mask(folder)),
        "outlines_of_other_classes": refused(
            "has no annotation of class Tumor, Epithelium; it has: Stroma",
            **outlines("stroma", (outline, "Stroma")),
        ),
        "outlines_of_nothing": refused("it has: none", **outlines("nothing")),
        "outlines_off_the_slide": foreseen(
            "refused",
            "coordinates of another slide or scale",
            **outlines("off", (square(9000, 9900), "Tumor")),
        ),
        "outlines_without_geometry": refused(
            "annotation 1 (Tumor): no geometry, left out", **outlines("null", (None, "Tumor"))
        ),
        "outlines_of_points": refused(
            "have no area",
            **outlines("point", ({"type": "Point", "coordinates": [9, 9]}, "Tumor")),
        ),
        "outlines_broken_off": refused(
            "is not GeoJSON: ", **any_file(written(folder / "b.geojson", '{"features": ['))
        ),
        "outlines_that_overlap": Case(
            outlines("union", (overlapping, "Tumor")),
            message="annotation 1 (Tumor): its parts overlap, taken as their union",
        ),
        "outlines_in_small_letters": Case(
            outlines("small", (outline, "tumor")),
            message="class 'tumor' is taken for 'Tumor'",
        ),
        "outlines_with_a_hole_drawn_on_them": Case(
            outlines("ignore", (outline, "Tumor"), (square(150, 500), "Ignore*")),
            message="annotation 2 (Ignore*): taken out of the epithelium",
        ),
    }


def bad_tables(folder: Path, slide: Path, mask: Path) -> dict[str, Case]:
    """Return attention, traits and truths that make no sense, or are of another slide."""
    grid = [(x, y) for y in range(0, SIDE, 512) for x in range(0, SIDE, 512)]
    head = "x_coord,y_coord,attention_value\n"

    def rows(shift: int = 0, shrink: int = 1, value: object = 0.5) -> str:
        return "".join(f"{x // shrink + shift},{y // shrink + shift},{value}\n" for x, y in grid)

    def beside(column: str, name: str, text: str | bytes) -> dict[str, Path]:
        return {"path": slide, "mask": mask, column: written(folder / name, text)}

    def attention(name: str, text: str | bytes) -> dict[str, Path]:
        return beside("attention", f"{name}.csv", text)

    return {
        "attention_without_columns": refused(
            "attention: ", **attention("columns", "x,y,attention_value\n" + rows())
        ),
        "attention_nan": refused(
            "line 2: attention_value is 'nan'", **attention("nan", head + rows(value="nan"))
        ),
        "attention_words": refused(
            "not a finite number", **attention("words", head + rows(value="high"))
        ),
        "attention_of_other_slide": refused(
            "lie outside the slide of 1700 × 1700 px",
            **attention("other", head + rows(shift=40_000)),
        ),
        "attention_of_other_level": later(
            "refused",
            "512 px wide (tumour.attention_tile_um) and 128 px apart",
            **attention("level", head + rows(shrink=4)),
        ),
        "attention_without_rows": refused("has no rows", **attention("head", head)),
        "attention_empty": refused("is empty", **attention("empty", "")),
        "attention_binary": refused(
            "is not UTF-8 text", **attention("binary", b"\xff\xfe\x00\x01" * 40)
        ),
        "attention_semicolons": refused(
            "attention: ", **attention("semicolons", (head + rows()).replace(",", ";"))
        ),
        "attention_twice": refused(
            "(0, 0) stands twice, with different values",
            **attention("twice", head + rows() + "0,0,0.75\n"),
        ),
        "traits_twice": refused(
            "(0, 0) stands twice, with different values",
            **beside("traits", "twice.tsv", "x\ty\tA\n0\t0\t1\n9\t0\t1\n0\t0\t0\n"),
        ),
        "traits_of_two": refused(
            "it must be 0 or 1", **beside("traits", "two.tsv", "x\ty\tA\n0\t0\t2\n")
        ),
        "traits_none": refused(
            "at least one trait", **beside("traits", "none.tsv", "x\ty\n0\t0\n")
        ),
        # Only the comparison with the truth goes without it.
        "truth_without_subclone": Case(
            beside("truth", "columns.tsv", "x\ty\tz\n0\t0\t1\n"),
            message="has no column 'subclone'",
        ),
        "truth_of_letters": Case(
            beside("truth", "A.tsv", "x\ty\tsubclone\n0\t0\tA\n"),
            message="subclone is 'A', not a whole number",
        ),
    }
