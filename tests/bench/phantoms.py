"""Do encoders find the planted subclones of phantoms: the one by hand, and a network's layers.

    .venv/bin/python tests/bench/phantoms.py [--slides N] [--jobs N] [--out FILE]

On slides of the demo's cohort with two or more subclones, with each encoder:

- `accuracy`: balanced accuracy with which a linear discriminant tells the subclones of a slide's
  tumour tiles apart, blocks of 0.56 mm in four folds that are left out in turn.
- `ari`, `n_clusters`: what the clustering makes of all epithelial tiles, as the demo does; its
  adjusted Rand index with the subclones over tumour tiles, and how many are mostly tumour.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from bench.fill import ENCODERS, Picture
from bench.running import ROOT, Json, circumstances, run_all
from histohet.agreement.truth import agree
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringSettings
from histohet.common.files import write_json
from histohet.encoders.pixels import MaskSource, TileSource
from histohet.epithelium.base import MaskRules
from histohet.phantoms.plan import TILE_UM, PhantomPlan, plan_cohort
from histohet.phantoms.render import EPITHELIAL, render_phantom, write_phantom
from histohet.phantoms.settings import PhantomSettings
from histohet.slides.frame import Frame

DEMO = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
ENGINE = ClusteringSettings(**DEMO["clustering"])
CLASSES = (3, 12)
TILE_PX = 224
BLOCK_TILES = 5
SEED = 0


def measure(plan: PhantomPlan) -> Json:
    """Measure every encoder on one phantom."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        phantom = render_phantom(plan)
        paths = {role: folder / role for role in ("labels", "attention", "truth")}
        write_phantom(phantom, plan, slide=folder / "slide.svs", **paths)
        height, width = phantom.image.shape[:2]
        tiles = phantom.truth[phantom.truth["epithelium_fraction"] > EPITHELIAL]
        source = TileSource(
            str(folder / "slide.svs"),
            TILE_UM / plan.mpp,
            TILE_PX,
            mask=MaskSource(str(paths["labels"]), MaskRules(CLASSES), Frame(0, 0, width, height)),
        )
        coords, subclones = tiles[["x", "y"]].to_numpy(), tiles["subclone"].to_numpy()
        white = (255, 255, 255)
        picture = Picture(
            plan.slide, source, white, coords, tiles["epithelium_fraction"].to_numpy()
        )
        found = {}
        for encoder, settings in ENCODERS.items():
            fill = "zero" if encoder == "stain_texture" else "pool"
            features = picture.embed(settings, fill, np.arange(len(coords)))
            found[encoder] = of_encoder(features, coords, source.side_px, subclones)
    return {"slide": plan.slide, "planted": plan.n_subclones, "encoders": found}


def of_encoder(
    features: np.ndarray, coords: np.ndarray, side_px: float, subclones: np.ndarray
) -> Json:
    """Figures of one encoder from its embeddings (N, D) of epithelial tiles."""
    clusters = cluster_tiles(features, coords, side_px, ENGINE, SEED)
    n_subclones = int(subclones.max())
    agreement = agree(subclones, n_subclones, clusters.start, clusters.raw, clusters.labels)
    tumour = subclones > 0
    block = np.floor(coords / (BLOCK_TILES * side_px)).astype(int) @ (1, 10_000)
    accuracy = told_apart(features[tumour], subclones[tumour], block[tumour])
    of_tumour = [tumour[clusters.labels == k].mean() > 0.5 for k in range(clusters.n_clusters)]
    return {"accuracy": accuracy, "ari": agreement.ari, "n_clusters": int(sum(of_tumour))}


def told_apart(features: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> float:
    """Balanced accuracy on groups of tiles that were left out."""
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=SEED)
    predicted = cross_val_predict(model, features, truth, groups=groups, cv=folds)
    return float(balanced_accuracy_score(truth, predicted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=10)
    parser.add_argument("--tiles", type=int, default=DEMO["phantoms"]["epithelial_tiles"])
    parser.add_argument("--out", type=Path, default=Path("results/bench/phantoms.json"))
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    settings = PhantomSettings(**(DEMO["phantoms"] | {"epithelial_tiles": arguments.tiles}))
    # Pen and blur are not the encoders' fault.
    plans = [
        dataclasses.replace(plan, pen=None, blurred_patches=0)
        for plan in plan_cohort(settings)
        if plan.n_subclones > 1
    ][: arguments.slides]
    results = run_all(measure, plans, [1.0] * len(plans), arguments.jobs)
    mean = {
        encoder: {
            key: float(np.mean([result["encoders"][encoder][key] for result in results]))
            for key in ("accuracy", "ari")
        }
        for encoder in ENCODERS
    }
    write_json(arguments.out, {"mean": mean, "slides": results, **circumstances(arguments)})
    sys.stdout.write(table(results, mean))


def table(results: list[Json], mean: Json) -> str:
    """Return a line for every slide, and the means."""
    lines = []
    for result in results:
        cells = [
            f"{encoder} {of['accuracy']:.2f}, ARI {of['ari']:.2f}, {of['n_clusters']} found"
            for encoder, of in result["encoders"].items()
        ]
        lines.append(f"{result['slide']}, {result['planted']} planted: " + "; ".join(cells))
    for encoder, of in mean.items():
        lines.append(f"{encoder}: " + ", ".join(f"{key} {value:.3f}" for key, value in of.items()))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
