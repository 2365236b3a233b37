"""Measure the clustering engine: speed, memory, gap of the minimiser, number of clusters found.

    .venv/bin/python tests/bench/clustering.py all|speed|scale|gap|count [--jobs N] ...

Each section prints a table and merges its figures into one JSON, so sections may run on their own
and on different machines (each says which). `--help` lists what limits a run. Two engines: ours
with its default parameters, `default`, and the library's option `paper`; `speed` sets both against
the plain implementation in `published.py`.

All that is measured runs in processes of its own, with one thread each and after a small slide that
compiles the code (numba), so no time is the compiler's. All times are CPU seconds, user + system;
cores that share caches with other work need more of them, so `speed` is best run with one job.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from bench.published import Q, cluster_as_published
from bench.real_tissue import REAL_SECTIONS, embed
from bench.running import ROOT, Json, circumstances, one_thread, peak_rss_gb, run_all, say
from bench.synthetic_slides import PITCH_PX, SEPARATIONS, make_slide
from histohet.clustering import cluster as engine
from histohet.clustering.potts.minimise import gap_percent, minimise
from histohet.clustering.potts.model import PottsModel
from histohet.clustering.published import cluster as library
from histohet.clustering.published.annealing import AnnealingSchedule, anneal
from histohet.clustering.published.cosine import edge_similarity, unary_cosine
from histohet.clustering.settings import ClusteringSettings
from histohet.common.code import code_hash
from histohet.common.files import read_json, write_json
from histohet.encoders.stain_texture.descriptor import StainTexture
from histohet.tiles.neighbours import knn_edges

ENGINES = ("default", "paper")
NOISES = ("gaussian", "heavy_tailed", "correlated")
# In an order in which any first few are spread out: a limited run is no run of few regions.
PLANTED = (4, 7, 1, 8, 3, 6, 2, 5)
SECTIONS = ("speed", "scale", "gap", "count")
SLIDES = {"speed": 3, "scale": 1, "gap": 1, "count": 24}
TILES = {
    "speed": (5_000,),
    "scale": (200_000,),
    "gap": (500, 2_000, 5_000, 20_000, 200_000),
    "count": (500, 2_000, 20_000),
}
# Sections with enough tiles.
REAL_SLIDES = ("skin", "C2_56")

WORST = ("source", "tiles", "q", "weights", "coupling")

# --- The engine: the only functions that know its parameters and insides ---


@dataclass(frozen=True)
class Run:
    """What an engine found on a slide; CPU seconds of everything and of the Potts stage alone."""

    labels: np.ndarray
    n_clusters: int
    gap_percent: float | None
    cpu_s: float
    potts_cpu_s: float


# What an engine does where the published procedure computes unary terms and anneals.
POTTS_STAGE = {"default": (engine, ("_smooth",)), "paper": (library, ("cosine_energy", "_smooth"))}
# With all that the workflow does by default, uncertainty included.
SETTINGS = {
    "default": ClusteringSettings(),
    "paper": ClusteringSettings(procedure="paper"),
}


def run_engine(name: str, features: np.ndarray, coords: np.ndarray, seed: int) -> Run:
    """Cluster a slide with the engine `name`."""
    with cpu_of(*POTTS_STAGE[name]) as potts:
        before = time.process_time()
        found = engine.cluster_tiles(features, coords, PITCH_PX, SETTINGS[name], seed)
        cpu_s = time.process_time() - before
    gap = found.certainty.gap_percent
    return Run(found.labels, found.n_clusters, gap, cpu_s, potts["cpu_s"])


def minimise_by_cuts(model: PottsModel, start: np.ndarray) -> tuple[float, float]:
    """Return energy and lower bound of the default minimiser."""
    found = minimise(model, start)
    return found.energy, found.lower_bound


def minimise_by_annealing(model: PottsModel, start: np.ndarray) -> float:
    """Return the energy that the minimiser of `paper` reaches."""
    return anneal(model, start, AnnealingSchedule(), np.random.default_rng(0)).energy


@contextmanager
def cpu_of(module: Any, names: Sequence[str]) -> Iterator[dict[str, float]]:
    """Measure, inside the block, the CPU seconds that `module` spends in functions it calls."""
    spent = {"cpu_s": 0.0}
    originals = {name: getattr(module, name) for name in names}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            before = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent["cpu_s"] += time.process_time() - before

        return call

    try:
        for name, function in originals.items():
            setattr(module, name, timed(function))
        yield spent
    finally:
        for name, function in originals.items():
            setattr(module, name, function)


# --- Speed: plain and compiled, same slide, same process ---


def speed(args: argparse.Namespace) -> tuple[Json, Json]:
    """CPU seconds of the plain published procedure over those of the engines."""
    slides = [
        (n_tiles, (3, 5, 8)[i % 3], i)
        for n_tiles in args.tiles or TILES["speed"]
        for i in range(args.slides or SLIDES["speed"])
    ]
    rows = run_all(
        speed_of_slide, slides, [n_tiles for n_tiles, _, _ in slides], args.jobs, warm_up=warm_up
    )
    say("\nspeed: CPU s of a whole slide (of the Potts stage), medium separation")
    say("  tiles planted   plain, as published      default              paper         found")
    for row in rows:
        whole = [
            f"{row[name]['cpu_s']:9.2f} ({row[name]['potts_cpu_s']:9.3f})"
            for name in ("published", *ENGINES)
        ]
        found = "/".join(str(row[name]["found"]) for name in ("published", *ENGINES))
        say(f"{row['tiles']:7d} {row['planted']:4d}  " + "  ".join(whole) + f"  {found}")
    headline: Json = {"slide_cpu_ratio_with_uncertainty": {}, "potts_cpu_ratio": {}}
    ranges: Json = {}
    for name in ENGINES:
        for key, part in (
            ("slide_cpu_ratio_with_uncertainty", "cpu_s"),
            ("potts_cpu_ratio", "potts_cpu_s"),
        ):
            ratios = [row["published"][part] / row[name][part] for row in rows]
            headline[key][name] = statistics.median(ratios)
            ranges.setdefault(key, {})[name] = [min(ratios), max(ratios)]
            say(f"{key} {name}: median {headline[key][name]:.0f}x, least {min(ratios):.0f}x")
    return headline, {"slides": rows, "range": ranges}


def speed_of_slide(task: tuple[int, int, int]) -> Json:
    """Run all three on one slide. An engine of seconds is measured three times: the median."""
    n_tiles, planted, seed = task
    slide = make_slide(n_tiles, planted, seed)
    plain = cluster_as_published(slide.features, slide.coords, seed)
    row: Json = {"tiles": n_tiles, "planted": planted, "seed": seed}
    row["published"] = {
        "cpu_s": sum(plain.cpu_s.values()),
        "potts_cpu_s": plain.cpu_s["potts"],
        "by_stage": plain.cpu_s,
        "proposals": [annealed.n_proposals for annealed in plain.rounds],
        "found": plain.n_clusters,
        "ari": adjusted_rand_score(slide.regions, plain.labels),
    }
    for name in ENGINES:
        runs = [run_engine(name, slide.features, slide.coords, seed)]
        if runs[0].cpu_s < 10:
            runs += [run_engine(name, slide.features, slide.coords, seed) for _ in range(2)]
        row[name] = {
            "cpu_s": statistics.median(run.cpu_s for run in runs),
            "potts_cpu_s": statistics.median(run.potts_cpu_s for run in runs),
            "found": runs[0].n_clusters,
            "ari": adjusted_rand_score(slide.regions, runs[0].labels),
        }
    return row


# --- Scale: one huge slide from disk ---


def scale(args: argparse.Namespace) -> tuple[Json, Json]:
    """CPU seconds and peak memory of the default engine on a memory-mapped slide."""
    rows = []
    for n_tiles in args.tiles or TILES["scale"]:
        with tempfile.TemporaryDirectory() as folder:
            # Two processes one after the other: memory of the generator is not counted.
            run_all(write_slide, [(folder, n_tiles)], [1], 1, warm_up=warm_up)
            rows += run_all(scale_of_slide, [folder], [1], 1, warm_up=warm_up)
    say("\nscale: default engine, features memory-mapped from disk")
    say("  tiles   CPU s  peak resident GB (mapped pages included)  planted/found   ARI  gap %")
    for row in rows:
        say(
            f"{row['tiles']:7d} {row['cpu_s']:7.1f} {row['peak_rss_gb']:10.2f}"
            f" {row['planted']:33d}/{row['found']:<7d}{row['ari']:7.3f}  {row['gap_percent']}"
        )
    return {}, {"slides": rows}


def write_slide(task: tuple[str, int]) -> None:
    folder, n_tiles = task
    slide = make_slide(n_tiles, 5, seed=0)
    for name in ("features", "coords", "regions"):
        np.save(Path(folder) / f"{name}.npy", getattr(slide, name))


def scale_of_slide(folder: str) -> Json:
    before = time.process_time()
    features, coords, regions = (
        np.load(Path(folder) / f"{name}.npy", mmap_mode="r")
        for name in ("features", "coords", "regions")
    )
    run = run_engine("default", features, coords, seed=0)
    cpu_s = time.process_time() - before
    return {
        "tiles": len(coords),
        "cpu_s": cpu_s,
        "peak_rss_gb": peak_rss_gb(),
        "planted": int(regions.max()) + 1,
        "found": run.n_clusters,
        "ari": adjusted_rand_score(regions, run.labels),
        "gap_percent": run.gap_percent,
    }


# --- Gap: how far above a proven lower bound the minimisers end ---


def gap(args: argparse.Namespace) -> tuple[Json, Json]:
    """Gap of both minimisers above the bound of the default one, on many models."""
    sizes = (args.tiles or TILES["gap"]) * (args.slides or SLIDES["gap"])
    tasks: list[tuple[str, Any, int]] = [("synthetic", n, i) for i, n in enumerate(sizes)]
    tasks += [("real", str(args.data), i) for i in range(len(REAL_SLIDES)) if args.data]
    weights = [size if isinstance(size, int) else 2_000 for _, size, _ in tasks]
    rows = [
        row
        for rows in run_all(gaps_of_slide, tasks, weights, args.jobs, warm_up=warm_up)
        for row in rows
    ]
    headline = {
        "max_gap_percent": {name: max(row[name]["gap_percent"] for row in rows) for name in ENGINES}
    }
    say(f"\ngap: {len(rows)} models; largest gap above the lower bound in %, CPU s of all models")
    if not args.data:
        say("no real slides: set HISTOHET_DATA or --data")
    say("source         tiles  models   default     CPU s     paper     CPU s")
    for source in dict.fromkeys((row["source"], row["tiles"]) for row in rows):
        members = [row for row in rows if (row["source"], row["tiles"]) == source]
        line = f"{source[0]:12s} {source[1]:7d} {len(members):7d}"
        for name in ENGINES:
            largest = max(row[name]["gap_percent"] for row in members)
            line += f" {largest:9.4f} {sum(row[name]['cpu_s'] for row in members):9.2f}"
        say(line)
    worst = max(rows, key=lambda row: row["default"]["gap_percent"])
    say("largest of default: " + ", ".join(f"{k} {worst[k]}" for k in WORST))
    return headline, {"instances": len(rows), "models": rows}


def gaps_of_slide(task: tuple[str, Any, int]) -> list[Json]:
    """Minimise all models of one slide."""
    kind, size, i = task
    with threadpool_limits(limits=1):
        if kind == "synthetic":
            slide = make_slide(size, PLANTED[i % len(PLANTED)], i, noise=NOISES[i % len(NOISES)])
            features, coords, source = slide.features, slide.coords, kind
        else:
            source = REAL_SLIDES[i]
            features, coords = real_features(source, Path(size))
        rows = []
        for model, start, description in models_of(features, coords):
            before = time.process_time()
            energy, bound = minimise_by_cuts(model, start)
            between = time.process_time()
            annealed = minimise_by_annealing(model, start)
            after = time.process_time()
            row = {"source": source, "tiles": len(coords), **description, "lower_bound": bound}
            row["default"] = gap_figures(model, energy, bound, between - before)
            row["paper"] = gap_figures(model, annealed, bound, after - between)
            rows.append(row)
        return rows


def gap_figures(model: PottsModel, energy: float, bound: float, cpu_s: float) -> Json:
    """Gap in percent of what labels can change, as the library has it, and of the whole energy.

    The second is the smaller, flattering one where the energy has a large constant (cosines), and
    without meaning where the energy is near zero.
    """
    return {
        "energy": energy,
        "gap_percent": float(gap_percent(model, energy, bound)),
        "gap_percent_of_energy": 100 * (energy - bound) / abs(energy) if energy else 0.0,
        "cpu_s": cpu_s,
    }


def models_of(
    features: np.ndarray, coords: np.ndarray
) -> Iterator[tuple[PottsModel, np.ndarray, Json]]:
    """Yield models, k-means labels to start from, and what they are.

    Cosine: the published energy with its edge weights times 1 or 0.05 (negative ones count as 0,
    the models are not minimisable by cuts otherwise). Unit: squared Mahalanobis distances from the
    centres in 20 principal components, halved, and edges that all weigh 3 or 0.5.
    """
    edges = knn_edges(coords, 8)
    cosine = np.maximum(edge_similarity(features, edges), 0)
    unit = np.ones(len(edges))
    embedding = PCA(20, svd_solver="randomized", random_state=0).fit_transform(features)
    for q in (2, 8, 20, 40) if len(coords) < 100_000 else (2, 20, 40):
        k_means = KMeans(q, n_init=1, random_state=0).fit(embedding)
        start = k_means.labels_.astype(np.int64)
        centres = np.array([features[start == k].mean(axis=0) for k in range(q)])
        white = whitening(embedding - k_means.cluster_centers_[start])
        tiles, means = embedding @ white, k_means.cluster_centers_ @ white
        distances = np.stack([((tiles - mean) ** 2).sum(axis=1) for mean in means], axis=1)
        cosines = unary_cosine(features, centres, len(edges) / len(coords))
        for name, unary, weights, couplings in (
            ("cosine", cosines, cosine, {"weak": 0.05, "strong": 1.0}),
            ("unit", distances.astype(np.float64) / 2, unit, {"weak": 0.5, "strong": 3.0}),
        ):
            for strength, beta in couplings.items():
                description = {"q": q, "weights": name, "coupling": strength, "beta": beta}
                yield PottsModel(edges, beta * weights, unary), start, description


def whitening(residuals: np.ndarray) -> np.ndarray:
    """Return the matrix W for which `residuals` @ W has unit covariance."""
    variances, axes = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    return axes / np.sqrt(variances)


def real_features(name: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return unit-length embeddings and positions of the tissue tiles of a real slide."""
    tiles = embed(REAL_SECTIONS[name], StainTexture(), data)
    lengths = np.linalg.norm(tiles.features, axis=1, keepdims=True)
    return tiles.features / np.where(lengths == 0, 1, lengths), tiles.coords


# --- Count: planted and found numbers of clusters ---


def count(args: argparse.Namespace) -> tuple[Json, Json]:
    """How often the planted number of regions is found, and what tiles have to do with it."""
    records = args.out.with_name("clustering-count.jsonl")
    wanted = list(slides_to_count(args))
    done = read_records(records, args.reuse_paper)
    tasks = []
    for slide in wanted:
        missing = [name for name in slide["engines"] if record_key(slide, name) not in done]
        if missing:
            tasks.append(slide | {"engines": missing})
    say(f"\ncount: {len(wanted)} slides, {len(tasks)} of them still to run; records in {records}")
    records.parent.mkdir(parents=True, exist_ok=True)
    weights = [t["tiles"] * (1 + 40 * ("paper" in t["engines"])) for t in tasks]
    with records.open("a", encoding="utf-8") as file:

        def keep(rows: list[Json]) -> None:
            # The line break comes first: what an interruption cut short stays a line of its own.
            file.writelines("\n" + json.dumps(row) for row in rows)
            file.flush()

        run_all(count_slide, tasks, weights, args.jobs, keep, warm_up)
    done = read_records(records, args.reuse_paper)
    rows = [done[record_key(slide, name)] for slide in wanted for name in slide["engines"]]
    return summarise_counts(rows)


def slides_to_count(args: argparse.Namespace) -> Iterator[Json]:
    """Yield slides and the engines to run on each; `paper` may be limited, it is slow."""
    tiles = args.tiles or TILES["count"]
    n_slides = args.slides or SLIDES["count"]
    n_paper = n_slides if args.paper_slides is None else args.paper_slides
    for n_tiles in tiles:
        for separation in args.separations:
            for noise in args.noises:
                for i in range(max(n_slides, n_paper)):
                    with_paper = i < n_paper and n_tiles in (args.paper_tiles or tiles)
                    engines = ["default"] * (i < n_slides) + ["paper"] * with_paper
                    yield {
                        "tiles": n_tiles,
                        "separation": separation,
                        "noise": noise,
                        "planted": PLANTED[i % len(PLANTED)],
                        "seed": i // len(PLANTED),
                        "engines": engines,
                    }


def count_slide(task: Json) -> list[Json]:
    """Run the engines on one slide."""
    slide = make_slide(
        task["tiles"],
        task["planted"],
        task["seed"],
        SEPARATIONS[task["separation"]],
        task["noise"],
    )
    rows = []
    for name in task["engines"]:
        run = run_engine(name, slide.features, slide.coords, task["seed"])
        rows.append(
            {key: value for key, value in task.items() if key != "engines"}
            | {"engine": name, "code": code_in_force(), "found": run.n_clusters}
            | {"ari": adjusted_rand_score(slide.regions, run.labels)}
            | {"gap_percent": run.gap_percent, "cpu_s": run.cpu_s}
        )
    return rows


def record_key(row: Json, engine_name: str) -> tuple[Any, ...]:
    return (*(row[k] for k in ("tiles", "separation", "noise", "planted", "seed")), engine_name)


def read_records(path: Path, reuse_paper: bool) -> dict[tuple[Any, ...], Json]:
    """Return what today's code already found, and `paper` of older code if that may be reused.

    A line cut short by an interruption is left out.
    """
    records = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):
                row = json.loads(line)
                reused = reuse_paper and row["engine"] == "paper"
                if row["code"] == code_in_force() or reused:
                    records[record_key(row, row["engine"])] = row
    return records


@cache
def code_in_force() -> str:
    """Hash of the engine and of the slides' generator: records of other code do not count."""
    parts = [
        code_hash(Path(str(module)), ROOT / "workflow")
        for module in (engine.__file__, Path(__file__).with_name("synthetic_slides.py"))
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def summarise_counts(rows: list[Json]) -> tuple[Json, Json]:
    """Print and return figures by cell, by separation, and the headline (medium separation)."""
    cells: Json = {}
    say("exact, within 1, one found as one (shares); median ARI; mean of found - planted")
    for key in dict.fromkeys((r["tiles"], r["separation"], r["noise"]) for r in rows):
        title = f"{key[0]:6d} {key[1]:6s} {key[2]:12s}"
        members = [r for r in rows if (r["tiles"], r["separation"], r["noise"]) == key]
        cells[title.strip()] = print_shares(title, members)
    summaries: Json = {}
    for separation in dict.fromkeys(r["separation"] for r in rows):
        members = [r for r in rows if r["separation"] == separation]
        summaries[separation] = print_shares(f"all    {separation:19s}", members)
        for name, summary in summaries[separation].items():
            summary["tiles_vs_clusters"] = tiles_vs_clusters(
                [r for r in members if r["engine"] == name]
            )
            rho = summary["tiles_vs_clusters"]
            if rho["spearman"] is not None:
                say(
                    f"  {name}: Spearman of found number and tiles {rho['spearman']:+.3f}"
                    f" (standard error {rho['standard_error']:.3f}), pooled {rho['pooled']:+.3f}"
                )
    headline: Json = {}
    if "medium" in summaries:
        medium = summaries["medium"]
        for key in ("exact_share", "within_one_share", "one_found_as_one_share", "median_ari"):
            headline[key] = {name: medium[name][key] for name in medium}
        headline["tiles_vs_clusters_spearman"] = {
            name: medium[name]["tiles_vs_clusters"]["spearman"] for name in medium
        }
    codes = {name: sorted({r["code"] for r in rows if r["engine"] == name}) for name in ENGINES}
    return headline, {"by_separation": summaries, "cells": cells, "code_by_engine": codes}


def print_shares(title: str, rows: list[Json]) -> Json:
    """Print and return the figures of each engine, and of the default where `paper` ran too."""
    by_engine = {name: [r for r in rows if r["engine"] == name] for name in ENGINES}
    slides_of_paper = {record_key(r, "") for r in by_engine["paper"]}
    same = [r for r in by_engine["default"] if record_key(r, "") in slides_of_paper]
    if len(same) < len(by_engine["default"]):
        by_engine["default_on_slides_of_paper"] = same
    found = {name: shares(members) for name, members in by_engine.items() if members}
    for name, s in found.items():
        one = s["one_found_as_one_share"]
        say(
            f"{title} {name:27s} n={s['slides']:<4d} {s['exact_share']:5.2f}"
            f" {s['within_one_share']:5.2f} {'    -' if one is None else f'{one:5.2f}'}"
            f" {s['median_ari']:6.3f} {s['mean_excess']:+6.2f}"
        )
    return found


def shares(rows: list[Json]) -> Json:
    excess = np.array([r["found"] - r["planted"] for r in rows])
    ones = [r["found"] == 1 for r in rows if r["planted"] == 1]
    gaps = [r["gap_percent"] for r in rows if r["gap_percent"] is not None]
    return {
        "slides": len(rows),
        "exact_share": float((excess == 0).mean()),
        "within_one_share": float((abs(excess) <= 1).mean()),
        "one_found_as_one_share": float(np.mean(ones)) if ones else None,
        "median_ari": float(np.median([r["ari"] for r in rows])),
        "mean_excess": float(excess.mean()),
        "median_cpu_s": float(np.median([r["cpu_s"] for r in rows])),
        "max_gap_percent": max(gaps, default=None),
    }


def tiles_vs_clusters(rows: list[Json]) -> Json:
    """Spearman correlation of the found number with the number of tiles.

    Slides are compared with slides of the same planted number and noise, and the coefficients of
    these groups averaged: that is what "planted number held constant" asks. Where every slide of a
    group has the same number found, it does not depend on tiles: 0. Pooled over all slides the
    spread of the planted numbers, which are the same at every size, hides part of a dependence and
    pulls the coefficient towards 0; it is given for comparison. Opposite trends cancel in a mean,
    so the mean of each planted number is given too.
    """
    groups: dict[int, list[float]] = {}
    for key in dict.fromkeys((r["planted"], r["noise"]) for r in rows):
        rho = spearman([r for r in rows if (r["planted"], r["noise"]) == key])
        if rho is not None:
            groups.setdefault(key[0], []).append(rho)
    every = [rho for group in groups.values() for rho in group]
    return {
        "spearman": float(np.mean(every)) if every else None,
        "standard_error": float(np.std(every) / np.sqrt(len(every))) if every else None,
        "by_planted": {str(k): float(np.mean(group)) for k, group in sorted(groups.items())},
        "pooled": spearman(rows),
    }


def spearman(rows: list[Json]) -> float | None:
    """Return the correlation, None where all slides have the same number of tiles."""
    tiles, found = [r["tiles"] for r in rows], [r["found"] for r in rows]
    if len(set(tiles)) < 2:
        return None
    return float(spearmanr(tiles, found).statistic) if len(set(found)) > 1 else 0.0


# --- Running and writing ---


def warm_up() -> None:
    """Compile what the engines run, before anything is measured in this process."""
    slide = make_slide(120, 2, seed=0)
    for name in ENGINES:
        run_engine(name, slide.features, slide.coords, seed=0)
    for model, start, _ in itertools.islice(models_of(slide.features, slide.coords), 4):
        minimise_by_cuts(model, start)


def of_this_code(args: argparse.Namespace) -> Json:
    """Where, with what and how figures came about."""
    return circumstances(args, code=code_in_force(), starting_clusters_of_published=Q)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("section", choices=(*SECTIONS, "all"))
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--slides", type=int, help=f"slides per size or cell, by default {SLIDES}")
    parser.add_argument("--tiles", type=int, nargs="+", help=f"sizes, by default {TILES}")
    parser.add_argument(
        "--separations", nargs="+", choices=tuple(SEPARATIONS), default=list(SEPARATIONS)
    )
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument("--paper-slides", type=int, help="count: slides per cell for paper")
    parser.add_argument("--paper-tiles", type=int, nargs="+", help="count: sizes for paper")
    parser.add_argument(
        "--reuse-paper", action="store_true", help="count: keep records of paper of older code"
    )
    out = ROOT / "results/bench/clustering.json"
    parser.add_argument("--out", type=Path, default=out, help="where the figures go")
    data = os.environ.get("HISTOHET_DATA")
    parser.add_argument("--data", type=Path, default=data, help="gap: folder of the real slides")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    one_thread()
    for section in SECTIONS if args.section == "all" else (args.section,):
        headline, details = {"speed": speed, "scale": scale, "gap": gap, "count": count}[section](
            args
        )
        figures_so_far = read_json(args.out) if args.out.exists() else {}
        write_json(
            args.out,
            figures_so_far | headline | {section: {"run": of_this_code(args), **details}},
        )
        say(f"{section} written to {args.out}")


if __name__ == "__main__":
    main(parse())
