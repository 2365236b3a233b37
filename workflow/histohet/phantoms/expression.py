"""Bulk expression of phantoms: genes that the epithelium of some subclones expresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from histohet.phantoms.phenotype import NAMES, Scores


class Gene(NamedTuple):
    """What epithelium that expresses a gene shows: a trait whose score is above a limit."""

    trait: str
    above: float


GENES: Mapping[str, Gene] = {
    "MUC": Gene("mucin", 2.5),
    "STRAT": Gene("nuclear_layer_um", 0.75),
}
"""Traits of the growth patterns: vacuoles of mucin (mucinous, goblet cells of normal glands), and
nuclei that stand many deep (cribriform, micropapillary, trabecular, solid). Both limits lie midway
between patterns."""

NOISE = 0.05
"""Standard deviation of what else moves expression, in shares of the epithelium."""

EPITHELIAL = 0.25


def tile_traits(truth: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Return which epithelial tiles express which gene: those that show its trait.

    Parameters
    ----------
    truth
        See `histohet.phantoms.truth.truth_table`.
    scores
        See `histohet.phantoms.phenotype.subclone_scores`.

    Returns
    -------
    DataFrame
        ``x``, ``y`` and a column of 0 and 1 per gene, as the sheet's column ``traits`` takes them.
    """
    tiles = truth[truth["epithelium_fraction"] > EPITHELIAL]
    table = tiles[["x", "y"]].reset_index(drop=True)
    subclone = tiles["subclone"].to_numpy()
    for name, gene in GENES.items():
        shows = scores[:, NAMES.index(gene.trait)] > gene.above
        # Normal epithelium, 0, is the first row of the scores.
        table[name] = ((subclone >= 0) & shows[np.maximum(subclone, 0)]).astype(int)
    return table


def expression_table(
    patients: Sequence[str], tiles: Sequence[pd.DataFrame], seed: int
) -> pd.DataFrame:
    """Return the expression of every patient: the share of tiles that express a gene, and noise."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    table = pd.DataFrame({"patient": patients})
    for gene in GENES:
        shares = np.array([one[gene].mean() for one in tiles])
        table[gene] = np.round(shares + NOISE * rng.standard_normal(len(shares)), 4)
    return table
