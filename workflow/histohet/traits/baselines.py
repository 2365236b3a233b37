"""What tells a trait without looking at tissue: the site, the number of tiles, the colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from histohet.common.arrays import Bools, Floats
from histohet.slides.reader import Pixels
from histohet.traits.linear import fit_linear
from histohet.traits.settings import TraitSettings
from histohet.traits.splits import TESTED_IN
from histohet.traits.training import Slides, lessons_of

GLASS = 0.15
"""Optical density, mean of the channels, below which a pixel is glass."""


def site_scores(sites: npt.NDArray[np.object_], high: Bools) -> Floats:
    """Return the share of high ones among the other patients of the site, (N,).

    Of the only patient of a site, the share among all others. It leaves one out and says how far
    sites alone tell the label, whatever splits do about it.
    """
    table = pd.DataFrame({"site": sites, "high": high.astype(float)})
    of_site = table.groupby("site")["high"]
    others = of_site.transform("size") - 1
    high_others = of_site.transform("sum") - table["high"]
    alone = (table["high"].sum() - table["high"]) / max(len(table) - 1, 1)
    return np.asarray((high_others / others.where(others > 0)).fillna(alone), np.float64)


def colour_of(thumbnail: Pixels) -> Floats:
    """Return mean and standard deviation of the optical density in red, green and blue, (6,).

    Of tissue alone; zeros without any. It is what the stain and the scanner look like.

    Parameters
    ----------
    thumbnail
        uint8 (H, W, 3), the whole slide.
    """
    density = -np.log((thumbnail.reshape(-1, 3).astype(np.float64) + 1) / 256)
    tissue = density[density.mean(axis=1) > GLASS]
    if not len(tissue):
        return np.zeros(6)
    return np.concatenate([tissue.mean(axis=0), tissue.std(axis=0)])


def learned_scores(
    columns: Floats,
    patients: list[str],
    trait: str,
    labels: pd.DataFrame,
    thresholds: pd.DataFrame,
    splits: pd.DataFrame,
    settings: TraitSettings,
) -> Floats:
    """Return the scores of slides by other columns than embeddings, learned on the same splits.

    Parameters
    ----------
    columns
        (S, C) of each slide.
    patients
        Whose slides they are.

    Returns
    -------
    ndarray
        (S,) logits by planes that have not seen the patient; of patients that are in no test set,
        by those of the only fold.
    """
    spread = columns.std(axis=0)
    slides = Slides(
        patients,
        columns,
        lambda slide, most, rng: columns[[slide]],
        np.where(spread > 0, spread, 1.0),
    )
    tables = (labels, thresholds, splits)
    lessons = lessons_of(trait, patients, *tables, settings.target, settings.rounds)
    tested_in = splits.set_index("patient")[TESTED_IN].reindex(patients).clip(lower=1).to_numpy()
    scores = np.empty(len(patients))
    for fold, lesson in lessons.items():
        heads = fit_linear(slides, lesson, fold).heads
        here = tested_in == fold
        scores[here] = heads.tile_logits(columns[here]).mean(axis=1)
    return scores
