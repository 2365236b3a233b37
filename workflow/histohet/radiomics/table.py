"""Features of a cohort: one row per scan, and one per mask; with the engine that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from histohet.common.files import read_json
from histohet.common.outcome import Outcome
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.radiomics.engine import Identity
from histohet.radiomics.extract import Extraction

OF_SCAN = ("scan", "patient", "phase", "batch", "scan_day", "region_from", "status", "reason")
OF_DRAW = ("scan", "patient", "source", "draw")
"""Columns before the features."""


class DifferentEnginesError(ValueError):
    """Features that are not comparable would be put together; the message names both engines."""


@dataclass(frozen=True)
class Features:
    """Features of a cohort, as the steps after it read them.

    Attributes
    ----------
    scans
        One row per scan, `OF_SCAN` and the features.
    names
        Columns that are features.
    identity
        Who computed them, and how.
    """

    scans: pd.DataFrame
    names: tuple[str, ...]
    identity: Identity


def check_same(one: Identity, other: Identity, whose: str, whose_other: str) -> None:
    """Check that features are comparable.

    Parameters
    ----------
    whose, whose_other
        What has them, such as ``scan 's7'`` or ``this run``.

    Raises
    ------
    DifferentEnginesError
        If engine or settings differ.
    """
    if one != other:
        raise DifferentEnginesError(
            f"features of {whose} come from {one}; those of {whose_other} from {other}: take one "
            "of them for all"
        )


def collect(
    extractions: Sequence[Extraction], about: Sequence[Mapping[str, Any]]
) -> tuple[Features, pd.DataFrame]:
    """Put the features of all scans into tables.

    Parameters
    ----------
    extractions
        One per scan, in the order of the sheet.
    about
        What the sheet says of each: ``patient``, ``phase``, ``batch``, ``scan_day``.

    Returns
    -------
    features, draws
        One row per scan, whatever happened to it; one per mask, `OF_DRAW` and the features.

    Raises
    ------
    DifferentEnginesError
        If scans have features of different engines or settings.
    """
    first = extractions[0]
    for one in extractions[1:]:
        whose = (f"scan '{one.scan}'", f"scan '{first.scan}'")
        check_same(one.identity, first.identity, *whose)
    outcomes = _with_notes(extractions, about)
    known = [name for one in extractions for draw in one.draws for name in draw.features]
    names = tuple(dict.fromkeys(known))
    scans = [
        {
            "scan": one.scan,
            **row,
            "status": str(outcome.status),
            "reason": outcome.reason,
            **(one.draws[0].features if one.draws else {}),
        }
        for one, row, outcome in zip(extractions, about, outcomes, strict=True)
    ]
    draws = [
        {
            "scan": one.scan,
            "patient": row["patient"],
            "source": draw.source,
            "draw": draw.number,
            **draw.features,
        }
        for one, row in zip(extractions, about, strict=True)
        for draw in one.draws
    ]
    table = pd.DataFrame(scans, columns=[*OF_SCAN, *names])
    features = Features(table, names, first.identity)
    return features, pd.DataFrame(draws, columns=[*OF_DRAW, *names])


def _with_notes(
    extractions: Sequence[Extraction], about: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
    """Say of further scans of a patient that an earlier one counts."""
    first: dict[str, str] = {}
    outcomes = []
    for one, row in zip(extractions, about, strict=True):
        outcome, patient = one.outcome, row["patient"]
        if patient in first:
            outcome = outcome.with_note(f"of patient '{patient}' scan '{first[patient]}' counts")
        elif outcome.ok:
            first[patient] = one.scan
        outcomes.append(outcome)
    return outcomes


def write_table(
    path: str | Path, table: pd.DataFrame, identity: Identity, provenance: Provenance
) -> None:
    """Write one of the tables, the engine and its settings in its provenance."""
    made_by = {"engine": identity.engine, "settings": dict(identity.settings)}
    write_tsv(path, table, replace(provenance, parameters={**provenance.parameters, **made_by}))


def read_features(path: str | Path) -> Features:
    """Read `features.tsv`."""
    table = read_tsv(path)
    made_by = read_json(f"{path}.provenance.json")["parameters"]
    names = tuple(str(name) for name in table.columns if name not in OF_SCAN)
    return Features(table, names, Identity(made_by["engine"], made_by["settings"]))


def read_draws(path: str | Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read `draws.tsv`, and which of its columns are features."""
    table = read_tsv(path)
    return table, tuple(str(name) for name in table.columns if name not in OF_DRAW)
