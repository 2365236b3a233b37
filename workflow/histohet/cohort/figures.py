"""The flow of slides and patients from the sheet to the analysis, as CONSORT draws it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from histohet.cohort.select import ENDPOINT, GROUP, STEP
from histohet.drawing.palette import FAINT, GROUP_COLOURS, INK
from histohet.drawing.style import SMALL_FONT_SIZE, TITLE_FONT_SIZE, new_figure, style

_WIDTH, _MARGIN = 7.6, 0.1
_MAIN, _SIDE = (0.1, 3.5), (3.9, 7.5)
_LINE, _PADDING, _GAP = 0.16, 0.08, 0.2
_CHARACTERS_PER_INCH = 13
_MAX_REASONS = 8

Place = tuple[float, float]
"""Left and right edge of a box, in inches."""


@dataclass(frozen=True)
class _Box:
    """A box: where it is, in inches (left, right, top, downwards), and what it says."""

    left: float
    right: float
    top: float
    lines: Sequence[str]

    @property
    def bottom(self) -> float:
        return self.top + 2 * _PADDING + _LINE * len(self.lines)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def draw_flow(flow: pd.DataFrame, *, title: str) -> Figure:
    """Draw a flow table: what each step left, who went and why, groups, and endpoints.

    Parameters
    ----------
    flow
        From `histohet.cohort.select.flow_table`; without ``slides`` only patients are counted, and
        without ``events`` those of an endpoint are not told.
    title
        Heading.
    """
    steps, groups, endpoints = (flow[flow["kind"] == kind] for kind in (STEP, GROUP, ENDPOINT))
    main, side = _stack(steps)
    split = _row(main[-1].bottom + _GAP, groups, _group_lines)
    below = max(box.bottom for box in [main[-1], *split]) + _GAP
    known = _row(below, endpoints, _endpoint_lines)
    height = max(box.bottom for box in [main[-1], *split, *known]) + _MARGIN
    with style():
        figure = new_figure(_WIDTH, height + 0.4)
        axes = figure.add_subplot()
        axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        for upper, lower in pairwise(main):
            _arrow(axes, (upper.middle, upper.bottom), (lower.middle, lower.top))
        for box in main:
            _draw(axes, box, bold=box is main[-1])
        for box in side:
            y = (box.top + box.bottom) / 2
            _arrow(axes, (main[0].middle, y), (box.left, y), FAINT)
        for box, name in zip(split, groups["step"], strict=True):
            _branch(axes, main[-1], box)
            _draw(axes, box, GROUP_COLOURS.get(name, INK))
        for box in [*side, *known]:
            _draw(axes, box, FAINT)
        figure.suptitle(
            textwrap.fill(title, 90), x=0.01, ha="left", weight="bold", size=TITLE_FONT_SIZE
        )
    return figure


def _stack(steps: pd.DataFrame) -> tuple[list[_Box], list[_Box]]:
    """Place a box per step, and to the right of the arrow above it one for who went."""
    main: list[_Box] = []
    side: list[_Box] = []
    for _, step in steps.iterrows():
        top = main[-1].bottom + _GAP if main else _MARGIN
        if step["lost"] or (pd.notna(step["lost_slides"]) and step["lost_slides"]):
            side.append(_Box(*_SIDE, top - _GAP / 2, _lost(step)))
            top = side[-1].bottom + _GAP / 2
        main.append(_Box(*_MAIN, top, [*_wrapped(step["step"], _MAIN), _left(step)]))
    return main, side


def _left(step: pd.Series[Any]) -> str:
    return _counts(step["patients"], step["slides"])


def _lost(step: pd.Series[Any]) -> list[str]:
    return [f"− {_counts(step['lost'], step['lost_slides'])}", *_reasons(step["why"], _SIDE)]


def _reasons(why: str, place: Place) -> list[str]:
    reasons = [reason for reason in why.split("; ") if reason]
    if len(reasons) > _MAX_REASONS:
        others = len(reasons) - _MAX_REASONS + 1
        reasons = [*reasons[: _MAX_REASONS - 1], f"and {others} other reasons"]
    return [line for reason in reasons for line in _wrapped(reason, place)]


def _group_lines(group: pd.Series[Any], place: Place) -> list[str]:
    why = _reasons(group["why"], place)
    return [*_wrapped(group["step"], place), *why, _count(group["patients"], "patient")]


def _endpoint_lines(endpoint: pd.Series[Any], place: Place) -> list[str]:
    patients = _count(endpoint["patients"], "patient")
    if pd.isna(endpoint["events"]):
        return [*_wrapped(endpoint["step"], place), patients]
    return [f"{endpoint['step']} known", patients, _count(endpoint["events"], "event")]


def _count(number: float, what: str) -> str:
    return f"{int(number)} {what}" if number == 1 else f"{int(number)} {what}s"


def _counts(patients: float, slides: float) -> str:
    counts = {"patient": patients, "slide": slides}
    return ", ".join(_count(n, what) for what, n in counts.items() if pd.notna(n))


def _wrapped(text: str, place: Place) -> list[str]:
    return textwrap.wrap(text, int((place[1] - place[0]) * _CHARACTERS_PER_INCH)) or [""]


def _row(
    top: float, rows: pd.DataFrame, lines: Callable[[pd.Series[Any], Place], list[str]]
) -> list[_Box]:
    """Place a box per row side by side over the whole width."""
    step = (_WIDTH - 2 * _MARGIN + _GAP) / max(len(rows), 1)
    boxes = []
    for i, (_, row) in enumerate(rows.iterrows()):
        place = (_MARGIN + i * step, _MARGIN + (i + 1) * step - _GAP)
        boxes.append(_Box(*place, top, lines(row, place)))
    return boxes


def _draw(axes: Axes, box: _Box, colour: str = INK, *, bold: bool = False) -> None:
    size = (box.right - box.left, box.bottom - box.top)
    frame = Rectangle((box.left, box.top), *size, facecolor="white", edgecolor=colour, zorder=2)
    frame.set_linewidth(1.6 if bold else 0.9)
    axes.add_patch(frame)
    for number, line in enumerate(box.lines):
        axes.text(
            box.left + _PADDING,
            box.top + _PADDING + (number + 0.5) * _LINE,
            line,
            va="center",
            size=SMALL_FONT_SIZE,
            weight="bold" if bold else "normal",
            zorder=3,
        )


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK
) -> None:
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look, zorder=1)


def _branch(axes: Axes, upper: _Box, lower: _Box) -> None:
    """Lead from a box down, across, and to one of several boxes below it."""
    across = (upper.bottom + lower.top) / 2
    x, y = [upper.middle, upper.middle, lower.middle], [upper.bottom, across, across]
    axes.plot(x, y, color=INK, linewidth=0.9, zorder=1)
    _arrow(axes, (lower.middle, across), (lower.middle, lower.top))
