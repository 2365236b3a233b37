"""Compare criteria for the number of clusters on slides whose number is known.

    .venv/bin/python tests/bench/criteria.py [--tiles N ...] [--slides N] [--jobs N]

All criteria judge the same labels: those of the default engine's path from many clusters to one
(`histohet.clustering.number_of_clusters`), before the last smoothing. Only the gap statistic makes
clusters of its own. So the comparison is of criteria, not of clusterings; it is kind to those whose
own clusters would
be worse, and an ablation changes what is chosen from the path, not the path.

Slides have medium separation. `default` is the engine's evidence; the others, by name:

- `without ...`: our evidence with one part left out or replaced by the usual one (`evidence`).
- `BIC ...`, `ICL`: log likelihood less p / 2 log n of a mixture of Gaussians that are what the
  labels say (`mixture`). ICL has the likelihood of tiles and labels in place of the tiles' alone,
  which costs the entropy of the labels (Biernacki, Celeux and Govaert, IEEE PAMI 22:719, 2000).
- `..., effective n`: the same with `effective_tiles` in place of tiles.
- `stability ...`: the number at which resampled tiles, cut at that number, agree best; one cluster
  where they agree less than so much. One cluster always agrees with itself, so the number is set by
  hand. Resamples are the same for all three, and timed with the first.
- `gap`: gap statistic (Tibshirani, Walther and Hastie, JRSS B 63:411, 2001), with nulls as
  autocorrelated as the slide (`surrogates`).
- `bic_full`: the published criterion, in its embedding of 80 % of the variance.
- `planted number`: no criterion, but what the path offers to whoever knows the number: its stage
  with that number, or the next larger one.

Read with care: the engine was developed on slides of this kind, the other criteria were not.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import logsumexp, multigammaln
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from bench.clustering import NOISES, PLANTED, of_this_code, warm_up
from bench.running import ROOT, one_thread, run_all, say
from bench.synthetic_slides import PITCH_PX, make_slide
from histohet.clustering.energy import estimate_coupling, log_likelihood, neighbour_counts
from histohet.clustering.evidence import (
    PRIOR_TILES,
    REGRESSION_RIDGE,
    SHARED_TILES,
    WEIGHT_ROUNDS,
    TileField,
)
from histohet.clustering.mixture import TAIL_FREEDOM, ridge, tail_weights, weighted_means
from histohet.clustering.number_of_clusters import Stage, merge_path
from histohet.clustering.potts.model import neighbour_lists
from histohet.clustering.published.bic import bic_embedding, first_improving_merge
from histohet.clustering.result import compact
from histohet.clustering.settings import ClusteringSettings
from histohet.clustering.stability import resample
from histohet.clustering.tiles import (
    COMPONENTS,
    VICINITY,
    principal_components,
    unit_rows,
)
from histohet.common.arrays import Floats, Ints
from histohet.common.files import write_json
from histohet.tiles.neighbours import edges_within_reach, knn_edges

TILES = (500, 2_000)
SLIDES = 3
SETTINGS = ClusteringSettings()
# The criteria are compared in one space, on one path from starts of k-means.
MODEL_COMPONENTS = 20
K_MEANS_STARTS = 5
RESAMPLES = 4
# The gap statistic looks at up to so many clusters, and only on slides small enough for it: its
# surrogates need all eigenvectors of the graph.
GAP_MOST, GAP_NULLS, GAP_TILES = 12, 10, 1_000

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A slide with its path.

    Attributes
    ----------
    features, coords, planted, seed
        As from `make_slide`; the number of kinds that were planted.
    components, field, path
        Leading principal components, those that describe clusters on their graph, and the stages.
    """

    features: np.ndarray
    coords: Ints
    planted: int
    seed: int
    components: Floats
    field: TileField
    path: list[Stage]

    @cached_property
    def agreement(self) -> dict[int, float]:
        """Mean adjusted Rand index of two resamples (80 % of the tiles) cut at the same number."""
        drawn, cuts = [], []
        for restart in range(RESAMPLES):
            rows = resample(len(self.coords), self.seed, restart)
            _, path = merge(self.components[rows], self.coords[rows], self.seed + restart + 1)
            drawn.append(rows)
            cuts.append({n_clusters(stage.labels): stage.labels for stage in path})
        common = set.intersection(*(set(cut) for cut in cuts))
        return {k: mean_ari(drawn, [cut[k] for cut in cuts]) for k in common}


# --- The path, as in the engine ---


def merge(components: Floats, coords: Ints, seed: int) -> tuple[TileField, list[Stage]]:
    start = KMeans(SETTINGS.q, n_init=K_MEANS_STARTS, random_state=seed).fit(components).labels_
    edges = knn_edges(coords, SETTINGS.k, SETTINGS.reach * PITCH_PX)
    rows = np.ascontiguousarray(components[:, :MODEL_COMPONENTS])
    vicinity = edges_within_reach(coords, VICINITY * PITCH_PX)
    field = TileField.of(
        rows, neighbour_lists(edges, len(rows)), neighbour_lists(vicinity, len(rows))
    )
    return field, merge_path(field, compact(start))


def n_clusters(labels: Ints) -> int:
    return int(labels.max()) + 1


# --- Ours, with parts left out ---


def evidence_scores(case: Case, without: str | None = None) -> list[float]:
    """Return the evidence of every stage; weights go from stage to stage as in `merge_path`."""
    scores, weights = [], np.ones(len(case.coords))
    for stage in case.path:
        score, weights = evidence(case.field, stage.labels, weights, without)
        scores.append(score)
    if without is None:
        np.testing.assert_allclose(scores, [stage.step.criterion for stage in case.path], atol=0.01)
    return scores


def evidence(
    field: TileField, labels: Ints, weights: Floats, without: str | None
) -> tuple[float, Floats]:
    """Return what `evidence.assess` does, tile by tile instead of from sums, and weights.

    `without` leaves out one of: ``neighbours`` (residuals are independent), ``own covariances``
    (one for all clusters), ``heavy tails`` (Gaussian), ``labels`` (any are equally probable),
    ``prior of means`` (every mean costs d / 2 log n, as in BIC).
    """
    n, d = field.rows.shape
    sizes = np.bincount(labels)
    counts = neighbour_counts(field.neighbours, labels, len(sizes))
    in_vicinity = neighbour_counts(field.vicinity, labels, len(sizes))
    shares = in_vicinity / np.maximum(in_vicinity.sum(axis=1), 1)[:, None]
    floor = ridge(field.rows) * np.eye(d)

    def unpredicted(weights: Floats) -> Floats:
        means = weighted_means(field.rows, labels, weights, len(sizes))
        residual = field.rows - means[labels]
        if without == "neighbours":
            return residual
        around = field.around - shares @ means
        weighted = (around * weights[:, None]).T
        regular = weighted @ around + floor * weights.sum()
        regular += REGRESSION_RIDGE * np.trace(weighted @ around) / d * np.eye(d)
        return residual - around @ np.linalg.solve(regular, weighted @ residual)

    tails = 0.0
    if without == "heavy tails":
        weights = np.ones(n)
    else:
        for _ in range(WEIGHT_ROUNDS):
            e = unpredicted(weights)
            pooled = (e * weights[:, None]).T @ e / n + floor
            squared = (e * np.linalg.solve(pooled, e.T).T).sum(axis=1)
            weights = tail_weights(squared, d)
        tails = (
            weights @ squared / 2 - (TAIL_FREEDOM + d) / 2 * np.log1p(squared / TAIL_FREEDOM).sum()
        )
    e = unpredicted(weights) * np.sqrt(weights)[:, None]
    pooled = e.T @ e / n + floor
    if without == "own covariances":
        density = -n / 2 * log_determinant(2 * np.pi * pooled)
        density -= np.trace(np.linalg.solve(pooled, e.T @ e)) / 2
    else:
        scatters = scatters_of(e, labels)
        density = max(integrated_density(scatters, sizes, pooled, s) for s in SHARED_TILES)
    coupling = estimate_coupling(counts, labels)
    of_labels = 0.0 if without == "labels" else log_likelihood(counts, labels, coupling)
    if without == "prior of means":
        of_means = -len(sizes) * d / 2 * np.log(n)
    else:
        of_means = integrated_means(field.rows, labels, weights)
    return float(density + tails + of_labels + of_means), weights


def integrated_means(rows: Floats, labels: Ints, weights: Floats) -> float:
    """Return the log factor of integrating out the means, Gaussian around that of all tiles."""
    n, d = rows.shape
    sizes = np.bincount(labels)
    means = weighted_means(rows, labels, weights, len(sizes))
    residual = rows - means[labels]
    within = (residual * weights[:, None]).T @ residual / n + ridge(rows) * np.eye(d)
    apart = means - sizes @ means / n
    squared = (apart * np.linalg.solve(within, apart.T).T).sum(axis=1)
    prior = PRIOR_TILES[:, None]
    cost = d / 2 * np.log1p(sizes / prior) + prior * sizes / (prior + sizes) * squared / 2
    return -float(cost.sum(axis=1).min())


def integrated_density(scatters: Floats, sizes: Ints, pooled: Floats, shared: float) -> float:
    """Return the log density of Gaussians whose covariances are inverse Wishart around `pooled`."""
    d = len(pooled)
    freedom, prior = d + 1 + shared, shared * pooled
    of_each = multigammaln((freedom + sizes) / 2, d) - multigammaln(freedom / 2, d)
    of_each += freedom / 2 * log_determinant(prior) - sizes * d / 2 * np.log(np.pi)
    of_each -= (freedom + sizes) / 2 * log_determinant(prior + scatters)
    return float(of_each.sum())


def scatters_of(residuals: Floats, labels: Ints) -> Floats:
    own = [residuals[labels == k] for k in range(n_clusters(labels))]
    return np.array([r.T @ r for r in own])


def log_determinant(matrices: Floats) -> Floats:
    return np.linalg.slogdet(matrices)[1]


# --- Information criteria ---


def mixture(rows: Floats, labels: Ints, shape: str) -> tuple[Floats, float]:
    """Return log (proportion * density) of every tile in every cluster, (N, K), and p.

    `shape` of the covariances: ``tied``; ``diagonal``, shrunk by one tile's weight of the pooled
    one, so that it is never singular; ``shrunk``, full and by the weight of nu = d + 2 tiles, in
    which case a cluster counts for n_k / (n_k + nu) of the parameters of a covariance.
    """
    n, d = rows.shape
    sizes = np.bincount(labels)
    means = weighted_means(rows, labels, np.ones(n), len(sizes))
    scatters = scatters_of(rows - means[labels], labels)
    pooled = scatters.sum(axis=0) / n
    nu = {"tied": np.inf, "diagonal": 1, "shrunk": d + 2}[shape]
    own = sizes / (sizes + nu)
    covariances = own[:, None, None] * scatters / sizes[:, None, None]
    covariances += (1 - own)[:, None, None] * pooled + ridge(rows) * np.eye(d)
    free = max(1.0, own.sum()) * d * (d + 1) / 2
    if shape == "diagonal":
        covariances, free = covariances * np.eye(d), len(sizes) * d
    densities = [
        multivariate_normal(*of).logpdf(rows) for of in zip(means, covariances, strict=True)
    ]
    return np.stack(densities, axis=1) + np.log(sizes / n), free + len(sizes) * (d + 1) - 1


def bic_scores(case: Case, shape: str, effective: bool = False) -> list[float]:
    n = effective_tiles(case) if effective else len(case.coords)
    scores = []
    for stage in case.path:
        joint, p = mixture(case.field.rows, stage.labels, shape)
        scores.append(n * logsumexp(joint, axis=1).mean() - p / 2 * np.log(n))
    return scores


def icl_scores(case: Case, shape: str) -> list[float]:
    n = len(case.coords)
    scores = []
    for stage in case.path:
        joint, p = mixture(case.field.rows, stage.labels, shape)
        scores.append(joint[np.arange(n), stage.labels].sum() - p / 2 * np.log(n))
    return scores


def effective_tiles(case: Case) -> float:
    """Return how many independent tiles are worth as much: n ((1 - r) / (1 + r))^2.

    For a first-order autoregressive series of correlation r, n observations determine the mean as
    well as n (1 - r) / (1 + r) independent ones, to first order (Cressie, Statistics for Spatial
    Data, 1993, section 1.3); on a lattice with such correlation along rows and columns, the factor
    applies twice. r is the correlation of residuals of touching tiles within a row or column, mean
    of the components, with the clusters of the start: the most there are, so the least r.
    """
    labels, rows = case.path[0].labels, case.field.rows
    residuals = rows - weighted_means(rows, labels, np.ones(len(rows)), n_clusters(labels))[labels]
    u, v = adjacency(case).nonzero()
    straight = (case.coords[u] == case.coords[v]).any(axis=1)
    products = residuals[u[straight]] * residuals[v[straight]]
    r = max(0.0, float((products.mean(axis=0) / residuals.var(axis=0)).mean()))
    return len(rows) * ((1 - r) / (1 + r)) ** 2


def adjacency(case: Case) -> csr_array:
    first, tile = case.field.neighbours.first, case.field.neighbours.tile
    return csr_array((np.ones(len(tile)), tile, first), shape=(len(case.coords),) * 2)


def published_scores(case: Case) -> list[float]:
    embedding = bic_embedding(unit_rows(case.features, np.arange(len(case.features))))
    return [-first_improving_merge(embedding, stage.labels).bic for stage in case.path]


# --- Stability ---


def stability_scores(case: Case, threshold: float) -> list[float]:
    """Return the agreement of resamples at each stage's number; `threshold` for one cluster."""
    numbers = [n_clusters(stage.labels) for stage in case.path]
    return [threshold if k == 1 else case.agreement.get(k, -np.inf) for k in numbers]


def mean_ari(drawn: list[Ints], labels: list[Ints]) -> float:
    scores = []
    for a, b in itertools.combinations(range(len(drawn)), 2):
        _, in_a, in_b = np.intersect1d(drawn[a], drawn[b], return_indices=True)
        scores.append(adjusted_rand_score(labels[a][in_a], labels[b][in_b]))
    return float(np.mean(scores))


# --- Gap statistic ---


def choose_by_gap(case: Case) -> Ints | None:
    """Return the labels of k-means with the smallest number that is within one error of the next.

    None for a slide with more than `GAP_TILES` tiles.
    """
    if len(case.coords) > GAP_TILES:
        return None
    rows = case.field.rows
    found = [k_means(rows, k) for k in range(1, GAP_MOST + 1)]
    observed = np.log([clusters.inertia_ for clusters in found])
    nulls = np.log(
        [[k_means(null, k).inertia_ for k in range(1, GAP_MOST + 1)] for null in surrogates(case)]
    )
    gap = nulls.mean(axis=0) - observed
    error = nulls.std(axis=0) * np.sqrt(1 + 1 / GAP_NULLS)
    enough = np.append(gap[:-1] >= gap[1:] - error[1:], True)
    return found[int(np.argmax(enough))].labels_


def k_means(rows: Floats, k: int) -> KMeans:
    return KMeans(k, n_init=3, random_state=0).fit(rows)


def surrogates(case: Case) -> Iterator[Floats]:
    """Yield embeddings with the autocorrelation of the slide's, and without its clusters.

    Moran spectral randomisation (Wagner and Dray, Methods Ecol. Evol. 6:1169, 2015): random signs
    of the coefficients on the eigenvectors of the centred graph. One sign for all components keeps
    what correlation they have with each other, and Moran's index of each.
    """
    centring = np.eye(len(case.coords)) - 1 / len(case.coords)
    vectors = np.linalg.eigh(centring @ adjacency(case).toarray() @ centring)[1]
    coefficients = vectors.T @ case.field.rows
    rng = np.random.default_rng(case.seed)
    for _ in range(GAP_NULLS):
        yield vectors @ (coefficients * rng.choice([-1.0, 1.0], len(vectors))[:, None])


# --- All of them ---


def highest(scores: Callable[[Case], list[float]]) -> Callable[[Case], Ints]:
    return lambda case: case.path[int(np.argmax(scores(case)))].labels


def planted_number(case: Case) -> Ints:
    enough = [stage.labels for stage in case.path if n_clusters(stage.labels) >= case.planted]
    return enough[-1] if enough else case.path[0].labels


CRITERIA: dict[str, Callable[[Case], Ints | None]] = {
    "default": highest(evidence_scores),
    "without neighbours": highest(partial(evidence_scores, without="neighbours")),
    "without own covariances": highest(partial(evidence_scores, without="own covariances")),
    "without heavy tails": highest(partial(evidence_scores, without="heavy tails")),
    "without labels": highest(partial(evidence_scores, without="labels")),
    "without prior of means": highest(partial(evidence_scores, without="prior of means")),
    "BIC tied": highest(partial(bic_scores, shape="tied")),
    "BIC diagonal": highest(partial(bic_scores, shape="diagonal")),
    "BIC shrunk": highest(partial(bic_scores, shape="shrunk")),
    "ICL shrunk": highest(partial(icl_scores, shape="shrunk")),
    "BIC tied, effective n": highest(partial(bic_scores, shape="tied", effective=True)),
    "BIC shrunk, effective n": highest(partial(bic_scores, shape="shrunk", effective=True)),
    "stability 0.7": highest(partial(stability_scores, threshold=0.7)),
    "stability 0.8": highest(partial(stability_scores, threshold=0.8)),
    "stability 0.9": highest(partial(stability_scores, threshold=0.9)),
    "gap": choose_by_gap,
    "bic_full": highest(published_scores),
    "planted number": planted_number,
}


def judge_slide(task: Json) -> list[Json]:
    """Return what each criterion finds on one slide, and its CPU seconds beyond the path's."""
    slide = make_slide(task["tiles"], task["planted"], task["seed"], noise=task["noise"])
    rows = []
    with threadpool_limits(limits=1):
        tiles = np.arange(len(slide.coords))
        components = principal_components(slide.features, tiles, COMPONENTS, task["seed"])
        of_path = merge(components, slide.coords, task["seed"])
        case = Case(
            slide.features, slide.coords, task["planted"], task["seed"], components, *of_path
        )
        for name, choose in CRITERIA.items():
            before = time.process_time()
            labels = choose(case)
            cpu_s = time.process_time() - before
            if labels is not None:
                found = {"found": n_clusters(labels), "cpu_s": cpu_s}
                found["ari"] = adjusted_rand_score(slide.regions, labels)
                rows.append(task | {"criterion": name} | found)
    return rows


def figures(rows: list[Json]) -> Json:
    excess = np.array([row["found"] - row["planted"] for row in rows])
    return {
        "slides": len(rows),
        "exact_share": float((excess == 0).mean()),
        "within_one_share": float((abs(excess) <= 1).mean()),
        "one_found_as_one_share": float(
            np.mean([row["found"] == 1 for row in rows if row["planted"] == 1])
        ),
        "median_ari": float(np.median([row["ari"] for row in rows])),
        "mean_excess": float(excess.mean()),
        "median_cpu_s": float(np.median([row["cpu_s"] for row in rows])),
    }


def by_criterion(rows: list[Json]) -> Json:
    members = {name: [row for row in rows if row["criterion"] == name] for name in CRITERIA}
    return {name: figures(own) for name, own in members.items() if own}


def print_table(tables: dict[int, Json]) -> None:
    say("\nshares: exact, within one, one found as one; median ARI; mean of found - planted; CPU s")
    say(f"{'':24s}" + "".join(f"{n_tiles:13d} tiles{'':20s}" for n_tiles in tables))
    for name in CRITERIA:
        line = f"{name:24s}"
        for table in tables.values():
            if name in table:
                f = table[name]
                line += f"{f['exact_share']:5.2f}{f['within_one_share']:6.2f}"
                line += f"{f['one_found_as_one_share']:6.2f}{f['median_ari']:7.3f}"
                line += f"{f['mean_excess']:+7.2f}{f['median_cpu_s']:6.2f}  "
        say(line)


def main(args: argparse.Namespace) -> None:
    one_thread()
    tasks = [
        {"tiles": n_tiles, "noise": noise, "planted": planted, "seed": seed}
        for n_tiles in args.tiles
        for seed in range(args.slides)
        for planted in PLANTED
        for noise in NOISES
    ]
    # Before the run, not after: somebody may change the code meanwhile.
    run = of_this_code(args)
    weights = [task["tiles"] for task in tasks]
    found = run_all(judge_slide, tasks, weights, args.jobs, warm_up=warm_up)
    rows = [row for of_slide in found for row in of_slide]
    tables: Json = {}
    for key, values in (("tiles", args.tiles), ("noise", NOISES)):
        for value in values:
            tables[f"{value} {key}"] = by_criterion([row for row in rows if row[key] == value])
    print_table({n_tiles: tables[f"{n_tiles} tiles"] for n_tiles in args.tiles})
    write_json(args.out, {"run": run, "tables": tables, "slides": rows})
    say(f"written to {args.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tiles", type=int, nargs="+", default=list(TILES), help="sizes")
    parser.add_argument(
        "--slides", type=int, default=SLIDES, help="slides per size, planted number and noise"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    out = ROOT / "results/bench/criteria.json"
    parser.add_argument("--out", type=Path, default=out, help="where the figures go")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
