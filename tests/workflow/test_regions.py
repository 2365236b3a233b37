"""A region of a real section gives what a file does to which it was cropped."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import shapely

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.featurefiles import arrays
from helpers.slidefiles import write_crop

CORNERS = {"levels": (3072, 4096), "level0": (3077, 4099)}
"""On whole pixels of all levels of the file, or of its first alone."""

SIDE = 2048


@pytest.fixture(scope="module")
def cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("regions")
    source = real_data / "slides/TCGA-C8-A1HN_part.tif"
    rows = ["slide\tpath\tregion\tcore_diameter_um"]
    for name, (x, y) in CORNERS.items():
        rows.append(f"{name}_region\t{source}\t{x},{y},{SIDE},{SIDE}\t900")
        rows.append(
            f"{name}_crop\t{write_crop(folder / f'{name}.tif', source, (x, y), SIDE)}\t\t900"
        )
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    config = {"slides": "slides.tsv", "tissue": {"preset": "bwh_biopsy"}}
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run("slides")
    return cohort


def result(cohort: Cohort, slide: str, kind: str) -> Path:
    [path] = (cohort.folder / "results" / kind).glob(f"**/{slide}.h5")
    return path


@pytest.mark.real
@pytest.mark.parametrize("name", list(CORNERS))
@pytest.mark.parametrize("kind", ["tiles", "coverage", "features", "clusters"])
def test_a_region_and_its_crop_are_the_same_to_the_bit(
    cohort: Cohort, name: str, kind: str
) -> None:
    region, cropped = (
        arrays(result(cohort, f"{name}_{part}", kind)) for part in ("region", "crop")
    )
    assert region.keys() == cropped.keys()
    for dataset, values in region.items():
        np.testing.assert_array_equal(values, cropped[dataset], err_msg=dataset)


@pytest.mark.real
@pytest.mark.parametrize("name", list(CORNERS))
def test_a_region_and_its_crop_measure_the_same(cohort: Cohort, name: str) -> None:
    def measures(part: str) -> dict:
        [path] = (cohort.folder / "results/measures").glob(f"**/{name}_{part}.json")
        return json.loads(path.read_text())["measures"] | {"slide": name}

    assert measures("region") == measures("crop")
    assert len(arrays(result(cohort, f"{name}_region", "clusters"))["labels"]) >= 20


@pytest.mark.real
@pytest.mark.parametrize("name", list(CORNERS))
def test_qupath_shows_the_tiles_of_a_region_in_its_file(cohort: Cohort, name: str) -> None:
    [path] = (cohort.folder / "results/qupath").glob(f"**/{name}_region.geojson")
    shown = json.loads(path.read_text())["features"]
    corners = np.array([one["geometry"]["coordinates"][0][0] for one in shown])
    coords = arrays(result(cohort, f"{name}_region", "clusters"))["coords"]
    np.testing.assert_array_equal(corners, coords + np.array(CORNERS[name]))


@pytest.mark.real
@pytest.mark.parametrize("name", list(CORNERS))
def test_tiles_lie_in_the_disc_of_the_core(cohort: Cohort, name: str) -> None:
    with h5py.File(result(cohort, f"{name}_region", "tiles")) as file:
        coords, attributes = file["coords"][:], dict(file["coords"].attrs)
    assert attributes["region"] == ",".join(map(str, (*CORNERS[name], SIDE, SIDE)))
    assert (attributes["level0_width"], attributes["level0_height"]) == (SIDE, SIDE)
    disc = shapely.Point(SIDE / 2, SIDE / 2).buffer(900)
    side = attributes["side_level0_px"]
    middles = shapely.points(coords + side / 2)
    assert shapely.contains(disc.buffer(side), middles).all()
    # The corners of the square are tissue too, but not of the core.
    assert len(coords) < 0.85 * (SIDE / side) ** 2
