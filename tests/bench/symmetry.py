"""Measure how far embeddings and cluster labels move when a slide is turned by 90 degrees.

    .venv/bin/python tests/bench/symmetry.py [--slide FILE --mpp MPP]
        [--encoder NAME --checkpoint FILE]

The same tissue is encoded as it lies and turned, on the same lattice of tiles, with and without
averaging over the symmetries of the square, and clustered each time. Without a slide it is a
phantom; without an encoder, `stain_texture` and a small vision transformer with random weights,
which shows what averaging does, not how far a trained network's labels move: for that, name one.
`nearest moved` is the share of tiles whose nearest of eight k-means clusters changes, fitted to the
slide as it lies: what the embeddings do. `labels moved` is that of two clusterings as the workflow
makes them. The row `positions alone` clusters the embeddings of the slide as it lies at the turned
positions: what moves there is the clustering's own doing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import safetensors.torch
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, confusion_matrix
from sklearn.preprocessing import normalize

from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringSettings
from histohet.common.arrays import Float32, Int32, Ints, UInt8
from histohet.common.files import write_json
from histohet.encoders.base import Encoder
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.make import make_encoder
from histohet.encoders.networks import create_architecture
from histohet.encoders.settings import EncoderSettings
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import render_phantom
from histohet.phantoms.settings import PhantomSettings
from histohet.slides.reader import open_slide
from histohet.slides.sampling import read_rectangle

Pixels = UInt8
Embeddings = Float32
Labels = Int32

MPP = 0.5
BATCH = 32
CLUSTERS = 8
LEAST_SATURATION, LEAST_TISSUE = 20, 0.5
RANDOM_VIT = {
    "kind": "timm",
    "name": "random_vit",
    "model": "vit_tiny_patch16_224",
    "width": 96,
    "normalisation": "imagenet",
    "arguments": {"patch_size": 32, "embed_dim": 96, "depth": 4, "num_heads": 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path, help="a slide; default: a phantom")
    parser.add_argument("--mpp", type=float, help="micrometres per pixel, where the file is silent")
    parser.add_argument("--tiles", type=int, default=500, help="epithelial tiles of the phantom")
    parser.add_argument("--encoder", help="a name of the catalogue")
    parser.add_argument("--checkpoint", help="its weights")
    parser.add_argument("--seed", type=int, default=314)
    parser.add_argument("--json", type=Path, default=Path("results/bench/symmetry.json"))
    given = parser.parse_args()
    image = read_slide(given.slide, given.mpp) if given.slide else paint_phantom(given.tiles)
    with tempfile.TemporaryDirectory() as folder:
        if given.encoder:
            configs = [{"name": given.encoder, "checkpoint": given.checkpoint}]
        else:
            random = RANDOM_VIT | {"checkpoint": random_weights(Path(folder), given.seed)}
            configs = [{"name": "stain_texture"}, random]
        rows = [row for config in configs for row in measure(image, config, given.seed)]
    record = {"slide": str(given.slide or f"phantom, seed {given.seed}"), "rows": rows}
    write_json(given.json, record)


def entry_from(config: dict[str, Any]) -> EncoderEntry:
    """Return the entry that a section of the configuration means."""
    return entry_of(EncoderSettings(**config), read_catalogue())


def measure(image: Pixels, config: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """Compare a slide with its turned self, with and without averaging; print and return rows."""
    entry = entry_from(config)
    side, checkpoint = entry.input_px or 224, config.get("checkpoint")
    grid, turned_grid = cut(image, side), cut(np.rot90(image), side)
    where = np.argwhere([[is_tissue(tile) for tile in row] for row in grid])
    # np.rot90 brings row r, column c to row (columns - 1 - c), column r.
    turned_where = np.stack([grid.shape[1] - 1 - where[:, 1], where[:, 0]], axis=1)
    say(
        f"{config['name']}: {len(where)} tiles\n"
        f"{'symmetry':18}{'embeddings moved':>18}{'nearest moved':>15}"
        f"{'clusters':>12}{'labels moved':>14}{'Rand':>8}"
    )
    for symmetry in ("none", "d4"):
        position = entry.model_copy(update={"symmetry": symmetry})
        encoder = make_encoder(position, side, Path(checkpoint) if checkpoint else None)
        as_is = encode(encoder, grid[tuple(where.T)])
        turned = encode(encoder, turned_grid[tuple(turned_where.T)])
        before = labels_of(as_is, where, seed)
        if symmetry == "none":
            alone = labels_of(as_is, turned_where, seed)
            yield report(config["name"], "positions alone", (0.0, 0.0), before, alone)
        after = labels_of(turned, turned_where, seed)
        shift = moved(as_is, turned), nearest_moved(as_is, turned, seed)
        yield report(config["name"], symmetry, shift, before, after)


def report(
    encoder: str, symmetry: str, shift: tuple[float, float], before: Labels, after: Labels
) -> dict[str, Any]:
    """Print and return what changed between two labellings of the same tiles."""
    table = confusion_matrix(before, after)
    share = 1 - table[linear_sum_assignment(-table)].sum() / len(before)
    rand = float(adjusted_rand_score(before, after))
    counts = f"{before.max() + 1} and {after.max() + 1}"
    say(f"{symmetry:18}{shift[0]:18.2%}{shift[1]:15.1%}{counts:>12}{share:14.1%}{rand:8.3f}")
    return {
        "encoder": encoder,
        "symmetry": symmetry,
        "n_tiles": len(before),
        "embeddings_moved": shift[0],
        "nearest_moved": shift[1],
        "clusters": [int(before.max()) + 1, int(after.max()) + 1],
        "labels_moved": float(share),
        "adjusted_rand_index": rand,
    }


def moved(as_is: Embeddings, turned: Embeddings) -> float:
    """Mean distance between a tile and itself turned, over that of tiles from their mean."""
    spread = np.linalg.norm(as_is - as_is.mean(axis=0), axis=1).mean()
    return float(np.linalg.norm(turned - as_is, axis=1).mean() / spread)


def nearest_moved(as_is: Embeddings, turned: Embeddings, seed: int) -> float:
    """Share of tiles whose nearest cluster of unit vectors changes, fitted to tiles as they lie."""
    means = KMeans(CLUSTERS, n_init=5, random_state=seed).fit(normalize(as_is))
    return float((means.predict(normalize(turned)) != means.labels_).mean())


def labels_of(embeddings: Embeddings, where: Ints, seed: int) -> Labels:
    """Cluster tiles as the workflow does by default, without the restarts."""
    coords = where[:, ::-1].copy()
    return cluster_tiles(embeddings, coords, 1.0, ClusteringSettings(restarts=0), seed).labels


def encode(encoder: Encoder, tiles: Pixels) -> Embeddings:
    batches = range(0, len(tiles), BATCH)
    return np.concatenate([encoder.encode(tiles[i : i + BATCH]) for i in batches])


def cut(image: Pixels, side: int) -> Pixels:
    """Cut a picture whose sides are multiples of `side` into (rows, columns, side, side, 3)."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    return image.reshape(rows, side, columns, side, 3).swapaxes(1, 2)


def is_tissue(tile: Pixels) -> bool:
    saturation = cv2.cvtColor(np.ascontiguousarray(tile), cv2.COLOR_RGB2HSV)[..., 1]
    return bool((saturation >= LEAST_SATURATION).mean() >= LEAST_TISSUE)


def whole_tiles(image: Pixels, side: int = 448) -> Pixels:
    """Leave away what is over at the right and the bottom, so that the lattice turns with it."""
    height, width = (extent // side * side for extent in image.shape[:2])
    return image[:height, :width]


def read_slide(path: Path, mpp: float | None) -> Pixels:
    with open_slide(path) as slide:
        scale = mpp or slide.info.mpp_x
        if scale is None:
            sys.exit(f"{path} does not say its scale: --mpp")
        size = int(slide.info.width * scale / MPP), int(slide.info.height * scale / MPP)
        return whole_tiles(read_rectangle(slide, 0, 0, MPP / scale, size))


def paint_phantom(n_tiles: int) -> Pixels:
    settings = PhantomSettings(n_slides=4, epithelial_tiles=n_tiles, seed=314, share_40x=0.0)
    plans = plan_cohort(settings)
    most = max(plans, key=lambda plan: plan.n_subclones)
    return whole_tiles(render_phantom(most).image)


def random_weights(folder: Path, seed: int) -> str:
    """Write weights that keep the variance of what passes, so that no layer is idle."""
    model = create_architecture(entry_from(RANDOM_VIT | {"checkpoint": "to be written"}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                inputs = parameter[0].numel()
                parameter.normal_(std=inputs**-0.5, generator=generator)
    path = folder / "random.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    return str(path)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
