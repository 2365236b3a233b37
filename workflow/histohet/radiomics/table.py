"""Features of a cohort: one row per scan, and one per mask; with the engine that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from histohet.common.files import read_json
from histohet.common.outcome import Outcome, Status
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

    Finished features of another make, or with other names, than those of this run are refused, and
    their scan keeps its row. Where none are extracted, the first finished ones are the measure.

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
        If this run has extracted features with different engines or settings.
    """
    measure = _first(extractions)
    whose = f"scan '{measure.scan}'" if measure.finished else "this run"
    kept = [_of_same_make(one, measure, whose) for one in extractions]
    named = _first(kept)
    kept = [_of_same_names(one, named) for one in kept]
    outcomes = _with_notes(kept, about)
    known = [name for one in kept for draw in one.draws for name in draw.features]
    names = tuple(dict.fromkeys(known))
    scans = [
        {
            "scan": one.scan,
            **row,
            "status": str(outcome.status),
            "reason": outcome.reason,
            **(one.draws[0].features if one.draws else {}),
        }
        for one, row, outcome in zip(kept, about, outcomes, strict=True)
    ]
    draws = [
        {
            "scan": one.scan,
            "patient": row["patient"],
            "source": draw.source,
            "draw": draw.number,
            **draw.features,
        }
        for one, row in zip(kept, about, strict=True)
        for draw in one.draws
    ]
    table = pd.DataFrame(scans, columns=[*OF_SCAN, *names])
    features = Features(table, names, measure.identity)
    return features, pd.DataFrame(draws, columns=[*OF_DRAW, *names])


def _first(extractions: Sequence[Extraction]) -> Extraction:
    """Return the scan that others are measured by: of this run, if it extracts, and with features.

    Raises
    ------
    DifferentEnginesError
        If this run has extracted features with different engines or settings.
    """
    ours = [one for one in extractions if not one.finished]
    for one in ours[1:]:
        check_same(one.identity, ours[0].identity, f"scan '{one.scan}'", f"scan '{ours[0].scan}'")
    candidates = ours or extractions
    return next((one for one in candidates if one.outcome.ok), candidates[0])


def _of_same_make(one: Extraction, measure: Extraction, whose: str) -> Extraction:
    """Refuse finished features of another engine or other settings."""
    if not (one.finished and one.outcome.ok):
        return one
    try:
        check_same(one.identity, measure.identity, f"scan '{one.scan}'", whose)
    except DifferentEnginesError as error:
        return _refused(one, str(error))
    return one


def _of_same_names(one: Extraction, named: Extraction) -> Extraction:
    """Refuse finished features that have other names than those of a scan."""
    if not (one.finished and one.outcome.ok and named.outcome.ok):
        return one
    found, wanted = one.draws[0].features, named.draws[0].features
    absent = [name for name in wanted if name not in found]
    more = [name for name in found if name not in wanted]
    if absent:
        what = f"no '{absent[0]}', which scan '{named.scan}' has ({len(absent)} are missing)"
        return _refused(one, f"features: {what}")
    if more:
        what = f"'{more[0]}', which scan '{named.scan}' does not have ({len(more)} in all)"
        return _refused(one, f"features: {what}")
    return one


def _refused(one: Extraction, why: str) -> Extraction:
    return replace(one, draws=(), outcome=Outcome(Status.REFUSED, why))


def _with_notes(
    extractions: Sequence[Extraction], about: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
    """Say of further scans of a patient that an earlier one counts."""
    first: dict[str, tuple[str, str | None]] = {}
    outcomes = []
    for one, row in zip(extractions, about, strict=True):
        outcome, patient, phase = one.outcome, row["patient"], row["phase"]
        if patient in first:
            counts, its_phase = first[patient]
            phases = f", of phase '{its_phase}', this one of '{phase}'" * (phase != its_phase)
            outcome = outcome.with_note(f"of patient '{patient}' scan '{counts}' counts{phases}")
        elif outcome.ok:
            first[patient] = one.scan, phase
        outcomes.append(outcome)
    return outcomes


def phases_in_words(scans: pd.DataFrame) -> str:
    """Say that scans with features are of several contrast phases; "" if they are of one."""
    counts = scans.loc[scans["status"] == "ok", "phase"].fillna("not said").value_counts()
    if len(counts) < 2:
        return ""
    each = ", ".join(f"{phase} ({count})" for phase, count in sorted(counts.items()))
    return (
        f"scans of several contrast phases: {each}; what depends on the contrast medium does not "
        "compare between them"
    )


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
