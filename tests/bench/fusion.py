"""What it costs to choose features on everybody, and how long a fusion takes.

    .venv/bin/python tests/bench/fusion.py leakage [--features FILE --clinical FILE] [--output PNG]
    .venv/bin/python tests/bench/fusion.py time [--patients 200]

`leakage` chooses five of many features either inside the folds or, which is the mistake, once by
the outcomes of everybody, and compares the AUC by 24 months over `--repeats` dealings: of 1,000
columns of noise, and, if they are named, of features with the clinical table of `data/ct/sts`
beside it. `time` fuses four blocks of a planted cohort, 15 models, 5 × 5 folds.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.competing import blocks_of, noise, planted
from histohet.clinical.endpoints import DAYS_PER_MONTH
from histohet.common.arrays import Floats
from histohet.common.provenance import Provenance
from histohet.drawing.palette import FAINT
from histohet.drawing.style import new_figure, save_figure, style
from histohet.fusion.blocks import Block, Filters, aligned, learn_encoding
from histohet.fusion.comparison import compare, models_of
from histohet.fusion.cross_validation import cross_validate
from histohet.fusion.feature_table import read_feature_table
from histohet.fusion.folds import deal_splits
from histohet.fusion.models import Fusion
from histohet.fusion.performance import auc, known_by
from histohet.fusion.settings import FusionSettings

CHOSEN, MONTHS = 5, 24.0
STATES = {"censored": 0, "lung_metastasis": 1, "death_without": 2}
log = logging.getLogger("fusion")


def auc_of(block: Block, outcome: pd.DataFrame, filters: Filters, seed: int) -> float:
    """Return the AUC by 24 months of a block alone, over one dealing into folds, at most five."""
    months, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    found = cross_validate(
        {"ct": block},
        months,
        state,
        {"ct": Fusion(("ct",))},
        deal_splits(state, min(5, int(np.sum(state == 1)) // 2), repeats=1, seed=seed),
        horizons=(MONTHS,),
        filters=filters,
    )
    everybody = np.ones((1, len(months)))
    known = known_by(months, state, MONTHS)
    return float(auc(known, found.incidence[0, 0, 0], found.fold[0], everybody)[0])


def inside_and_first(block: Block, outcome: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Return the AUC of features chosen inside the folds, and chosen on everybody first."""
    filters = Filters(max_features=CHOSEN)
    months, event = outcome["time_months"].to_numpy(), outcome["state"].to_numpy() == 1
    kept = learn_encoding(block, np.ones(len(months), bool), months, event, filters).columns
    leaked = Block(block.name, block.table[list(kept)], block.kind)
    return auc_of(block, outcome, filters, seed), auc_of(leaked, outcome, Filters(), seed)


def leakage(features: Path | None, clinical: Path | None, repeats: int, output: Path) -> None:
    """Compare both ways to choose features, and draw them."""
    drawn: dict[str, Floats] = {}
    pairs = []
    for seed in range(repeats):
        blocks, outcome = noise(60, 1000, seed)
        pairs.append(inside_and_first(blocks["ct"], outcome, seed))
    drawn["1,000 columns of noise, 60 patients"] = np.array(pairs)
    if features and clinical:
        table = pd.read_csv(clinical, sep="\t").set_index("patient")
        read = read_feature_table(features)
        table = table.loc[table.index.isin(read.features.index)]
        outcome = pd.DataFrame(
            {"time_months": table["days"] / DAYS_PER_MONTH, "state": table["status"].map(STATES)}
        )
        block = aligned("ct", read.features, outcome.index, "features")
        name = f"{block.table.shape[1]} features of CT, {len(outcome)} sarcomas"
        drawn[name] = np.array([inside_and_first(block, outcome, seed) for seed in range(repeats)])
    for name, values in drawn.items():
        means, spread = values.mean(axis=0), values.std(axis=0)
        log.info(
            "%s: inside %.2f ± %.2f, first %.2f ± %.2f",
            name,
            means[0],
            spread[0],
            means[1],
            spread[1],
        )
    draw(drawn, output)


def draw(drawn: dict[str, Floats], output: Path) -> None:
    """Draw the AUC of every dealing, the same dealing joined by a line."""
    with style():
        figure = new_figure(3.6 * len(drawn) + 0.6, 3.2)
        for axes, (name, values) in zip(
            figure.subplots(1, len(drawn), squeeze=False, sharey=True)[0],
            drawn.items(),
            strict=True,
        ):
            axes.axhline(0.5, color=FAINT, linewidth=0.8)
            axes.plot([0, 1], values.T, color=FAINT, linewidth=0.6, alpha=0.6)
            axes.plot([0, 1], values.mean(axis=0), "o-", color="#D55E00", markersize=7)
            for x, mean in enumerate(values.mean(axis=0)):
                axes.annotate(f"{mean:.2f}", (x, mean), (8, 6), textcoords="offset points")
            axes.set_title(name, fontsize=9)
            axes.set_xticks(
                [0, 1], ["five chosen\ninside the folds", "five chosen on\neverybody first"]
            )
            axes.set(xlim=(-0.4, 1.5), ylim=(0, 1))
        figure.axes[0].set_ylabel(f"AUC by {MONTHS:g} months")
        save_figure(figure, [output], Provenance())


def timed(patients: int) -> None:
    """Fuse four blocks of a planted cohort."""
    tables, outcome = planted(patients, 1)
    settings = FusionSettings(
        endpoint="LM", blocks=tuple(tables), tables={"ct": "ct.tsv"}, volume="ct:f_0"
    )
    blocks = blocks_of(tables)
    blocks["volume"] = Block("volume", tables["ct"][["f_0"]], "few")
    start = time.process_time()
    found = compare(blocks, outcome, settings, 1)
    seconds = time.process_time() - start
    models = len(models_of(list(tables), volume=True))
    log.info("%d patients, %d models, 25 fits: %.0f CPU seconds", patients, models, seconds)
    log.info("%s", found.estimates[found.estimates["measure"] == "auc"].to_string())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("leakage", "time"))
    parser.add_argument("--features", type=Path)
    parser.add_argument("--clinical", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("results/bench/fusion_leakage.png"))
    given = parser.parse_args()
    if given.what == "time":
        timed(given.patients)
    else:
        leakage(given.features, given.clinical, given.repeats, given.output)
