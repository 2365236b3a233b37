"""Hazard ratios of the variants of the method, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from matplotlib.figure import Figure

from histohet.cox import CoxResult
from histohet.drawing.figures import FAINT, INK, message_figure, new_figure, style
from histohet.drawing.ratios import (
    draw_ratios,
    p_text,
    ratio_text,
    row_edges,
    table_columns,
    write_cell,
    write_heading,
    write_title,
)
from histohet.endpoint_analysis import EndpointAnalysis, Model

PANELS = {"High vs low": "high vs low", "Per SD of the score": "per SD"}


def draw_variant_comparison(
    analyses: Mapping[str, EndpointAnalysis], *, title: str, adjusted: bool = False
) -> Figure:
    """Draw the hazard ratios of several variants: one row each, high vs low and per SD.

    Parameters
    ----------
    analyses
        Of one endpoint, by variant, in the order wanted.
    title
        Heading.
    adjusted
        Show the models with clinical covariates instead of those without.
    """
    if not analyses:
        return message_figure(title, "No variant was analysed.")
    suffix = ", adjusted" if adjusted else ""
    panels = {
        heading: [analysis.models.get(name + suffix) for analysis in analyses.values()]
        for heading, name in PANELS.items()
    }
    names = [textwrap.fill(name, 18) for name in analyses]
    texts = [[_estimate(model) for model in models] for models in panels.values()]
    lines = [1 + max(cell.count("\n") for cell in row) for row in zip(names, *texts, strict=True)]
    edges = row_edges(lines)
    centres = (edges[:-1] + edges[1:]) / 2
    with style():
        figure = new_figure(10.5, 1.1 + edges[-1])
        first, *columns = table_columns(figure, [1.5, 2.4, 2.1, 2.4, 2.1], edges, range(len(names)))
        for name, y in zip(names, centres, strict=True):
            write_cell(first, 0.02, y, name, weight="bold")
        for heading, plot, column, models, cells in zip(
            panels, columns[::2], columns[1::2], panels.values(), texts, strict=True
        ):
            terms = [model.cox.terms[0] if model and model.cox.terms else None for model in models]
            draw_ratios(plot, terms, centres)
            write_heading(plot, 0.5, heading, "center")
            write_heading(column, 0.05, "HR (95 % CI)", "left")
            for term, cell, y in zip(terms, cells, centres, strict=True):
                write_cell(column, 0.05, y, cell, color=FAINT if term is None else INK)
        write_title(figure, title)
    return figure


def _estimate(model: Model | None) -> str:
    """Return the first estimate of a model in two lines, or why there is none."""
    if model is None:
        return "no such model"
    cox: CoxResult = model.cox
    if not cox.terms:
        return textwrap.fill(cox.reason, 34)
    term = cox.terms[0]
    return f"{ratio_text(term)}, p {p_text(term.p)}\nn = {cox.n}, {cox.events} events"
