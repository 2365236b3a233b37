"""Embeddings of real sections, kept in files so that clustering can be measured in seconds.

The sections are public research data that the project does not hold: set HISTOHET_DATA to their
folder. A section is encoded once per encoder; its tiles are those that CLAM's rule keeps, and the
share of tissue of each is kept beside them, so that a limit on it can be tried without encoding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from histohet.common.arrays import Bools, Float32, Floats, Ints
from histohet.encoders.base import Encoder
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.pixels import TileSource
from histohet.encoders.settings import EncoderSettings
from histohet.encoders.weights import locate, pin
from histohet.encoders.workers import read_batches
from histohet.slides.reader import open_slide
from histohet.tiles.file import lay_tiles
from histohet.tiles.settings import TileSpec
from histohet.tissue.segmentation import segment_tissue
from histohet.tissue.settings import TissueOverrides, TissueParameters, TissueSettings
from histohet.tissue.share import tissue_shares

BATCH = 32
# Encoders see tiles at this scale, and no smaller than so many pixels: networks halve them often.
ENCODED_MPP, LEAST_PX = 0.5, 112


@dataclass(frozen=True)
class Section:
    """A piece of real tissue.

    Attributes
    ----------
    path
        Of the picture, below the folder of the data.
    mpp
        Micrometres per level-0 px.
    tile_um
        Side of a tile: smaller where the piece is, to have enough of them.
    preset, sthresh, min_tissue_mm2
        How its tissue is found.
    """

    path: str
    mpp: float
    tile_um: float = 112.0
    preset: str = "tcga"
    sthresh: int | None = None
    min_tissue_mm2: float | None = None

    @property
    def parameters(self) -> TissueParameters:
        """How its tissue is found."""
        overrides = TissueOverrides(sthresh=self.sthresh, min_tissue_mm2=self.min_tissue_mm2)
        return TissueSettings(preset=self.preset, overrides=overrides).parameters

    @property
    def spec(self) -> TileSpec:
        """Size of its tiles."""
        return TileSpec(
            tile_um=self.tile_um, tile_px=max(LEAST_PX, round(self.tile_um / ENCODED_MPP))
        )


HER2ST_MPP, GLAS_MPP = 0.687, 0.62
# A pink haze lies around these sections; Otsu finds 37 to 46.
HER2ST_STHRESH = 45
# The files do not say it: cores of 1.2 mm fill their 1024 px.
GLEASON_MPP = 1.2
GLAS = (
    *(f"testA_{number}" for number in (1, 2, 13)),
    *(f"testB_{number}" for number in (11, 12, 17)),
    *(f"train_{number}" for number in (47, 68, 75, 76, 80, 82)),
)
GLEASON = ("slide001_core059", "slide003_core055", "slide005_core063")

TCGA = "slides/TCGA-C8-A1HN_part.tif"
HER2ST = ("C2", "C5", "C6", "B4")


def _her2st(name: str, tile_um: float = 112.0) -> Section:
    path = f"spatial/her2st_{name}/HE.jpg"
    return Section(path, HER2ST_MPP, tile_um, sthresh=HER2ST_STHRESH)


REAL_SECTIONS: Mapping[str, Section] = {
    **{name: _her2st(name) for name in HER2ST},
    "tcga": Section(TCGA, 0.5),
    "tcga_56": Section(TCGA, 0.5, 56.0),
    "skin": Section("slides/CMU-1-Small-Region.svs", 0.499, 28.0, "bwh_biopsy"),
    **{f"{name}_56": _her2st(name, 56.0) for name in HER2ST},
    **{
        name: Section(f"cores/gleason2019/{name}.png", GLEASON_MPP, 48.0, "bwh_biopsy")
        for name in GLEASON
    },
    **{
        name: Section(
            f"epithelium/glas/{name}.bmp", GLAS_MPP, 28.0, "bwh_biopsy", min_tissue_mm2=0.02
        )
        for name in GLAS
    },
}
"""Two sizes of tile on the whole sections, one on the small pieces."""


ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "stain_texture": {"name": "stain_texture"},
    "efficientnet_lite0_mid": {"name": "efficientnet_lite0", "layer": "mid"},
    "efficientnet_lite0_deep": {"name": "efficientnet_lite0", "layer": "deep"},
}
"""Settings of the encoders, by name."""


@dataclass(frozen=True)
class Embedded:
    """Embeddings of the tiles of a section.

    Attributes
    ----------
    features
        (N, D) float32, as the encoder gives them.
    coords
        (N, 2) int64, level-0 px.
    pitch_px
        Distance of neighbouring tiles, level-0 px.
    tissue_share
        (N,) share of a tile's pixels that are tissue.
    at_rim
        (N,) bool, tiles at the rim that are partly glass; None where nobody looked.
    """

    features: Float32
    coords: Ints
    pitch_px: float
    tissue_share: Floats
    at_rim: Bools | None = None

    def __len__(self) -> int:
        return len(self.coords)

    def of(self, rows: Ints) -> Embedded:
        """Return some of the tiles, in the order of `rows`."""
        return replace(
            self,
            features=self.features[rows],
            coords=self.coords[rows],
            tissue_share=self.tissue_share[rows],
            at_rim=None if self.at_rim is None else self.at_rim[rows],
        )


def load(name: str, encoder: str, data: Path, cache: Path) -> Embedded:
    """Return the tiles of a section, encoded now if no file of `cache` holds them yet."""
    path = cache / f"{name}-{encoder}.npz"
    if not path.exists():
        section = REAL_SECTIONS[name]
        tiles = embed(section, make(encoder, section.spec.tile_px), data)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **vars(tiles))
    with np.load(path) as arrays:
        return Embedded(
            arrays["features"],
            arrays["coords"],
            float(arrays["pitch_px"]),
            arrays["tissue_share"],
        )


def make(name: str, tile_px: int) -> Encoder:
    """Make an encoder of `ENCODERS`."""
    entry = entry_of(EncoderSettings(**ENCODERS[name]), read_catalogue())
    # A convolutional network takes tiles of any size.
    entry = entry.model_copy(update={"input_px": None})
    return make_encoder(entry, tile_px, locate(pin(entry.weights, "")))


def embed(section: Section, encoder: Encoder, data: Path) -> Embedded:
    """Read and encode the tiles of a section."""
    spec = section.spec
    with tempfile.TemporaryDirectory() as folder:
        path = readable(data / section.path, Path(folder))
        with open_slide(path) as slide:
            tissue = segment_tissue(slide, section.mpp, section.parameters)
            size = (slide.info.width, slide.info.height)
            tiles = lay_tiles(path.stem, spec, section.mpp, size, tissue.pieces, "")
            shares = tissue_shares(slide, tiles, tissue.white)
        source = TileSource(str(path), tiles.side_px, spec.tile_px)
        batches = read_batches(source, tiles.coords, BATCH)
        features = np.concatenate([encoder.encode(batch.tiles) for batch in batches])
    return Embedded(features, tiles.coords, tiles.pitch_px, shares)


def readable(path: Path, folder: Path) -> Path:
    """Return a picture that slides are read from: BMP is none and is converted into `folder`."""
    if path.suffix != ".bmp":
        return path
    converted = folder / f"{path.stem}.png"
    Image.open(path).convert("RGB").save(converted)
    return converted
