"""Agreement of found clusters with a known truth, where there is one (phantoms)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_rand_score

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Agreement:
    """Adjusted Rand index (Hubert and Arabie 1985) of labels with the subclones of tumour tiles.

    ``ari_start`` of the k-means start, ``ari_raw`` before the last smoothing, ``ari`` of the end;
    None without two tumour tiles.
    """

    n_subclones: int
    n_tumour_tiles: int
    ari_start: float | None
    ari_raw: float | None
    ari: float | None


def agree(subclones: npt.NDArray[np.int64], n_subclones: int, *labels: Labels) -> Agreement:
    """Compare labels (start, raw, final; each (N,)) with the subclones of the same tiles."""
    tumour = subclones > 0

    def index(found: Labels) -> float | None:
        if tumour.sum() < 2:
            return None
        return float(adjusted_rand_score(subclones[tumour], found[tumour]))

    start, raw, final = map(index, labels)
    return Agreement(n_subclones, int(tumour.sum()), start, raw, final)
