"""Generated arrays: what is planted is found, named and given back to its patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from helpers.slidefiles import write_plain
from histohet.common.arrays import Floats, UInt8
from histohet.cores.dearray import Array, slide_rows, take_apart
from histohet.cores.find import CORE_PX
from histohet.cores.grid import Core
from histohet.cores.settings import ArraySettings
from histohet.cores.sheet import ArrayRow
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.pixels import TileSource
from histohet.encoders.settings import EncoderSettings
from histohet.encoders.workers import read_batches
from histohet.phantoms.array_plan import (
    ArrayPlan,
    grid_of,
    map_table,
    plan_arrays,
    spot_table,
)
from histohet.phantoms.array_render import PhantomArray, core_depth, make_donor, render_array
from histohet.phantoms.fields import resize
from histohet.phantoms.plan import PhantomPlan, plan_cohort
from histohet.phantoms.render import write_slide
from histohet.phantoms.settings import PhantomSettings
from histohet.phantoms.territory import LAND_PITCH_UM, TUMOUR
from histohet.slides.reader import open_slide
from histohet.slides.region import open_region
from histohet.tiles.file import lay_tiles
from histohet.tiles.lattice import Coords
from histohet.tiles.settings import TileSettings
from histohet.tissue.segmentation import segment_tissue
from histohet.tissue.settings import TissueSettings
from histohet.tissue.share import leave_out_glass, tissue_shares

SKETCH_UM = 25.0
"""Pixel size of pictures that show no more than where tissue is."""


def settings_of(n_slides: int = 24, seed: int = 0, **arrays: float) -> PhantomSettings:
    return PhantomSettings(
        n_slides=n_slides, epithelial_tiles=60, seed=seed, max_subclones=4, arrays=arrays
    )


def planned(n_slides: int = 24, seed: int = 0, **arrays: float) -> list[ArrayPlan]:
    settings = settings_of(n_slides, seed, **arrays)
    return plan_arrays(settings, plan_cohort(settings))


def sketch(plan: ArrayPlan) -> UInt8:
    """Return an array whose cores have their outlines and no more in them, at `SKETCH_UM`."""
    height, width = (int(length / SKETCH_UM) for length in (plan.height_um, plan.width_um))
    picture = np.full((height, width, 3), 243, np.uint8)
    rng = np.random.default_rng(plan.seed)
    for spot in plan.spots:
        if spot.missing:
            continue
        side = 2 * int(0.6 * plan.diameter_um / LAND_PITCH_UM)
        depth = core_depth(side, plan.diameter_um, spot.loss, rng)
        pixels = int(side * LAND_PITCH_UM / SKETCH_UM)
        inside = resize(depth, (pixels, pixels)) > 0
        x, y = (int(at / SKETCH_UM - pixels / 2) for at in (spot.x_um, spot.y_um))
        picture[y : y + pixels, x : x + pixels][inside] = (201, 130, 180)
    for speck in plan.dust:
        at = int(speck.x_um / SKETCH_UM), int(speck.y_um / SKETCH_UM)
        cv2.circle(picture, at, max(round(speck.radius_um / SKETCH_UM), 1), (40, 40, 40), -1)
    noise = rng.integers(-2, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def taken_apart(plan: ArrayPlan, folder: Path, picture: Path, mpp: float | None) -> Array:
    map_table(plan).to_csv(folder / "map.tsv", sep="\t", index=False)
    rows, columns = grid_of(plan)
    row = ArrayRow(
        2, plan.array, str(picture), mpp, None, rows, columns, str(folder / "map.tsv"), None
    )
    settings = ArraySettings(sheet="tma.tsv", diameter_um=plan.diameter_um)
    with open_slide(picture) as slide:
        return take_apart(slide, row, settings)


def check(plan: ArrayPlan, array: Array, mpp: float) -> None:
    """Check that every core is found in its place, no other, and that its patient is known."""
    assert array.problems == ()
    found = {core.name: core for core in array.cores if not core.missing}
    there = {spot.name: spot for spot in plan.spots if not spot.missing}
    assert found.keys() == there.keys()
    for name, spot in there.items():
        core = found[name]
        assert (core.kind, core.patient) == (spot.kind, spot.patient)
        # What broke off moves the middle.
        allowed = (0.12 + spot.loss / 2) * plan.diameter_um
        assert np.hypot(core.x * mpp - spot.x_um, core.y * mpp - spot.y_um) < allowed
    table = slide_rows(array, "bwh_biopsy")
    patients = dict(zip(table["slide"], table["patient"], strict=True))
    assert patients == {
        f"{plan.array}_{name}": spot.patient for name, spot in there.items() if spot.patient
    }


def test_every_patient_has_a_core_in_every_block_and_no_place_is_taken_twice() -> None:
    plans = planned(n_arrays=2, blocks=3)
    spots = [spot for plan in plans for spot in plan.spots if spot.kind == "tissue"]
    assert sorted((spot.patient, spot.number) for spot in spots) == [
        (f"patient_{patient:02d}", number) for patient in range(1, 25) for number in range(3)
    ]
    for plan in plans:
        assert len({(spot.row, spot.column) for spot in plan.spots}) == len(plan.spots)
        assert sum(spot.kind == "control" for spot in plan.spots) == 4
        assert all(0 < spot.x_um < plan.width_um for spot in plan.spots)
        assert all(0 < spot.y_um < plan.height_um for spot in plan.spots)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_so_many_cores_are_lost_and_no_row_or_column_of_them(share: float) -> None:
    for seed in range(5):
        (plan,) = planned(seed=seed, missing=share)
        table = spot_table([plan])
        tissue = table[table["kind"] == "tissue"]
        assert tissue["missing"].sum() == round(share * len(tissue))
        there = [spot for spot in plan.spots if not spot.missing]
        assert grid_of(plan) == (
            len({spot.row for spot in there}),
            len({spot.column for spot in there}),
        )


def test_arrays_follow_from_the_seed_alone() -> None:
    assert planned(seed=3) == planned(seed=3)
    assert planned(seed=3) != planned(seed=4)


def test_impossible_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="3 arrays cannot be filled by 2 patients"):
        planned(n_slides=2, n_arrays=3)
    with pytest.raises(ValueError, match="31 rows are more than letters"):
        planned(n_slides=60, columns=2)
    settings = PhantomSettings(n_slides=2, epithelial_tiles=60, seed=0)
    with pytest.raises(ValueError, match=r"phantoms\.arrays: is missing"):
        plan_arrays(settings, plan_cohort(settings))


def touching(plan: ArrayPlan) -> ArrayPlan:
    """Move two neighbours so near to each other that they touch."""
    there = {(spot.row, spot.column): spot for spot in plan.spots if not spot.missing}
    row, column = next(
        (row, column)
        for row, column in there
        if 1 < column < 4 and {(row, column + 1), (row, column - 1)} <= there.keys()
    )
    pair = (there[row, column], there[row, column + 1])
    x, y = (np.mean([getattr(spot, axis) for spot in pair]) for axis in ("x_um", "y_um"))
    moved = {}
    for spot in pair:
        away = np.hypot(spot.x_um - x, spot.y_um - y)
        by = 0.49 * plan.diameter_um / away
        at = {"x_um": float(x + by * (spot.x_um - x)), "y_um": float(y + by * (spot.y_um - y))}
        moved[spot.name] = replace(spot, loss=0.0, **at)
    return replace(plan, spots=tuple(moved.get(spot.name, spot) for spot in plan.spots))


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_tilted_arrays_with_lost_broken_and_touching_cores_and_dust_are_taken_apart(
    tmp_path: Path, seed: int, blocks: int
) -> None:
    (plan,) = planned(seed=seed, tilt_degrees=12, missing=0.1, blocks=blocks)
    assert abs(plan.tilt_degrees) == 12
    assert plan.dust
    assert any(spot.loss for spot in plan.spots)
    plan = touching(plan)
    picture = write_plain(tmp_path / "a.png", sketch(plan))
    check(plan, taken_apart(plan, tmp_path, picture, SKETCH_UM), SKETCH_UM)


class Made(NamedTuple):
    plan: ArrayPlan
    donors: list[PhantomPlan]
    array: PhantomArray


@pytest.fixture(scope="module")
def made() -> Made:
    settings = settings_of(2, diameter_um=400, columns=2, blocks=2, missing=0.0, tilt_degrees=8)
    donors = plan_cohort(settings)
    (plan,) = plan_arrays(settings, donors)
    return Made(plan, donors, render_array(plan, donors))


def test_a_painted_array_is_written_as_a_slide_and_taken_apart(made: Made, tmp_path: Path) -> None:
    write_slide(tmp_path / "a.svs", made.array.image, made.plan)
    with open_slide(tmp_path / "a.svs") as slide:
        assert (slide.info.height, slide.info.width) == made.plan.shape
    check(made.plan, taken_apart(made.plan, tmp_path, tmp_path / "a.svs", None), made.plan.mpp)


def test_cores_are_painted_in_their_places_and_nowhere_else(made: Made) -> None:
    image, mpp = made.array.image, made.plan.mpp
    every = 4
    image = image[::every, ::every]
    y, x = (np.indices(image.shape[:2]) * every + 0.5) * mpp
    away = np.min([np.hypot(x - s.x_um, y - s.y_um) for s in made.plan.spots], axis=0)
    clean = np.ones(image.shape[:2], np.bool_)
    for speck in made.plan.dust:
        clean &= np.hypot(x - speck.x_um, y - speck.y_um) > 60
    glass = np.array(made.plan.scanner.white)
    stained = np.abs(image - glass).max(axis=2) > 20
    radius = made.plan.diameter_um / 2
    assert stained[away < 0.7 * radius].mean() > 0.7
    assert not stained[(away > 1.15 * radius) & clean].any()


def test_the_same_plan_gives_the_same_array(made: Made) -> None:
    again = render_array(made.plan, made.donors)
    np.testing.assert_array_equal(again.image, made.array.image)
    pd.testing.assert_frame_equal(again.truth, made.array.truth)


def test_truth_tells_which_subclones_of_its_patient_a_core_holds(made: Made) -> None:
    planted = {donor.patient: donor.n_subclones for donor in made.donors}
    spots = {spot.name: spot for spot in made.plan.spots}
    for core, *shares in made.array.truth.itertuples(index=False):
        patient = spots[core].patient
        if patient is None:
            assert sum(shares) == 0
        else:
            assert sum(shares) == pytest.approx(1, abs=1e-3)
            assert not any(shares[planted[patient] :])


def test_cores_of_a_patient_are_punched_from_different_parts_of_its_tumour() -> None:
    settings = PhantomSettings(n_slides=4, epithelial_tiles=200, seed=0, max_subclones=4)
    for plan in plan_cohort(settings):
        donor = make_donor(plan, 2, 500)
        first, second = donor.sites * LAND_PITCH_UM
        assert np.hypot(*(first - second)) > 400
        for x, y in donor.sites.astype(int):
            assert donor.land.depth[y, x] > 0
            near = donor.land.zone[y - 20 : y + 20, x - 20 : x + 20]
            assert (near == TUMOUR).mean() > 0.6


def place_of_tiles(path: Path, plan: ArrayPlan, x: float, y: float) -> tuple[Coords, Floats, int]:
    """Return tiles and embeddings of a core, which turns do not change, and its region's side."""
    diameter_px = plan.diameter_um / plan.mpp
    region = Core(0, 0, x, y).region(diameter_px)
    settings = TileSettings(tile_um=56, tile_px=112)
    with open_region(path, region) as slide:
        parameters = TissueSettings(preset="core").parameters
        tissue = segment_tissue(slide, plan.mpp, parameters, plan.diameter_um)
        size = (region.width, region.height)
        tiles = lay_tiles("core", settings.size, plan.mpp, size, tissue.pieces, str(path.parent))
        shares = tissue_shares(slide, tiles, tissue.white, with_ink=False)
    coords = leave_out_glass(tiles, shares, settings.min_tissue_share, 0.75).tiles.coords
    encoder = make_encoder(
        entry_of(EncoderSettings(symmetry="d4"), read_catalogue()), settings.tile_px, None
    )
    source = TileSource(str(path), tiles.side_px, settings.tile_px, region=region)
    batches = read_batches(source, coords, 32, encoder=encoder)
    return coords, np.concatenate([batch.vectors for batch in batches]), region.width


MOVES = {
    "shift": lambda image: np.pad(image, ((128, 320), (192, 448), (0, 0)), mode="edge"),
    "turn": lambda image: np.rot90(image),
}


@pytest.mark.parametrize("move", list(MOVES))
def test_a_core_is_the_same_wherever_and_however_its_array_lies(
    made: Made, tmp_path: Path, move: str
) -> None:
    """Found again after the move, and of the same tiles with the same embeddings."""
    plan = made.plan
    height, width = (side // 64 * 64 for side in plan.shape)
    image = made.array.image[:height, :width]
    paths = [tmp_path / "first.tif", tmp_path / "moved.tif"]
    for path, pixels in zip(paths, (image, MOVES[move](image)), strict=True):
        write_plain(path, np.ascontiguousarray(pixels), tile=True, compression="deflate")

    def moved(x: Floats, y: Floats, side: float) -> tuple[Floats, Floats]:
        return (x + 192, y + 128) if move == "shift" else (y, side - x)

    settings = ArraySettings(sheet="tma.tsv", diameter_um=plan.diameter_um)
    found = []
    for path in paths:
        with open_slide(path) as slide:
            array = take_apart(slide, ArrayRow(2, "a", str(path), plan.mpp), settings)
        there = [core for core in array.cores if not core.missing]
        found.append(np.array([(core.x, core.y) for core in there]))
    x, y = moved(*found[0].T, float(width))
    distance = cKDTree(found[1]).query(np.column_stack([x, y]))[0]
    assert len(found[0]) == len(found[1]) == len(plan.spots)
    # A pixel of the picture that is searched, in each.
    assert distance.max() < 2.5 * plan.diameter_um / plan.mpp / CORE_PX
    middle = np.hypot(*(found[0] - found[0].mean(axis=0)).T).argmin()
    coords, vectors, side = place_of_tiles(paths[0], plan, *found[0][middle])
    again, same, _ = place_of_tiles(paths[1], plan, x[middle], y[middle])
    if move == "turn":
        coords = np.column_stack([coords[:, 1], side - 112 - coords[:, 0]])
    here, there = (
        {tuple(corner): vector for corner, vector in zip(one.tolist(), of, strict=True)}
        for one, of in ((coords, vectors), (again, same))
    )
    common = sorted(here.keys() & there.keys())
    # Outlines are traced from the left: a tile at the rim may come or go with a turn.
    assert len(here.keys() ^ there.keys()) <= (0 if move == "shift" else 3)
    assert len(common) > 30
    np.testing.assert_allclose(
        [here[corner] for corner in common], [there[corner] for corner in common], atol=2e-5
    )
