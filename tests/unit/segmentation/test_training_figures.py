"""The figure of a training: every fold has its lines."""

from __future__ import annotations

import pandas as pd

from histohet.segmentation.training_figures import draw_training


def test_every_fold_has_its_lines() -> None:
    history = pd.DataFrame(
        {
            "fold": ["0", "0", "3"],
            "epoch": [1, 2, 1],
            "train_loss": [1.0, 0.5, 0.9],
            "validation_loss": [1.1, 0.7, 0.8],
            "pseudo_dice": [0.1, None, 0.3],
        }
    )
    losses, scores = draw_training(history).axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [
        [1.0, 0.5],
        [1.1, 0.7],
        [0.9],
        [0.8],
    ]
    legend = scores.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["fold 0", "fold 3"]
