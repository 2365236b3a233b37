"""How the folds of a training came on."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from histohet.drawing.palette import CLUSTER_COLOURS
from histohet.drawing.style import new_figure, style

WIDTH_INCH, HEIGHT_INCH = 7.2, 5.2


def draw_training(history: pd.DataFrame) -> Figure:
    """Draw losses and pseudo Dice of every fold, by epoch.

    Parameters
    ----------
    history
        Of all folds: `histohet.segmentation.training.Training.history`, with a column ``fold``.
    """
    with style():
        figure = new_figure(WIDTH_INCH, HEIGHT_INCH)
        losses, scores = figure.subplots(2, 1, sharex=True)
        for number, (fold, rows) in enumerate(history.groupby("fold", sort=False)):
            colour = CLUSTER_COLOURS[number]
            losses.plot(rows["epoch"], rows["train_loss"], color=colour, linestyle=":")
            losses.plot(rows["epoch"], rows["validation_loss"], color=colour)
            scores.plot(rows["epoch"], rows["pseudo_dice"], color=colour, label=f"fold {fold}")
        losses.set(ylabel="loss (dotted: training)", title="Validation of the segmentation")
        scores.set(xlabel="epoch", ylabel="pseudo Dice", ylim=(-0.02, 1.02))
        scores.xaxis.get_major_locator().set_params(integer=True)
        scores.legend(loc="lower right")
    return figure
