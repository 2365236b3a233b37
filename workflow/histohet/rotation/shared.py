"""Clusters that are shared: fitted to the cores of some patients, applied to those of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.arrays import Float32
from histohet.common.logs import logger
from histohet.common.outcome import SlideLost, attempt
from histohet.features.file import open_features
from histohet.rotation.clusters import Means, draw, fit_means
from histohet.rotation.consistency import compare_core, vectors_at_rest
from histohet.rotation.settings import ComparisonSettings

DRAWN_PER_CORE = 200
"""Tiles of a core that shared clusters are fitted to."""


def deal_patients(patients: Iterable[str], folds: int, seed: int) -> dict[str, int]:
    """Deal patients into folds, as many as there are patients at most.

    Parameters
    ----------
    patients
        In any order, and as often as they come.

    Returns
    -------
    dict
        Fold of every patient, numbered from 1.

    Raises
    ------
    ValueError
        If there are fewer than two patients.
    """
    names = sorted(set(patients))
    if len(names) < 2:
        raise ValueError(
            f"{len(names)} patient: clusters that are fitted to some patients and applied to "
            "others need two at least"
        )
    dealt = np.random.default_rng([seed, len(names)]).permutation(len(names))
    return {names[place]: 1 + order % folds for order, place in enumerate(dealt.tolist())}


def compare_across_patients(
    encoder: str,
    cores: Mapping[str, str | Path],
    patients: Mapping[str, str],
    truths: Mapping[str, str | Path],
    settings: ComparisonSettings,
    seed: int,
) -> pd.DataFrame:
    """Compare labels at every angle under clusters that were fitted to other patients.

    Parameters
    ----------
    cores
        File of turned tiles of each core.
    patients
        Whose each core is.
    truths
        File of known labels, of cores that have any.
    settings
        With `folds`.

    Returns
    -------
    DataFrame
        Columns of `histohet.rotation.consistency`, and `patient` and `fold`. The index `agreement`
        is of a core with itself; whether clusters mean the same on all of them, `label_ari` says.

    Raises
    ------
    ValueError
        If there are no folds, or fewer than two patients.
    """
    if settings.folds is None:
        raise ValueError("clusters are shared between folds of patients, and there are none")
    fold_of = deal_patients(patients.values(), settings.folds, seed)
    drawn = {slide: _drawn(slide, file, settings, seed) for slide, file in cores.items()}
    tables = []
    for fold in sorted(set(fold_of.values())):
        means = fit_shared(
            {slide: rows for slide, rows in drawn.items() if fold_of[patients[slide]] != fold},
            settings.clusters,
            seed,
        )
        for slide, file in cores.items():
            if fold_of[patients[slide]] == fold:
                logger.info("fold %d: %s", fold, slide)
                with open_features(file) as table:
                    compared, _ = compare_core(
                        *(slide, encoder, table, partial(_known, means), settings, seed),
                        truths.get(slide),
                    )
                tables.append(compared.assign(patient=patients[slide], fold=fold))
    return pd.concat(tables, ignore_index=True)


def fit_shared(drawn: Mapping[str, Float32], clusters: int, seed: int) -> Means | None:
    """Fit clusters to what was drawn of some cores, by name; None if nothing was."""
    known = [rows for _, rows in sorted(drawn.items()) if len(rows)]
    return fit_means(known, clusters, seed) if known else None


def _drawn(slide: str, file: str | Path, settings: ComparisonSettings, seed: int) -> Float32:
    """Draw tiles of a core; none of one that gives no clusters."""
    with open_features(file) as table:
        vectors, _ = attempt(lambda: vectors_at_rest(table, settings), np.empty((0, 1), np.float32))
        return draw(slide, vectors, DRAWN_PER_CORE, seed)


def _known(means: Means | None) -> Means:
    if means is None:
        raise SlideLost("no core of another patient gives any clusters")
    return means
