"""What becomes of the rest of a tile, for an encoder: how far its embeddings follow the coverage.

    .venv/bin/python tests/bench/fill.py [--data F] [--out results/bench/fill.json]

Real sections with their epithelium by stain, and GlaS with its annotated glands. For every encoder
and every `epithelium.fill`: the share of the leading components that coverage explains
(`measures.coverage`), the number of clusters of a section and how far they follow coverage, and, of
GlaS, how well a logistic regression tells benign from malignant images, patients left out in turn.
Besides, of whole tiles of GlaS, stroma (less than a tenth of gland) from gland (more than nine
tenths).

The data are named in the README of the folder that HISTOHET_DATA names.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringSettings
from histohet.common.files import write_json
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.encoders.catalogue import entry_of, pinned_weights, read_catalogue
from histohet.encoders.make import make_encoder
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.encoders.settings import EncoderSettings
from histohet.encoders.weights import locate
from histohet.encoders.workers import read_batches
from histohet.epithelium.base import MaskRules
from histohet.epithelium.coverage import tile_coverage
from histohet.epithelium.segmentation import segment_slide, write_labels
from histohet.measures.coverage import explained_by_coverage
from histohet.slides.frame import Frame
from histohet.slides.reader import open_slide
from histohet.tiles.lattice import Coords, in_tissue, lattice
from histohet.tiles.settings import TileSpec
from histohet.tissue.segmentation import segment_tissue
from histohet.tissue.settings import TissueOverrides, TissueSettings

SECTIONS = {
    "her2st_C2": ("spatial/her2st_C2/HE.jpg", 0.687, 112.0),
    "her2st_C5": ("spatial/her2st_C5/HE.jpg", 0.687, 112.0),
    "TCGA-C8-A1HN": ("slides/TCGA-C8-A1HN_part.tif", 0.5, 112.0),
}
"""Path, micrometres per pixel, micrometres per tile."""

TISSUE = TissueSettings(preset="tcga", overrides=TissueOverrides(sthresh=25))
GLAS_MPP = 0.62005
GLAS_SPEC = TileSpec(tile_um=112, tile_px=224, overlap_um=56)
SMALL_SPEC = TileSpec(tile_um=56, tile_px=112, overlap_um=28)

ENCODERS = {
    "stain_texture": EncoderSettings(),
    "lite0 mid": EncoderSettings(name="efficientnet_lite0", layer="mid"),
    "lite0 deep": EncoderSettings(name="efficientnet_lite0", layer="deep"),
}
FILLS = ("zero", "white", "none", "pool")
LEAST_COVERAGE = 0.25
SEED = 0
ENGINE = ClusteringSettings(restarts=0)

Json = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A slide with a mask, and its tiles with enough epithelium."""

    name: str
    source: TileSource
    white: tuple[int, int, int]
    coords: Coords
    coverage: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Rows of the tiles with enough epithelium."""
        return np.flatnonzero(self.coverage > LEAST_COVERAGE)

    def embed(self, encoder: EncoderSettings, fill: str, rows: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) of some of the tiles, as `encode_tiles` makes them."""
        assert self.source.mask is not None
        colours = {"zero": (0, 0, 0), "white": self.white, "pool": None}
        mask = None if fill == "none" else replace(self.source.mask, colour=colours[fill])
        source = replace(self.source, mask=mask)
        catalogue = read_catalogue()
        entry = entry_of(encoder, catalogue)
        if source.mask_apart:
            entry = entry.of_epithelium()
        checkpoint = locate(pinned_weights(entry, "no lock", catalogue))
        model = make_encoder(entry, source.tile_px, checkpoint)
        batches = read_batches(source, self.coords[rows], 32, encoder=model)
        return np.concatenate([batch.vectors for batch in batches])


def read_section(name: str, data: Path, folder: Path) -> Picture:
    """A section with its epithelium by stain."""
    path, mpp, tile_um = SECTIONS[name]
    spec = TileSpec(tile_um=tile_um, tile_px=224)
    with open_slide(data / path) as slide:
        size = slide.info.width, slide.info.height
        tissue = segment_tissue(slide, mpp, TISSUE.parameters)
        labels, _ = segment_slide(slide, mpp, tissue.pieces, 1)
    coords = lattice(*size, spec, mpp)
    coords = coords[in_tissue(coords, spec.side_px(mpp), tissue.pieces)]
    write_labels(folder / f"{name}.tif", labels, OK, Provenance())
    return _picture(
        name, data / path, folder / f"{name}.tif", size, tissue.white, coords, spec, mpp
    )


def read_glas(data: Path, folder: Path, spec: TileSpec) -> Iterator[Picture]:
    """The images of GlaS with their annotated glands."""
    for annotation in sorted((data / "epithelium/glas").glob("*_anno.bmp")):
        name = annotation.name.removesuffix("_anno.bmp")
        glands = (cv2.imread(str(annotation), cv2.IMREAD_GRAYSCALE) > 0).astype(np.uint8)
        mask = folder / f"{name}.png"
        cv2.imwrite(str(mask), glands)
        size = glands.shape[1], glands.shape[0]
        image = folder / f"{name}_image.png"
        cv2.imwrite(str(image), cv2.imread(str(annotation.with_name(f"{name}.bmp"))))
        coords = lattice(*size, spec, GLAS_MPP)
        yield _picture(name, image, mask, size, (255, 255, 255), coords, spec, GLAS_MPP)


def _picture(
    name: str,
    path: Path,
    mask: Path,
    size: tuple[int, int],
    white: tuple[int, int, int],
    coords: Coords,
    spec: TileSpec,
    mpp: float,
) -> Picture:
    masked = MaskSource(str(mask), MaskRules((1,)), Frame(0, 0, *size))
    source = TileSource(str(path), spec.side_px(mpp), spec.tile_px, mask=masked)
    coverage = tile_coverage(masked.open(), coords.tolist(), source.side_px)
    return Picture(name, source, white, coords, coverage)


def measure_section(task: tuple[str, str, Path]) -> Json:
    """Measure one encoder on one section, with every fill."""
    name, encoder, data = task
    found: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        picture = read_section(name, data, Path(folder))
        rows = picture.kept
        coords, coverage = picture.coords[rows], picture.coverage[rows]
        for fill in FILLS:
            features = picture.embed(ENCODERS[encoder], fill, rows)
            clusters = cluster_tiles(features, coords, picture.source.side_px, ENGINE, SEED)
            found[fill] = {
                "n_tiles": len(rows),
                "explained": explained_by_coverage(features, coverage),
                "n_clusters": clusters.n_clusters,
                "coverage_by_cluster": between_clusters(clusters.labels, coverage),
            }
    return {"data": name, "encoder": encoder, "fills": found}


def between_clusters(labels: np.ndarray, coverage: np.ndarray) -> float:
    """Share of the variance of coverage that lies between clusters, outliers (-1) left out."""
    coverage, labels = coverage[labels >= 0], labels[labels >= 0]
    means = np.bincount(labels, coverage) / np.maximum(np.bincount(labels), 1)
    return float(means[labels].var() / coverage.var())


def measure_glas(task: tuple[str, str, Path]) -> Json:
    """Measure one encoder on GlaS, with every fill."""
    _, encoder, data = task
    settings = ENCODERS[encoder]
    with (data / "epithelium/glas/Grade.csv").open() as file:
        about = {row[0]: (row[1].strip(), row[2].strip()) for row in csv.reader(file)}
    found: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        pictures = list(read_glas(data, Path(folder), GLAS_SPEC))
        names = np.concatenate([np.repeat(p.name, len(p.kept)) for p in pictures])
        patients = np.array([about[name][0] for name in names])
        malignant = np.array([about[name][1] == "malignant" for name in names])
        for fill in FILLS:
            parts = [p.embed(settings, fill, p.kept) for p in pictures]
            explained = [
                explained_by_coverage(part, p.coverage[p.kept])
                for part, p in zip(parts, pictures, strict=True)
            ]
            found[fill] = {
                "n_tiles": len(names),
                "explained": float(np.mean([e for e in explained if e is not None])),
                "malignant": told_apart(np.concatenate(parts), malignant, patients),
            }
        small = list(read_glas(data, Path(folder), SMALL_SPEC))
        clear = [np.flatnonzero((p.coverage < 0.1) | (p.coverage > 0.9)) for p in small]
        features = [p.embed(settings, "none", rows) for p, rows in zip(small, clear, strict=True)]
        gland = np.concatenate([p.coverage[r] > 0.5 for p, r in zip(small, clear, strict=True)])
        patients = np.concatenate(
            [np.repeat(about[p.name][0], len(r)) for p, r in zip(small, clear, strict=True)]
        )
    layer = {"n_tiles": len(gland), "gland": told_apart(np.concatenate(features), gland, patients)}
    return {"data": "GlaS", "encoder": encoder, "fills": found, "stroma_or_gland": layer}


def told_apart(features: np.ndarray, truth: np.ndarray, patients: np.ndarray) -> float:
    """Balanced accuracy of a logistic regression, patients left out in turn."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    balanced = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    model = make_pipeline(StandardScaler(), balanced)
    predicted = cross_val_predict(model, unit, truth, groups=patients, cv=LeaveOneGroupOut())
    return float(balanced_accuracy_score(truth, predicted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("HISTOHET_DATA"))
    parser.add_argument("--out", type=Path, default=Path("results/bench/fill.json"))
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.data is None:
        raise SystemExit("name the folder of the data: --data or HISTOHET_DATA")
    sections = [(s, e, arguments.data) for s in SECTIONS for e in ENCODERS]
    glas = [("GlaS", encoder, arguments.data) for encoder in ENCODERS]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = [*pool.map(measure_glas, glas), *pool.map(measure_section, sections)]
    write_json(arguments.out, {"results": results})
    sys.stdout.write(table(results))


def table(results: list[Json]) -> str:
    """Return a line for every encoder on every data set."""
    lines = []
    for result in results:
        cells = [
            f"{fill}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
            for fill, figures in result["fills"].items()
        ]
        if layer := result.get("stroma_or_gland"):
            cells.append(f"stroma or gland: {layer['gland']:.3g}, {layer['n_tiles']} tiles")
        lines.append("\n    ".join([f"{result['data']}, {result['encoder']}", *cells]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
