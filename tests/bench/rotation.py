"""Clusters of turned tiles on real cores, by encoder: how far labels stay, and what they are worth.

    .venv/bin/python tests/bench/rotation.py [--data F] [--out results/bench/rotation.json]

F is the folder that HISTOHET_DATA names; its `cores` holds `gleason2019` and
`histopath_example.npz`. Of the cores of Gleason 2019 the scale is not known: 1.2 µm per px is
assumed, so a tile of 64 px is 77 µm. Their coloured maps are areas of one Gleason grade (whether an
annotation's or a model's, nobody says), and a tile has the colour of its middle. The example has an
unsupervised map of its makers in their place, so what agrees with that is listed apart.

Encoders say what their weights are. `sre_resnet18` and an ordinary ResNet-18 of the same geometry
(no stride at first, no pooling) have random ones: nothing here says how good they are when trained,
but how far they turn with the tissue is a matter of their architecture. Because ring kernels are
dear, these see the middle half of each core, in tiles of 24 px. Batch normalisations of both are
calibrated on the tiles themselves.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import nn

from bench.running import circumstances
from helpers.published_layouts import PUBLISHED, random_tensors
from histohet.common.arrays import Float32, Ints, UInt8
from histohet.common.files import write_json
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.encoders.base import Encoder, SymmetryAverage
from histohet.encoders.catalogue import entry_of, pinned_weights, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.networks import create_architecture, import_timm
from histohet.encoders.settings import EncoderSettings
from histohet.encoders.sre_resnet18 import RingConv2d, expand_kernels
from histohet.encoders.weights import locate
from histohet.features.file import feature_file, open_features
from histohet.rotation.consistency import compare_core, means_of_core
from histohet.rotation.settings import ComparisonSettings
from histohet.rotation.turning import TurningEncoder, views_of
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

MPP = 1.2
SIDE = 64
GRADES = ((96, 255, 128), (255, 224, 32), (255, 104, 0))
"""Colours of the maps; where they have none, nothing is known."""

RIGHT, OTHER = (90.0, 180.0), (30.0, 45.0)
SETTINGS = ComparisonSettings(angles=(*RIGHT, *OTHER), clusters=3)
SEED = 314
BATCH = 32
LEAST_SATURATION, LEAST_TISSUE = 20, 0.5
RANDOM_PX = 24
RANDOM, SHIPPED, NONE = "random", "published (ImageNet)", "needs none"


@dataclass(frozen=True)
class Core:
    """A picture (H, W, 3), RGB, and the class of every pixel, 0 where it is not known."""

    name: str
    picture: UInt8
    classes: Ints
    known: str = "gleason"

    def middle(self) -> Core:
        """Return the middle half of its height and width."""
        rows, columns = (slice(n // 4 // SIDE * SIDE, 3 * n // 4) for n in self.classes.shape)
        return replace(
            self, picture=self.picture[rows, columns], classes=self.classes[rows, columns]
        )

    @property
    def coords(self) -> Ints:
        """Corners (N, 2) of the tiles on tissue."""
        height, width = self.classes.shape
        saturated = cv2.cvtColor(self.picture, cv2.COLOR_RGB2HSV)[..., 1] >= LEAST_SATURATION
        corners = [
            (x, y)
            for y in range(0, height - SIDE + 1, SIDE)
            for x in range(0, width - SIDE + 1, SIDE)
            if saturated[y : y + SIDE, x : x + SIDE].mean() >= LEAST_TISSUE
        ]
        return np.array(corners, np.int64)

    def tiles(self, tile_px: int) -> UInt8:
        """Return its tiles (N, tile_px, tile_px, 3)."""
        cut = [self.picture[y : y + SIDE, x : x + SIDE] for x, y in self.coords.tolist()]
        shrunk = [
            cv2.resize(tile, (tile_px, tile_px), interpolation=cv2.INTER_AREA) for tile in cut
        ]
        return np.array(shrunk)

    def table(self, tile_px: int) -> TileTable:
        """Return them as a tile file would."""
        height, width = self.classes.shape
        spec = TileSpec(tile_um=SIDE * MPP, tile_px=tile_px)
        return TileTable(
            self.coords, tile_attributes(self.name, spec, MPP, (width, height), ""), OK
        )

    def write_truth(self, folder: Path) -> Path:
        """Write the class of the middle of every tile."""
        x, y = self.coords.T
        subclone = self.classes[y + SIDE // 2, x + SIDE // 2]
        path = folder / f"{self.name}.tsv"
        pd.DataFrame({"x": x, "y": y, "subclone": subclone}).to_csv(path, sep="\t", index=False)
        return path


def read_cores(folder: Path) -> Iterator[Core]:
    """Read the three cores and the example."""
    for path in sorted((folder / "gleason2019").glob("*core???.png")):
        colours = read_rgb(path.with_name(f"{path.stem}_segmentation.png"))
        classes = np.zeros(colours.shape[:2], np.int64)
        for number, colour in enumerate(GRADES, 1):
            classes[(colours == colour).all(axis=2)] = number
        yield Core(path.stem, read_rgb(path), classes)
    with np.load(folder / "histopath_example.npz") as example:
        # (3, H, W, 1) and (1, H, W, 1), floats of 0 to 255 and whole numbers.
        colours, classes = (np.moveaxis(example[name][..., 0], 0, 2) for name in ("Image", "Segm"))
    picture = np.ascontiguousarray(np.rint(colours).astype(np.uint8))
    yield Core("example", picture, classes[..., 0].astype(np.int64), "unsupervised map")


def read_rgb(path: Path) -> UInt8:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


class Constant:
    """Does not depend on the tile at all: as invariant as can be, and worth nothing."""

    name, width = "constant", 4

    def encode(self, tiles: UInt8) -> Float32:
        return np.ones((len(tiles), self.width), np.float32)


class PlainResNet18:
    """An ordinary ResNet-18 with conv1 at stride 1 and without pooling."""

    name, width = "resnet18", 512

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    def encode(self, tiles: UInt8) -> Float32:
        with torch.inference_mode():
            return np.asarray(self._network(as_tensor(tiles)).numpy())


def as_tensor(tiles: UInt8) -> torch.Tensor:
    """Return tiles as networks with the normalisation `half` see them."""
    planes = np.moveaxis(tiles.astype(np.float32), 3, 1)
    return torch.from_numpy(np.ascontiguousarray(planes / 127.5 - 1))


def calibrate(network: nn.Module, tiles: UInt8) -> None:
    """Let batch normalisations see some tiles, so that every layer varies."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.inference_mode():
        network.train()(as_tensor(tiles))
    network.eval()


def randomise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw weights that keep about the variance of what passes; normalisation does the rest."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, RingConv2d):
                module.weight.normal_(generator=generator)
                module.weight /= module.weight.shape[1] ** 0.5 * module.size
            elif isinstance(module, nn.Conv2d):
                module.weight.normal_(generator=generator)
                module.weight /= module.weight[0].numel() ** 0.5


def ring_encoder(folder: Path, tiles: UInt8) -> Encoder:
    """Return `sre_resnet18`, read from a file in the published layout with random weights."""
    path = folder / "sre_resnet18.safetensors"
    entry = entry_of(EncoderSettings(name="sre_resnet18", checkpoint=str(path)), read_catalogue())
    network = create_architecture(entry)
    randomise(network, torch.Generator().manual_seed(SEED))
    weights = network.state_dict()
    calibrate(expand_kernels(network), tiles)
    moments = {name: value for name, value in network.state_dict().items() if "running" in name}
    published = random_tensors(PUBLISHED["sre_resnet18"], SEED)
    own = {name: tensor for name, tensor in {**weights, **moments}.items() if name in published}
    safetensors.torch.save_file({**published, **own}, path)
    return make_encoder(entry, RANDOM_PX, path)


def plain_encoder(tiles: UInt8) -> Encoder:
    """Return the ordinary network with random weights."""
    network = import_timm().create_model("resnet18", num_classes=0)
    network.conv1.stride, network.maxpool = (1, 1), nn.Identity()
    randomise(network, torch.Generator().manual_seed(SEED))
    calibrate(network, tiles)
    return PlainResNet18(network)


def catalogued(tile_px: int, **section: Any) -> Encoder:
    """Return an encoder of the catalogue whose weights are at hand."""
    catalogue = read_catalogue()
    entry = entry_of(EncoderSettings(**section), catalogue)
    return make_encoder(entry, tile_px, locate(pinned_weights(entry, "no lock", catalogue)))


def measure(encoder: Encoder, core: Core, tile_px: int, folder: Path) -> pd.DataFrame:
    """Compare the labels of a core at every angle, by the functions of the workflow."""
    turning = TurningEncoder(encoder, SETTINGS.views)
    tiles, start = core.tiles(tile_px), time.process_time()
    vectors = [turning.encode(tiles[i : i + BATCH]) for i in range(0, len(tiles), BATCH)]
    seconds = time.process_time() - start
    path, nothing = folder / "turned.h5", Provenance({}, {})
    table = core.table(tile_px)
    rows = np.arange(len(tiles))
    with feature_file(path, table, rows, turning.width, encoder.name, nothing) as file:
        for batch in vectors:
            file.append(batch)
    with open_features(path) as features:
        means = partial(means_of_core, core.name, features, SETTINGS, SEED)
        truth = core.write_truth(folder)
        found, _ = compare_core(core.name, encoder.name, features, means, SETTINGS, SEED, truth)
    return found.assign(cpu_s=seconds, known=core.known)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Return means over cores, at right angles and others; None of what is not defined."""

    def mean(rows: pd.DataFrame, column: str) -> float | None:
        value = rows[column].mean()
        return None if pd.isna(value) else round(float(value), 4)

    right, other = (table[table["angle"].isin(angles)] for angles in (RIGHT, OTHER))
    at_rest = table[table["angle"] == 0]
    return {
        **{f"right_angle_{name}": mean(right, name) for name in ("agreement", "ari", "dice")},
        **{f"other_angle_{name}": mean(other, name) for name in ("agreement", "ari", "dice")},
        **{f"ceiling_{name}": mean(other, f"ceiling_{name}") for name in ("agreement", "ari")},
        **{f"chance_{name}": mean(table, f"chance_{name}") for name in ("agreement", "ari")},
        "moved_by_potts": mean(table, "moved_by_potts"),
        "label_ari": mean(at_rest[at_rest["known"] == "gleason"], "label_ari"),
        "example_label_ari": mean(at_rest[at_rest["known"] != "gleason"], "label_ari"),
    }


def report(
    name: str, encoder: Encoder, weights: str, tile_px: int, cores: list[Core], folder: Path
) -> dict[str, Any]:
    """Measure an encoder on all cores; print a line and return what it is and what was found."""
    tables = [measure(encoder, core, tile_px, folder) for core in cores]
    table = pd.concat(tables)
    found = {
        "encoder": name,
        "weights": weights,
        "tile_px": tile_px,
        "n_tiles": [int(one["n_tiles"].iloc[0]) for one in tables],
        "cpu_s_per_core": round(float(np.mean([one["cpu_s"].iloc[0] for one in tables])), 2),
        "raw": summary(table[table["smoothing"] == "none"]),
        "potts": summary(table[table["smoothing"] == "potts"]),
    }
    sys.stdout.write(f"{found}\n")
    sys.stdout.flush()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("HISTOHET_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--out", type=Path, default=Path("results/bench/rotation.json"))
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    start = time.process_time()
    cores = list(read_cores(given.data / "cores"))
    middles = [core.middle() for core in cores]
    some = np.concatenate([core.tiles(RANDOM_PX)[::2] for core in middles])
    mid = partial(catalogued, SIDE, name="efficientnet_lite0", layer="mid")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = plain_encoder(some)
        encoders = [
            report(*one, folder)
            for one in (
                ("constant", Constant(), NONE, SIDE, cores),
                ("stain_texture", catalogued(SIDE, name="stain_texture"), NONE, SIDE, cores),
                ("efficientnet_lite0 mid", mid(), SHIPPED, SIDE, cores),
                ("efficientnet_lite0 mid d4", mid(symmetry="d4"), SHIPPED, SIDE, cores),
                ("resnet18, stride 1", plain, RANDOM, RANDOM_PX, middles),
                ("resnet18, stride 1, d4", SymmetryAverage(plain), RANDOM, RANDOM_PX, middles),
                ("sre_resnet18", ring_encoder(folder, some), RANDOM, RANDOM_PX, middles),
            )
        ]
    record = {
        "assumed_mpp": MPP,
        "right_angles": RIGHT,
        "other_angles": OTHER,
        "n_views": len(views_of(SETTINGS.views)),
        "cpu_s": round(time.process_time() - start, 1),
        "encoders": encoders,
        **circumstances(given),
    }
    write_json(given.out, record)


if __name__ == "__main__":
    main()
