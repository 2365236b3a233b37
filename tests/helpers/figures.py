"""What a figure says."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> str:
    """Return all text of a figure, line by line."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))
