"""Forest plots: a row per term of a Cox model, endpoints one below the other."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from histohet.drawing.palette import FAINT
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.survival.cox import CoxResult, CoxTerm
from histohet.survival.estimates import unit_of
from histohet.survival.figures.ratios import (
    draw_ratios,
    p_text,
    ratio_text,
    row_edges,
    table_columns,
    write_cell,
    write_heading,
    write_title,
)

REFERENCE = "reference"


def draw_forest(models: Mapping[str, CoxResult], *, title: str) -> Figure:
    """Draw Cox models: a row per term with n, events, hazard ratio, interval and p-values.

    Parameters
    ----------
    models
        By name of the endpoint; the names are shown if there are several.
    title
        Heading.
    """
    if not any(model.terms for model in models.values()):
        reasons = "; ".join(
            f"{name + ': ' if len(models) > 1 else ''}{model.reason}"
            for name, model in models.items()
        )
        return message_figure(title, f"The model could not be estimated: {reasons}.")
    rows: list[_Row] = []
    for name, model in models.items():
        rows += _forest_rows(name if len(models) > 1 else "", model, len(rows))
    edges = row_edges([row.lines for row in rows])
    centres = (edges[:-1] + edges[1:]) / 2
    with style():
        figure = new_figure(9.4, 1.2 + edges[-1])
        left, plot, right = table_columns(
            figure, [3.5, 3.0, 2.9], edges, [row.block for row in rows]
        )
        for row, y in zip(rows, centres, strict=True):
            write_cell(left, 0.01, y, row.name, weight="bold")
            write_cell(left, 0.55, y, row.level)
            if row.n is not None:
                write_cell(left, 0.97, y, f"{row.n} ({row.events})", ha="right")
                write_cell(right, 0.05, y, ratio_text(row.term) if row.term else row.instead)
            if row.term is not None:
                write_cell(right, 0.78, y, p_text(row.term.p).removeprefix("= "), ha="right")
            if row.ph_p is not None:
                write_cell(right, 0.99, y, p_text(row.ph_p).removeprefix("= "), ha="right")
        draw_ratios(plot, [row.term for row in rows], centres)
        references = [y for row, y in zip(rows, centres, strict=True) if row.instead == REFERENCE]
        plot.plot(
            [1] * len(references),
            references,
            linestyle="none",
            marker="D",
            markersize=4,
            markerfacecolor="white",
            color=FAINT,
        )
        write_heading(left, 0.97, "n (events)", "right")
        write_heading(right, 0.05, "HR (95 % CI)", "left")
        write_heading(right, 0.78, "p", "right")
        write_heading(right, 0.99, "PH p", "right")
        write_title(figure, title)
        notes = [_footnote(name, model) for name, model in models.items()]
        notes.append("Ties by Efron's method. PH p: score test of proportional hazards.")
        figure.supxlabel("\n".join(notes), x=0.01, ha="left", size=SMALL_FONT_SIZE, color=FAINT)
    return figure


@dataclass(frozen=True)
class _Row:
    """A line of a forest plot: a term, what stands instead of one, or (without n) a heading."""

    block: int
    name: str
    level: str = ""
    n: int | None = None
    events: int | None = None
    term: CoxTerm | None = None
    ph_p: float | None = None
    instead: str = ""

    @property
    def lines(self) -> int:
        return 1 + max(self.name.count("\n"), self.level.count("\n"))


def _forest_rows(endpoint: str, model: CoxResult, first_block: int) -> list[_Row]:
    rows: list[_Row] = []
    if endpoint:
        name = endpoint if model.terms else textwrap.fill(f"{endpoint}: {model.reason}", 44)
        rows.append(_Row(first_block, name))
    references = {reference.term: reference for reference in model.references}
    named = [*(term.term for term in model.terms), *(term.term for term in model.untold)]
    covariates = dict.fromkeys(named)
    for block, covariate in enumerate(covariates, start=first_block + len(rows)):
        terms = [term for term in model.terms if term.term == covariate]
        name = textwrap.fill(covariate, 24)
        if covariate in references:
            base = references[covariate]
            level = textwrap.fill(base.level, 14)
            rows.append(_Row(block, name, level, base.n, base.events, instead=REFERENCE))
            name = ""
        for term in terms:
            level = textwrap.fill(term.level or unit_of(term.term), 14)
            # One test for all levels of a term, written once.
            ph_p = term.ph_p if term is terms[0] else None
            rows.append(_Row(block, name, level, term.n, term.events, term, ph_p))
        for untold in (one for one in model.untold if one.term == covariate):
            level = textwrap.fill(untold.level or unit_of(untold.term), 14)
            rows.append(_Row(block, name, level, untold.n, untold.events, instead="no estimate"))
    return rows


def _footnote(endpoint: str, model: CoxResult) -> str:
    note = f"{endpoint}: {model.n} patients, {model.events} events"
    if model.ph_p is not None:
        note += f", proportional hazards of all terms p {p_text(model.ph_p)}"
    if model.warning:
        note += f"; {model.warning}"
    if model.left_out:
        left_out = ", ".join(f"{name} {count}" for name, count in model.left_out.items())
        note += f"; left out for a missing or excluded value: {left_out}"
    return textwrap.fill(note, 140)
