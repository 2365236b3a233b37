"""What a run of fusion has made and was told, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from histohet.cohort.settings import AnalysisSettings
from histohet.common.files import read_json
from histohet.common.tables import read_tsv
from histohet.fusion.comparison import LATE, named
from histohet.fusion.feature_table import ABOUT
from histohet.fusion.settings import FusionSettings

TABLES = ("estimates", "subgroups", "fits", "kept", "flow", "characteristics")
"""Of a fusion, from which questions are answered."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run of fusion.

    Attributes
    ----------
    settings, analysis, seed
        What it was told.
    applied
        Whether a model of another run was applied; else models were cross-validated.
    tables
        `TABLES`, by name.
    model
        ``model.json``: of this run, or the one that was applied; empty where there is none.
    clinical
        The list `clinical` of the configuration.
    ct, radiomics
        These sections, where features are extracted here; else empty.
    scans, stability
        Tables of `collect_radiomics`, where features are extracted here: scans without their
        features, and ICC.
    """

    settings: FusionSettings
    analysis: AnalysisSettings
    seed: int
    applied: bool
    tables: Mapping[str, pd.DataFrame]
    model: Mapping[str, Any] = field(default_factory=dict)
    clinical: Sequence[Mapping[str, Any]] = ()
    ct: Mapping[str, Any] = field(default_factory=dict)
    radiomics: Mapping[str, Any] = field(default_factory=dict)
    scans: pd.DataFrame | None = None
    stability: pd.DataFrame | None = None

    @property
    def full(self) -> str:
        """The model of all blocks; of a model that was applied its name."""
        if not self.applied:
            return named(self.settings.blocks)
        return (LATE if self.model["fusion"] == "late" else "") + named(list(self.model["blocks"]))

    @property
    def last(self) -> float:
        """The last horizon, in months."""
        return max(self.settings.horizons)

    def estimates(self, *measures: str, patients: str = "all") -> pd.DataFrame:
        """Return the rows of some measures that could be estimated."""
        table = self.tables["estimates"]
        wanted = table["measure"].isin(measures) & (table["patients"] == patients)
        return table[wanted & (table["status"] == "ok")]

    def outcomes(self) -> dict[str, int]:
        """Return patients by how their follow-up ended, the event first."""
        flow = self.tables["flow"]
        rows = flow[flow["kind"] == "outcome"]
        return {str(name): int(n) for name, n in rows[["step", "left"]].to_numpy()}

    def block_rows(self, *, whole: bool) -> pd.DataFrame:
        """Return the characteristics of blocks, as a whole or by column."""
        table = self.tables["characteristics"]
        return table[(table["block"] != "outcome") & ((table["column"] == "") == whole)]


def read_run(
    files: Mapping[str, str | Sequence[str]], told: Mapping[str, Any], evaluation: str
) -> Run:
    """Read what a run has made.

    Parameters
    ----------
    files
        `TABLES` and ``model``; ``scans``: the tables of scans and of stability, if there are any.
    told
        Settings: ``fusion``, ``analysis``, ``seed``, ``clinical``; ``extraction``, the sections
        ``ct`` and ``radiomics`` where features are extracted here.
    evaluation
        ``cross_validated`` or ``applied``.
    """
    scans = list(files["scans"])
    return Run(
        settings=FusionSettings(**told["fusion"]),
        analysis=AnalysisSettings(**told["analysis"]),
        seed=told["seed"],
        applied=evaluation == "applied",
        tables={name: read_tsv(str(files[name])) for name in TABLES},
        model=read_json(str(files["model"])),
        clinical=told["clinical"],
        **told["extraction"],
        scans=read_tsv(scans[0])[list(ABOUT)] if scans else None,
        stability=read_tsv(scans[1]) if scans else None,
    )


def with_interval(row: pd.Series[Any], digits: int = 2) -> str:
    """Return an estimate with its 95 % interval."""
    low, high = row["lower"], row["upper"]
    text = f"{row['estimate']:.{digits}f}"
    if pd.notna(low) and pd.notna(high):
        text += f" ({low:.{digits}f} to {high:.{digits}f})"
    return text.replace("-", "−")


def span(values: Iterable[float], form: str = "g") -> str:
    """Return the lowest and highest of some numbers, or the one that all are."""
    known = [value for value in values if value == value]
    if not known:
        return ""
    low, high = min(known), max(known)
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"


def listed(parts: Iterable[str]) -> str:
    """Return what there is, as one line."""
    return "; ".join(filter(None, parts))


def months(horizons: Iterable[float]) -> str:
    """Return horizons in words."""
    return " and ".join(f"{one:g}" for one in sorted(horizons)) + " months"
