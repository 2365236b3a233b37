"""What it costs to choose features by the outcomes of everybody, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.honesty import CHOSEN, MONTHS, inside_and_first
from histohet.clinical.endpoints import DAYS_PER_MONTH
from histohet.common.arrays import Floats
from histohet.common.provenance import Provenance
from histohet.drawing.palette import FAINT
from histohet.drawing.style import new_figure, save_figure, style
from histohet.fusion.blocks import aligned
from histohet.fusion.feature_table import read_feature_table

STATES = {"censored": 0, "lung_metastasis": 1, "death_without": 2}
"""Those of the clinical table of `data/ct/sts`."""


def of_real_features(features: Path, clinical: Path, seeds: int) -> tuple[str, Floats]:
    """Return what is chosen from, and the AUC of both ways by dealing into folds, (seeds, 2)."""
    table = pd.read_csv(clinical, sep="\t").set_index("patient")
    read = read_feature_table(features)
    table = table.loc[table.index.isin(read.features.index)]
    outcome = pd.DataFrame(
        {"time_months": table["days"] / DAYS_PER_MONTH, "state": table["status"].map(STATES)}
    )
    block = aligned("ct", read.features, outcome.index, "features")
    folds = min(5, int(np.sum(outcome["state"] == 1)) // 2)
    pairs = [inside_and_first(block, outcome, seed, folds) for seed in range(seeds)]
    return f"{block.table.shape[1]} features of CT, {len(outcome)} sarcomas", np.array(pairs)


def draw_choices(drawn: Mapping[str, Floats], output: Path) -> None:
    """Draw the AUC of both ways to choose, those of a seed joined by a line."""
    with style():
        figure = new_figure(3.6 * len(drawn) + 0.6, 3.2)
        panels = figure.subplots(1, len(drawn), squeeze=False, sharey=True)[0]
        for axes, (name, values) in zip(panels, drawn.items(), strict=True):
            axes.axhline(0.5, color=FAINT, linewidth=0.8)
            axes.plot([0, 1], values.T, color=FAINT, linewidth=0.6, alpha=0.6)
            axes.plot([0, 1], values.mean(axis=0), "o-", color="#D55E00", markersize=7)
            for x, mean in enumerate(values.mean(axis=0)):
                away = (8, 6) if x else (-32, -3)
                axes.annotate(f"{mean:.2f}", (x, mean), away, textcoords="offset points")
            axes.set_title(name, fontsize=9)
            words = (f"{CHOSEN} chosen\ninside the folds", f"{CHOSEN} chosen by\neverybody first")
            axes.set_xticks([0, 1], words)
            axes.set(xlim=(-0.4, 1.5), ylim=(0, 1))
        panels[0].set_ylabel(f"AUC by {MONTHS:g} months")
        save_figure(figure, [output], Provenance())
