"""The figure of agreement with a known truth."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from histohet.agreement.figures import draw_agreement


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_agreement_figure() -> None:
    table = pd.DataFrame(
        {
            "n_subclones": [1, 2, 3],
            "n_clusters": [1, 2, 5],
            "ari_start": [0.1, 0.2, 0.3],
            "ari_raw": [0.2, 0.3, 0.4],
            "ari": [0.5, 0.6, 0.9],
        }
    )
    words = texts(draw_agreement(table, "variant full"))
    assert "0.60" in words
    assert "variant full" in words
    assert "No slide with a known truth" in texts(draw_agreement(table.iloc[:0], "x"))
