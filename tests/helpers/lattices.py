"""Rectangles of tiles side by side."""

from __future__ import annotations

import numpy as np

from histohet.common.arrays import Ints


def lattice(columns: int, rows: int, pitch: int = 1) -> Ints:
    """Return the places (x, y) of columns x rows tiles, row by row."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=2).reshape(-1, 2) * pitch
