"""What networks say of patients, as a block of one column that differs from split to split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from histohet.common.tables import read_tsv
from histohet.fusion.blocks import Block
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.tables import COLUMN, identity_of
from histohet.fusion.splits import EVERYBODY


def mil_block(
    bags: str | Path,
    predictions: Sequence[str | Path],
    patients: pd.Index[str],
    made_by: Mapping[str, str],
) -> Block:
    """Return the block ``mil`` of some patients.

    Parameters
    ----------
    bags
        Table of `histohet.fusion.mil.bags.list_bags`.
    predictions
        Of all splits; without, as long as nothing is trained, the block says who has tiles alone.
    patients
        Their order.
    made_by
        What else made the embeddings.

    Raises
    ------
    FusionError
        If none of the slides is of these patients.
    """
    listed = read_tsv(bags)
    having = listed[listed["n_tiles"] > 0]
    if not having["patient"].isin(patients).any():
        raise FusionError(
            "block 'mil': no patient of the clinical tables has a slide with tiles; see "
            "results/preflight, and spell patients alike"
        )
    in_folds = pd.concat(map(read_tsv, predictions)) if predictions else None
    if in_folds is None:
        values = pd.DataFrame({"patient": having["patient"].unique(), COLUMN: 0.0})
    else:
        values = in_folds[(in_folds["repeat"] == EVERYBODY) & (in_folds["fold"] == EVERYBODY)]
    table = values.set_index("patient")[[COLUMN]].reindex(patients)
    return Block(COLUMN, table, "few", identity_of(listed, made_by), in_folds=in_folds)
