"""What all figures share: type, layout, and files that are the same bytes for the same figure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

from histohet import __version__
from histohet.common.files import atomic_path
from histohet.common.provenance import Provenance
from histohet.drawing.palette import FAINT, INK

FONT_SIZE = 9.0
SMALL_FONT_SIZE = 8.0
TITLE_FONT_SIZE = 10.5
PNG_DPI = 200

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "axes.titlesize": TITLE_FONT_SIZE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": SMALL_FONT_SIZE,
    "ytick.labelsize": SMALL_FONT_SIZE,
    "legend.fontsize": SMALL_FONT_SIZE,
    "legend.title_fontsize": SMALL_FONT_SIZE,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    # Ids, paths and names of columns are shown as they are: a $ begins no formula.
    "text.parse_math": False,
    # The ids in an SVG are hashed with this instead of a random salt.
    "svg.hashsalt": "histohet",
    # Outlines, so that a figure looks the same where the font is missing.
    "svg.fonttype": "path",
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn in our style, whatever the user's settings."""
    return context(["default", STYLE])


def new_figure(width_inch: float, height_inch: float) -> Figure:
    """Return an empty figure that belongs to no window and no global state."""
    figure = Figure(figsize=(width_inch, height_inch), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def message_figure(title: str, message: str) -> Figure:
    """Return a figure that says why there is no picture."""
    with style():
        figure = new_figure(6.4, 2.2)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_title(title)
        text = textwrap.fill(message, 80)
        axes.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, transform=axes.transAxes)
    return figure


def save_figure(figure: Figure, paths: Iterable[str | Path], provenance: Provenance) -> None:
    """Write a figure to every path (``.svg`` or ``.png``) and release it.

    Each file is complete or absent, carries the provenance as JSON in its ``Description``, and is
    the same bytes for the same figure.

    Raises
    ------
    ValueError
        If a path ends in something else.
    """
    software, source = f"histohet {__version__}", provenance.as_json()
    metadata: dict[str, dict[str, str | None]] = {
        ".svg": {"Description": source, "Creator": software, "Date": None},
        ".png": {"Description": source, "Software": software},
    }
    _fix_layout(figure)
    for path in map(Path, paths):
        if path.suffix not in metadata:
            raise ValueError(f"{path}: a figure is written as .svg or .png")
        with style(), atomic_path(path) as partial:
            figure.savefig(partial, dpi=PNG_DPI, metadata=metadata[path.suffix])
    figure.clear()


def _fix_layout(figure: Figure) -> None:
    """Lay the axes out and round where they stand.

    The constraint solver's last digits change from process to process, and with them the ids of
    clip paths in an SVG.
    """
    with style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position(original=True).bounds
        axes.set_position((round(left, 6), round(bottom, 6), round(width, 6), round(height, 6)))
