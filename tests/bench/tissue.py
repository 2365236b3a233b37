"""Measure the clustering engine on real tissue: does one number come out, and is it the right one.

    .venv/bin/python tests/bench/tissue.py [--sections stability turned ...] [--slides C2 tcga ...]
        [--encoders stain_texture ...] [--engines default paper] [--seeds N] [--jobs N]

Real sections (`real_tissue`) with real features, default engine and `paper` side by side:

- ``stability``: the same section with other seeds (`seed_ari`) and 80 % of its tiles
  (`resample_ari`): mean adjusted Rand index of all pairs, on the tiles that both have in a cluster.
  Width of the interval of the number, whether the number lies inside, share of tiles set aside, and
  how well a cluster matches the band of muscle of section C2 (Dice).
- ``turned``: share of labels that move when the section is turned, mirrored, moved, or its rows are
  shuffled, with the embeddings as they are.
- ``shuffled``: how often not more clusters are found when the tiles swap places at random.
- ``nulls``: how often one cluster is found where there is one: smooth drift alone, noise alone, a
  slide of one region, each kind of real tissue alone.
- ``collages``: planted and found number of kinds of real tissue (`collages`).

Embeddings are kept in `--cache`, so a section is encoded once. Sections of the benchmark may run on
their own; each writes its figures into one JSON, with the key of the headline by engine and
encoder.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from bench.collages import MUSCLE_OF_C2, PITCH_PX, POOLS, make_collage, planned, tiles_of_kind
from bench.real_tissue import ENCODERS, GLEASON, HER2ST, Embedded, load
from bench.running import ROOT, Json, circumstances, one_thread, run_all, say
from bench.synthetic_slides import PITCH_PX as SYNTHETIC_PITCH_PX
from bench.synthetic_slides import make_slide
from histohet.clustering.cluster import cluster_tiles
from histohet.clustering.settings import ClusteringSettings
from histohet.common.arrays import Bools, Ints
from histohet.common.files import read_json, write_json
from histohet.tiles.lattice import surrounded
from histohet.tiles.settings import TileSettings
from histohet.tissue.share import MOSTLY_GLASS

SECTIONS = ("stability", "turned", "shuffled", "nulls", "collages")
SLIDES = (*HER2ST, "C2_56", "tcga", "skin", *GLEASON, "testB_17", "testA_13", "train_80")
ENGINES = {"default": ClusteringSettings(), "paper": ClusteringSettings(procedure="paper")}
SEEDS, RESAMPLES, COLLAGES = 20, 10, 2
RESAMPLED_SHARE = 0.8
SHUFFLES = 3
# Nulls drawn: so many of each, of so many tiles, with features so wide.
NULLS, NULL_TILES, NULL_WIDTH = 10, 600, 256
# Drift varies over so many tiles, in so many directions; beside it lies next to nothing.
DRIFT_TILES, DRIFT_DIRECTIONS, DRIFT_NOISE = 5.0, 12, 0.05
# A piece of a kind with fewer tiles is no test.
LEAST_NULL_TILES = 60


@dataclass(frozen=True)
class Found:
    """What the engine says of a slide: labels with -1 set aside, the number and its interval."""

    labels: Ints
    n_clusters: int
    low: int | None
    high: int | None


def cluster(engine: str, tiles: Embedded, seed: int) -> Found:
    """Cluster tiles with an engine, as `cluster_slide` does: ours sets those at the rim aside."""
    n = len(tiles)
    rows = np.arange(n)
    if tiles.at_rim is not None and engine == "default":
        rows = np.flatnonzero(~tiles.at_rim)
    part = tiles.of(rows)
    found = cluster_tiles(part.features, part.coords, part.pitch_px, ENGINES[engine], seed)
    found = found.among(rows, n)
    low, high = found.certainty.n_all_clusters_low, found.certainty.n_all_clusters_high
    return Found(found.labels.astype(np.int64), found.n_clusters, low, high)


# --- Stability: the same section again ---


def stability(args: argparse.Namespace) -> tuple[Json, Json]:
    """Seeds and resamples of the real sections."""
    tasks = [
        (slide, encoder, engine, args.seeds, args.resamples, places(args))
        for slide, encoder, engine in itertools.product(args.slides, args.encoders, args.engines)
    ]
    rows = run_all(stability_of, tasks, weights(tasks), args.jobs)
    say("\nstability: clusters found, ARI over seeds and 80 % resamples, width of the interval")
    for row in rows:
        line = f"{row['slide']:17s} {row['encoder']:23s} {row['engine']:8s}{row['tiles']:6d} tiles"
        line += f" {row['found_low']}-{row['found_high']}  seeds {shown(row['seed_ari'])}"
        line += f"  resamples {shown(row['resample_ari'])}  width {row['interval_width']}"
        line += f"  set aside {row['outlier_share']:.3f}"
        line += f"  muscle {row['muscle_dice']:.2f}" if row["muscle_dice"] is not None else ""
        say(f"{line}  {row['cpu_s']:.1f} s")
    headline = {
        "seed_ari": by_engine(rows, "seed_ari", np.min),
        "resample_ari": by_engine(rows, "resample_ari", np.min),
        "interval_width": by_engine(rows, "interval_width", np.median),
        "inside_interval_share": by_engine(rows, "inside_interval_share", np.mean),
        "muscle_dice": by_engine(rows, "muscle_dice", np.min),
        "outlier_share": by_engine(rows, "outlier_share", np.mean),
    }
    return headline, {"slides": rows}


def shown(figure: float | None) -> str:
    """Return a figure in words; of one seed or one resample there is no pair to compare."""
    return "-" if figure is None else f"{figure:.3f}"


def stability_of(task: tuple[str, str, str, int, int, Places]) -> Json:
    """Cluster a section with several seeds, and with part of its tiles."""
    slide, encoder, engine, n_seeds, n_resamples, where = task
    tiles = where.load(slide, encoder)
    before = time.process_time()
    whole = [cluster(engine, tiles, seed) for seed in range(n_seeds)]
    cpu_s = (time.process_time() - before) / n_seeds
    parts = [resampled(engine, tiles, seed) for seed in range(n_resamples)]
    with_interval = [f for f in whole if f.low is not None and f.high is not None]
    inside = [f.low <= f.n_clusters <= f.high for f in with_interval]  # type: ignore[operator]
    widths = [f.high - f.low for f in with_interval]  # type: ignore[operator]
    dice = [muscle_dice(f, tiles) for f in whole] if slide in ("C2", "C2_56") else []
    return {
        "slide": slide,
        "encoder": encoder,
        "engine": engine,
        "tiles": len(tiles),
        "found": [f.n_clusters for f in whole],
        "found_low": min(f.n_clusters for f in whole),
        "found_high": max(f.n_clusters for f in whole),
        "found_in_resamples": [int(labels.max(initial=-1)) + 1 for labels in parts],
        "seed_ari": mean_pairwise_ari([f.labels for f in whole]),
        "resample_ari": mean_pairwise_ari(parts),
        "interval_width": float(np.median(widths)) if widths else None,
        "inside_interval_share": float(np.mean(inside)) if inside else None,
        "muscle_dice": float(np.median(dice)) if dice else None,
        "muscle_dice_least": min(dice, default=None),
        "outlier_share": float(np.mean([(f.labels < 0).mean() for f in whole])),
        "cpu_s": cpu_s,
    }


NOT_DRAWN = -2


def resampled(engine: str, tiles: Embedded, seed: int) -> Ints:
    """Return labels (N,) of 80 % of the tiles, clustered on their own; the others `NOT_DRAWN`."""
    rng = np.random.default_rng([len(tiles), seed])
    drawn = np.sort(rng.choice(len(tiles), round(RESAMPLED_SHARE * len(tiles)), replace=False))
    labels = np.full(len(tiles), NOT_DRAWN)
    labels[drawn] = cluster(engine, tiles.of(drawn), seed).labels
    return labels


def mean_pairwise_ari(labellings: Sequence[Ints]) -> float | None:
    """Mean adjusted Rand index of all pairs, on the tiles that both have in a cluster."""
    pairs = list(itertools.combinations(labellings, 2))
    return float(np.mean([ari(a, b) for a, b in pairs])) if pairs else None


def ari(a: Ints, b: Ints) -> float:
    """Adjusted Rand index on the tiles that both labellings have in a cluster."""
    both = (a >= 0) & (b >= 0)
    return float(adjusted_rand_score(a[both], b[both]))


def muscle_dice(found: Found, tiles: Embedded) -> float:
    """Dice of the cluster that matches the band of muscle best."""
    band = shapely.contains_xy(
        shapely.Polygon(MUSCLE_OF_C2), *(tiles.coords + tiles.pitch_px / 2).T
    )
    return max(
        (dice(found.labels == label, band) for label in range(found.n_clusters)), default=0.0
    )


def dice(a: Bools, b: Bools) -> float:
    """Dice coefficient of two sets of tiles."""
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


# --- Turned: nothing but the tiles decides ---


def turned(args: argparse.Namespace) -> tuple[Json, Json]:
    """Share of labels that move when only positions and order of the tiles change."""
    tasks = [
        (slide, encoder, engine, places(args))
        for slide, encoder, engine in itertools.product(args.slides, args.encoders, args.engines)
    ]
    rows = run_all(turned_of, tasks, weights(tasks), args.jobs)
    say("\nturned: largest and mean share of labels that move; of labels with another number")
    for row in rows:
        say(
            f"{row['slide']:17s} {row['encoder']:23s} {row['engine']:8s}"
            f" {row['moved_most']:.4f} {row['moved']:.4f} {row['renumbered']:.4f}"
        )
    return {"turned_labels_moved": by_engine(rows, "moved_most", np.max)}, {"slides": rows}


def turned_of(task: tuple[str, str, str, Places]) -> Json:
    """Cluster a section as it lies and changed, with one seed."""
    slide, encoder, engine, where = task
    tiles = where.load(slide, encoder)
    as_it_lies = cluster(engine, tiles, 0).labels
    changed = list(labels_of_changed(engine, tiles))
    moved = [share_moved(as_it_lies, labels) for labels in changed]
    return {
        "slide": slide,
        "encoder": encoder,
        "engine": engine,
        "moved_most": max(moved),
        "moved": float(np.mean(moved)),
        "renumbered": float(np.mean([(as_it_lies != labels).mean() for labels in changed])),
    }


def labels_of_changed(engine: str, tiles: Embedded) -> Iterator[Ints]:
    """Yield labels of the tiles turned and mirrored in the seven other ways, moved, shuffled."""
    x, y = tiles.coords.T
    right, bottom = x.max(), y.max()
    turns = [(y, x), (right - x, y), (x, bottom - y), (right - x, bottom - y)]
    turns += [(bottom - y, x), (y, right - x), (bottom - y, right - x), (x + 12_345, y + 678)]
    for coords in turns:
        again = replace(tiles, coords=np.stack(coords, axis=1))
        yield cluster(engine, again, 0).labels
    order = np.random.default_rng(0).permutation(len(tiles))
    labels = np.empty(len(tiles), np.int64)
    labels[order] = cluster(engine, tiles.of(order), 0).labels
    yield labels


def share_moved(a: Ints, b: Ints) -> float:
    """Share of tiles that change their cluster, clusters matched to agree best."""
    table = contingency_matrix(a, b)
    return float(1 - table[linear_sum_assignment(-table)].sum() / len(a))


# --- Shuffled: positions that mean nothing ---


def shuffled(args: argparse.Namespace) -> tuple[Json, Json]:
    """How often shuffled positions give not more clusters than the true ones."""
    tasks = [
        (slide, encoder, engine, places(args))
        for slide, encoder, engine in itertools.product(args.slides, args.encoders, args.engines)
    ]
    rows = run_all(shuffled_of, tasks, weights(tasks), args.jobs)
    say("\nshuffled: clusters found with true positions, and with shuffled ones")
    for row in rows:
        line = f"{row['slide']:17s} {row['encoder']:23s} {row['engine']:8s} {row['found']}"
        say(f"{line} -> {row['found_shuffled']}")
    return {"shuffled_not_more_share": by_engine(rows, "not_more", np.mean)}, {"slides": rows}


def shuffled_of(task: tuple[str, str, str, Places]) -> Json:
    """Cluster a section with its positions shuffled."""
    slide, encoder, engine, where = task
    tiles = where.load(slide, encoder)
    found = cluster(engine, tiles, 0).n_clusters
    numbers = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(tiles))
        mixed = replace(tiles, coords=tiles.coords[order])
        numbers.append(cluster(engine, mixed, 0).n_clusters)
    return {
        "slide": slide,
        "encoder": encoder,
        "engine": engine,
        "found": found,
        "found_shuffled": numbers,
        "not_more": float(np.mean([number <= found for number in numbers])),
    }


# --- Nulls: one tissue is one cluster ---


def nulls(args: argparse.Namespace) -> tuple[Json, Json]:
    """How often one is found where there is one."""
    drawn = [(kind, "none", seed) for kind in NULL_SLIDES for seed in range(args.nulls)]
    real = [
        (f"{pool}/{kind}", encoder, 0)
        for pool, kinds in POOLS.items()
        for kind in kinds
        for encoder in args.encoders
    ]
    tasks = [(*null, engine, places(args)) for null in drawn + real for engine in args.engines]
    rows = [row for row in run_all(null_of, tasks, weights(tasks), args.jobs) if row is not None]
    say("\nnulls: share found as one, numbers found")
    for row in summed_by(rows, ("null", "encoder", "engine")):
        say(
            f"{row['null']:28s} {row['encoder']:23s} {row['engine']:8s}"
            f" {row['as_one']:.2f}  {row['found']}"
        )
    headline = by_engine(rows, "as_one", np.mean)
    return {"null_as_one_share": headline}, {"slides": rows}


def null_of(task: tuple[str, str, int, str, Places]) -> Json | None:
    """Cluster a slide of one tissue; None if too small a piece of it is known."""
    null, encoder, seed, engine, where = task
    if null in NULL_SLIDES:
        tiles = NULL_SLIDES[null](seed)
    else:
        tiles = where.kind(*null.split("/", 1), encoder)
        if len(tiles) < LEAST_NULL_TILES:
            return None
    found = cluster(engine, tiles, seed).n_clusters
    row = {"null": null, "encoder": encoder, "engine": engine, "tiles": len(tiles)}
    return row | {"found": found, "as_one": float(found == 1)}


def one_region(seed: int) -> Embedded:
    """Return a synthetic slide of one region: noise of tiles with drift over the slide."""
    slide = make_slide(NULL_TILES, 1, seed)
    return Embedded(slide.features, slide.coords, float(SYNTHETIC_PITCH_PX), np.ones(NULL_TILES))


def noise_alone(seed: int) -> Embedded:
    """Return independent tiles."""
    tiles = one_region(seed)
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((NULL_TILES, NULL_WIDTH), dtype=np.float32)
    return Embedded(features, tiles.coords, tiles.pitch_px, tiles.tissue_share)


def drift_alone(seed: int) -> Embedded:
    """Return tiles that differ by smooth fields over the slide and next to nothing else."""
    tiles = one_region(seed)
    rng = np.random.default_rng(seed)
    rows, columns = (tiles.coords[:, ::-1] // SYNTHETIC_PITCH_PX).T
    shape = (rows.max() + 1, columns.max() + 1)
    features = rng.standard_normal((NULL_TILES, NULL_WIDTH)) * DRIFT_NOISE
    for _ in range(DRIFT_DIRECTIONS):
        field = gaussian_filter(rng.standard_normal(shape), DRIFT_TILES)
        direction = rng.standard_normal(NULL_WIDTH) / NULL_WIDTH**0.5
        features += np.outer(field[rows, columns] / field.std(), direction)
    return Embedded(features.astype(np.float32), tiles.coords, tiles.pitch_px, tiles.tissue_share)


NULL_SLIDES: dict[str, Callable[[int], Embedded]] = {
    "drift alone": drift_alone,
    "noise alone": noise_alone,
    "one region": one_region,
}


# --- Collages: a known number ---


def collages(args: argparse.Namespace) -> tuple[Json, Json]:
    """Planted and found number of kinds of real tissue."""
    tasks = [
        (*plan, encoder, engine, places(args))
        for plan in planned(args.collages)
        for encoder in args.encoders
        for engine in args.engines
    ]
    rows = run_all(collage_of, tasks, weights(tasks), args.jobs)
    say("\ncollages: planted -> found, adjusted Rand index")
    for row in rows:
        say(
            f"{row['pool']:7s} {row['encoder']:23s} {row['engine']:8s} {row['tiles']:5d} tiles"
            f" {row['planted']} -> {row['found']}  {row['ari']:.3f}"
            f"  set aside {row['outlier_share']:.3f}"
        )
    headline = {
        "collage_exact_share": by_engine(rows, "exact", np.mean),
        "collage_within_one_share": by_engine(rows, "within_one", np.mean),
        "collage_median_ari": by_engine(rows, "ari", np.median),
    }
    return headline, {"slides": rows}


def collage_of(task: tuple[str, int, int, str, str, Places]) -> Json:
    """Make a collage and cluster it."""
    pool, planted, seed, encoder, engine, where = task
    # The kinds hang on the pool and the seed alone, so that all encoders and engines see the same.
    names = np.random.default_rng([planted, seed]).permutation(list(POOLS[pool]))[:planted]
    collage = make_collage([where.kind(pool, name, encoder) for name in names], seed)
    tiles = Embedded(collage.features, collage.coords, PITCH_PX, np.ones(len(collage.kinds)))
    found = cluster(engine, tiles, seed)
    excess = found.n_clusters - planted
    return {
        "pool": pool,
        "kinds": names.tolist(),
        "planted": planted,
        "seed": seed,
        "encoder": encoder,
        "engine": engine,
        "tiles": len(tiles),
        "found": found.n_clusters,
        "exact": float(excess == 0),
        "within_one": float(abs(excess) <= 1),
        "ari": ari(found.labels, collage.kinds),
        "outlier_share": float((found.labels < 0).mean()),
    }


# --- Running and writing ---


@dataclass(frozen=True)
class Places:
    """Where pictures and embeddings lie, and which tiles count."""

    data: Path
    cache: Path
    tissue_share: float
    rim_tissue_share: float

    def load(self, slide: str, encoder: str) -> Embedded:
        """Return the tiles of a section that are tissue enough."""
        tiles = load(slide, encoder, self.data, self.cache)
        share, pitch_px = tiles.tissue_share, tiles.pitch_px
        inside = surrounded(tiles.coords, share >= MOSTLY_GLASS, pitch_px, pitch_px)
        tiles = replace(tiles, at_rim=(share < self.rim_tissue_share) & ~inside)
        return tiles.of(np.flatnonzero(share >= self.tissue_share))

    def kind(self, pool: str, name: str, encoder: str) -> Embedded:
        """Return the tiles of a kind."""
        kind = POOLS[pool][name]
        tiles = load(kind.section, encoder, self.data, self.cache)
        return tiles.of(tiles_of_kind(kind, tiles, self.data))


def places(args: argparse.Namespace) -> Places:
    return Places(args.data, args.cache, args.tissue_share, args.rim_tissue_share)


def weights(tasks: Sequence[tuple[Any, ...]]) -> list[float]:
    """Weigh tasks: the published procedure takes long."""
    return [1 + 20 * ("paper" in task) for task in tasks]


def by_engine(rows: Sequence[Json], key: str, summary: Callable[[Sequence[float]], Any]) -> Json:
    """Summarise a figure by engine and encoder, leaving out rows without it."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row[key] is not None:
            groups.setdefault((row["engine"], row["encoder"]), []).append(row[key])
            groups.setdefault((row["engine"], "all"), []).append(row[key])
    found: Json = {}
    for (engine, encoder), values in groups.items():
        found.setdefault(engine, {})[encoder] = float(summary(values))
    return found


def summed_by(rows: Sequence[Json], keys: tuple[str, ...]) -> Iterator[Json]:
    """Yield one row for the rows that agree in `keys`."""
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        members = [row for row in rows if tuple(row[k] for k in keys) == key]
        yield dict(zip(keys, key, strict=True)) | {
            "as_one": np.mean([row["as_one"] for row in members]),
            "found": [row["found"] for row in members],
        }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--slides", nargs="+", default=list(SLIDES), help="names of `real_tissue`")
    parser.add_argument("--encoders", nargs="+", choices=list(ENCODERS), default=list(ENCODERS))
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of `stability`")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help="of `stability`")
    parser.add_argument("--collages", type=int, default=COLLAGES, help="of each pool and number")
    parser.add_argument("--nulls", type=int, default=NULLS, help="of each kind that is drawn")
    parser.add_argument(
        "--tissue-share",
        type=float,
        default=TileSettings().min_tissue_share,
        help="tiles with less tissue are left out",
    )
    parser.add_argument(
        "--rim-tissue-share",
        type=float,
        default=TileSettings().rim_tissue_share,
        help="tiles at the rim with less tissue are outliers",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    folder = ROOT / "results/bench"
    parser.add_argument("--out", type=Path, default=folder / "tissue.json")
    parser.add_argument("--cache", type=Path, default=folder / "cache", help="of embeddings")
    data = os.environ.get("HISTOHET_DATA")
    parser.add_argument("--data", type=Path, default=data, required=data is None)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    one_thread()
    run = {
        "stability": stability,
        "turned": turned,
        "shuffled": shuffled,
        "nulls": nulls,
        "collages": collages,
    }
    for section in args.sections:
        headline, details = run[section](args)
        so_far = read_json(args.out) if args.out.exists() else {}
        details = {section: {"run": circumstances(args), **details}}
        write_json(args.out, so_far | headline | details)
        say(f"{section} written to {args.out}")


if __name__ == "__main__":
    main(parse())
