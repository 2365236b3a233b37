"""Measure trait models: time, planted traits, and whether chance and sites say nothing.

    .venv/bin/python tests/bench/traits.py --out results/bench/traits.json

Cohorts are embeddings alone, with a trait planted in one direction; the last figures are of the
phantoms of `make demo-traits`, if it has run.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm, spearmanr
from torch import nn

from helpers.traits import SITES, Planted, planted, settings
from histohet.common.files import write_json
from histohet.common.tables import read_tsv
from histohet.measures.heterogeneity import trait_hti
from histohet.measures.traits import read_trait_map
from histohet.traits.auc import auc, stratified_auc
from histohet.traits.expression import TraitError
from histohet.traits.inception import device_here, logits_of, new_network
from histohet.traits.labels import HIGH, LOW
from histohet.traits.linear import fit_linear
from histohet.traits.models import FoldModel, LinearHeads, TraitModel
from histohet.traits.settings import TraitSettings
from histohet.traits.training import train_trait


def trained(one: Planted, values: np.ndarray, of: TraitSettings) -> tuple[Any, TraitModel]:
    """Label a cohort and train the models of its trait."""
    cohort = one.cohort(values, of)
    return cohort, train_trait("A", one.slides, *cohort[:3], of, "e", fit_linear)


def training_seconds() -> float:
    """CPU seconds of one trait: 250 slides of 1,000 tiles and 1,024 numbers, 5 x 5 fits."""
    one = planted(250, 1000, 1024, 1)
    cohort, slides, of = one.cohort(one.share, settings()), one.slides, settings()
    start = time.process_time()
    train_trait("A", slides, *cohort[:3], of, "e", fit_linear)
    return time.process_time() - start


def mapping_seconds() -> float:
    """Seconds of scoring 200,000 tiles of 1,536 numbers for 10 traits, in chunks as files have."""
    rng = np.random.default_rng(2)
    folds = [
        FoldModel(LinearHeads(rng.normal(size=(5, 1536)), np.zeros(5)), np.zeros(1))
        for _ in range(10)
    ]
    chunk = rng.normal(size=(4096, 1536)).astype(np.float32)
    start = time.perf_counter()
    for first in range(0, 200_000, 4096):
        tiles = chunk[: min(4096, 200_000 - first)].astype(np.float64)
        for fold in folds:
            fold.tile_scores(tiles)
    return time.perf_counter() - start


def inception_seconds(tile_px: int = 512, n: int = 4) -> dict[str, float]:
    """Seconds per tile of a training step of the published network, and of its word on a tile.

    On the GPU if there is one; the first round, in which PyTorch looks for its kernels, is left
    out.
    """
    network = new_network(1).to(device_here())
    optimiser = torch.optim.Adam(network.parameters())
    tiles = np.random.default_rng(1).integers(0, 256, (n, tile_px, tile_px, 3), np.uint8)
    target = torch.tensor([0.0, 1.0]).repeat(n // 2).to(device_here())

    def learn() -> None:
        network.train()
        optimiser.zero_grad()
        logits = logits_of(network, tiles, device_here())
        nn.functional.binary_cross_entropy_with_logits(logits, target).backward()
        optimiser.step()

    def score() -> None:
        network.eval()
        with torch.inference_mode():
            logits_of(network, tiles, device_here()).cpu()

    figures = {}
    for name, step in {"inception_train_s_per_tile": learn, "inception_s_per_tile": score}.items():
        step()
        start = time.perf_counter()
        step()
        # Until the GPU has done what it was told.
        float(next(network.parameters()).detach().sum())
        figures[name] = (time.perf_counter() - start) / n
    return figures


def unseen(one: Planted, values: np.ndarray, of: TraitSettings) -> tuple[float, float]:
    """AUC over patients that the models have not seen, and how far it is from 0.5, as a p-value."""
    cohort, model = trained(one, values, of)
    fold = cohort.splits["fold"].to_numpy()
    score = np.array(
        [
            model.folds[n].heads.slide_logits(tiles).mean()
            for n, tiles in zip(fold, one.tiles, strict=True)
        ]
    )
    judged = cohort.labels["label"].isin([LOW, HIGH]).to_numpy()
    high = cohort.labels["high"].to_numpy()
    found = stratified_auc(score[judged], high[judged], fold[judged])
    # From the width of the interval on the logit scale, as it is reported.
    width = np.log(found.upper / (1 - found.upper)) - np.log(found.lower / (1 - found.lower))
    z = np.log(found.value / (1 - found.value)) / (width / (2 * norm.ppf(0.975)))
    return found.value, float(2 * norm.sf(abs(z)))


def null_rejections(n_cohorts: int) -> dict[str, float]:
    """How often permuted expression is told from 0.5 at 5 %, and the mean AUC."""
    rng = np.random.default_rng(3)
    aucs, ps = [], []
    of = settings(folds=3, rounds=2)
    for seed in range(n_cohorts):
        one = planted(120, 5, 6, seed)
        value, p = unseen(one, rng.permutation(one.share), of)
        aucs.append(value)
        ps.append(p)
    return {"null_rejection_rate": float(np.mean(np.array(ps) < 0.05)), "null_auc": np.mean(aucs)}


def sites_alone(n_cohorts: int) -> dict[str, float]:
    """Mean AUC where slides show nothing but their site, and sites differ in expression."""
    found: dict[str, list[float]] = {"site": [], "patient": []}
    for seed in range(n_cohorts):
        one = planted(160, 5, 12, seed, effect=0, site=1.0)
        rng = np.random.default_rng(100 + seed)
        of_site = rng.normal(size=SITES)
        values = of_site[[int(p[:2]) for p in one.patients]] + rng.normal(size=160)
        for together, aucs in found.items():
            of = settings(keep_together=together, folds=4, rounds=4)
            # Where all high patients are of a site or two, a split has none to learn from.
            with suppress(TraitError):
                aucs.append(unseen(one, values, of)[0])
    return {
        "site_only_cohorts": float(len(found["site"])),
        "site_only_auc_kept_together": float(np.mean(found["site"])),
        "site_only_auc_patient": float(np.mean(found["patient"])),
    }


def planted_cohort() -> dict[str, float]:
    """How well tiles, slides and mixtures of two planted traits are found again."""
    one, other = planted(120, 200, 16, 7, effect=3), planted(120, 200, 16, 8, effect=3)
    tiles = [np.hstack(pair) for pair in zip(one.tiles, other.tiles, strict=True)]
    of = settings(target="rank")
    votes, tile_aucs, correlations = [], [], []
    rng = np.random.default_rng(9)
    for each in (one, other):
        both = Planted(one.patients, tiles, each.positive, each.share)
        cohort, model = trained(both, each.share + 0.05 * rng.normal(size=120), of)
        fold = cohort.splits["fold"]
        found = [model.folds[n].tile_scores(t) for n, t in zip(fold, tiles, strict=True)]
        votes.append([f.vote for f in found])
        every = np.concatenate([f.logit for f in found])
        tile_aucs.append(auc(every, np.concatenate(each.positive)))
        correlations.append(spearmanr([f.logit.mean() for f in found], each.share).statistic)
    errors = [
        abs(trait_hti(np.stack(mapped, 1)) - trait_hti(np.stack(true, 1)))
        for mapped, true in zip(
            zip(*votes, strict=True), zip(one.positive, other.positive, strict=True), strict=True
        )
    ]
    return {
        "planted_tile_auc": float(np.mean(tile_aucs)),
        "planted_slide_spearman": float(np.mean(correlations)),
        "hti_error": float(np.mean(errors)),
    }


def phantoms(results: Path) -> dict[str, float]:
    """Return the same of the phantoms of the demo, rendered and described by `stain_texture`."""
    truth = read_tsv(results / "phantoms/traits.tsv")
    genes = [name for name in truth if name not in {"slide", "x", "y"}]
    rows: dict[str, list[float]] = {"tile_auc": [], "share": [], "true_share": [], "hti_error": []}
    logits, positive = [], []
    for slide, planted_tiles in truth.groupby("slide"):
        found = read_trait_map(results / f"traits/maps/{slide}.h5")
        table = pd.DataFrame(found.coords, columns=["x", "y"]).assign(row=range(len(found.coords)))
        both = table.merge(planted_tiles, on=["x", "y"])
        votes = found.votes[both["row"]]
        true = both[list(found.names)].to_numpy(bool)
        logits.append(found.logits[both["row"]])
        positive.append(true)
        rows["hti_error"].append(abs(trait_hti(votes) - trait_hti(true)))
    scores, true = np.concatenate(logits), np.concatenate(positive)
    means = [np.mean(one, axis=0) for one in logits]
    shares = [one.mean(axis=0) for one in positive]
    figures = {"phantom_hti_error": float(np.mean(rows["hti_error"]))}
    for column, gene in enumerate(genes):
        figures[f"phantom_tile_auc_{gene}"] = auc(scores[:, column], true[:, column])
        pairs = [one[column] for one in means], [one[column] for one in shares]
        figures[f"phantom_slide_spearman_{gene}"] = float(spearmanr(*pairs).statistic)
    return figures


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench/traits.json"))
    parser.add_argument("--cohorts", type=int, default=1000, help="permuted cohorts")
    parser.add_argument("--sites", type=int, default=60, help="cohorts that show only their site")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the demo")
    given = parser.parse_args()
    figures: dict[str, float] = {
        "linear_cpu_s_per_trait": training_seconds(),
        "map_s_200000_tiles_10_traits": mapping_seconds(),
        **inception_seconds(),
        **planted_cohort(),
        **sites_alone(given.sites),
        **null_rejections(given.cohorts),
        "null_cohorts": given.cohorts,
    }
    if (given.results / "phantoms/traits.tsv").exists():
        figures |= phantoms(given.results)
    write_json(given.out, {name: round(float(value), 4) for name, value in figures.items()})


if __name__ == "__main__":
    main()
