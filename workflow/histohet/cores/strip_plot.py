"""Cores by patient: whether those of one patient are more alike than those of different ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.common.outcome import Status
from histohet.drawing.palette import FAINT, INK, cluster_colour
from histohet.drawing.style import new_figure, style

PANEL_INCH = 2.7
INCH_PER_PATIENT = 0.16
NARROWEST_INCH, WIDEST_INCH = 6.4, 16.0
MOST_NAMED = 90
"""Patients whose ids are still legible below the widest figure."""


def draw_cores(
    cores: pd.DataFrame, found: pd.DataFrame, scores: Sequence[str], title: str
) -> Figure:
    """Draw every core over its patient, patients in the order of their means, a panel per score.

    Parameters
    ----------
    cores
        One row per core: ``patient``, ``status`` and the scores.
    found
        Their `heterogeneity.icc_table`.
    scores
        What is drawn, at least one.
    """
    measured = cores[cores["status"] == Status.OK]
    n_patients = measured["patient"].nunique()
    headings = dict(zip(found["score"], map(_heading, found.to_dict("records")), strict=True))
    width = min(max(NARROWEST_INCH, INCH_PER_PATIENT * n_patients), WIDEST_INCH)
    with style():
        figure = new_figure(width, PANEL_INCH * len(scores) + 0.4)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        panels = figure.subplots(len(scores), 1, squeeze=False).flat
        for axes, score in zip(panels, scores, strict=True):
            _draw_score(axes, measured[["patient", score]].dropna(), score)
            axes.set_title(f"{score}: {headings[score]}", fontsize=9)
    return figure


def _draw_score(axes: Axes, known: pd.DataFrame, score: str) -> None:
    groups = known[score].astype(float).groupby(known["patient"])
    summary = groups.agg(["mean", "min", "max"]).reset_index().sort_values(["mean", "patient"])
    place = {patient: number for number, patient in enumerate(summary["patient"])}
    across = np.arange(len(summary))
    axes.vlines(across, summary["min"], summary["max"], color=FAINT, linewidth=1.0)
    axes.plot(across, summary["mean"], "_", color=INK, markersize=7)
    sides = _beside(known, score)
    colour = cluster_colour(0)
    axes.scatter(known["patient"].map(place) + sides, known[score], s=12, color=colour, zorder=2)
    axes.set(ylabel=score, xlim=(-0.7, max(len(summary), 1) - 0.3))
    if len(summary) <= MOST_NAMED:
        axes.set_xticks(across, summary["patient"], rotation=90, fontsize=6)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(summary)} patients by their mean")


def _beside(known: pd.DataFrame, score: str) -> pd.Series[float]:
    """Return how far beside its patient a core is drawn: those of the same score lie in a row."""
    same = known.groupby(["patient", score])[score]
    return (same.cumcount() - (same.transform("size") - 1) / 2) * 0.16


def _heading(found: Mapping[Any, Any]) -> str:
    about = f"{found['n_cores']} cores of {found['n_patients']} patients"
    if found["reason"]:
        return f"no ICC, {found['reason']} ({about})"
    return f"ICC {found['icc']:.2f} ({found['low']:.2f} to {found['high']:.2f}), {about}"
