"""Known subclones of tiles, where there are any (phantoms), and how clusters agree with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER
from histohet.common.arrays import Ints
from histohet.common.settings import by_value
from histohet.common.sheets import read_table
from histohet.tiles.lattice import Coords, first_of_each
from histohet.tiles.neighbours import nearest

TRUTH_COLUMNS = ("x", "y", "subclone")


@dataclass(frozen=True)
class Truth:
    """Known subclone of tiles: int64 (M, 2) corners in level-0 px, int64 (M,) subclones.

    Subclones are numbered from 1; 0 and below is whatever is not tumour.
    """

    coords: Coords
    subclones: Ints

    @property
    def n_subclones(self) -> int:
        """Number of subclones there are."""
        return len(np.unique(self.subclones[self.subclones > 0]))


def read_truth(path: str | Path) -> Truth:
    """Read the known subclone of each tile: columns ``x``, ``y`` (level-0 px) and ``subclone``.

    Raises
    ------
    ValueError
        If a column is missing, a value is not a whole number, or a tile stands twice with different
        subclones; names file and row, or the tile.
    """
    _, rows = read_table(path, "truth", TRUTH_COLUMNS)
    values = np.empty((len(rows), len(TRUTH_COLUMNS)), np.int64)
    for index, (number, cells) in enumerate(rows):
        for column, name in enumerate(TRUTH_COLUMNS):
            try:
                values[index, column] = int(by_value(cells[name]))
            except (ValueError, OverflowError) as error:
                raise ValueError(
                    f"{path}, row {number}: {name} is '{cells[name]}', not a whole number"
                ) from error
    coords, subclones = values[:, :2], values[:, 2]
    try:
        once = first_of_each(coords, subclones)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Truth(coords[once], subclones[once])


def subclone_of_tiles(truth: Truth, coords: Coords, side_px: float) -> Ints:
    """Return the subclone of each tile: that of the nearest known tile, if it is close.

    Returns
    -------
    int64 (N,)
        0 where the nearest known tile is half a tile or more away.
    """
    if not len(truth.coords) or not len(coords):
        return np.zeros(len(coords), np.int64)
    near = nearest(truth.coords, coords, 1)[:, 0]
    distance = np.abs(truth.coords[near] - coords).max(axis=1)
    return np.where(distance < side_px / 2, truth.subclones[near], 0)


@dataclass(frozen=True)
class TruthAgreement:
    """Adjusted Rand index (Hubert and Arabie 1985) of labels with the subclones of tumour tiles.

    ``ari_start`` of the k-means start, ``ari_raw`` before the last smoothing, ``ari`` of the end;
    None without two tumour tiles. ``n_tumour_tiles`` are compared, and ``n_outlier_tumour_tiles``
    left out because they are in no cluster.
    """

    n_subclones: int
    n_tumour_tiles: int
    ari_start: float | None
    ari_raw: float | None
    ari: float | None
    n_outlier_tumour_tiles: int = 0


def agree_with_truth(found: ClusteredTiles, truth: Truth) -> TruthAgreement:
    """Compare the clusters of a slide, which has some, with the known subclones of its tiles."""
    clusters = found.clustering
    subclones = subclone_of_tiles(truth, found.tiles.coords, found.tiles.side_px)
    return agree(subclones, truth.n_subclones, clusters.start, clusters.raw, clusters.labels)


def agree(subclones: Ints, n_subclones: int, *labels: npt.NDArray[np.integer]) -> TruthAgreement:
    """Compare labels (start, raw, final; each (N,)) with the subclones of the same tiles.

    Tiles that are outliers in the final labels are left out.
    """
    # Here, and not above: every slide's preflight reads truths, and would load SciPy for this.
    from sklearn.metrics import adjusted_rand_score

    outlier = labels[-1] == OUTLIER
    tumour = (subclones > 0) & ~outlier
    n_outlier = int(((subclones > 0) & outlier).sum())

    def index(found: npt.NDArray[np.integer]) -> float | None:
        if tumour.sum() < 2:
            return None
        return float(adjusted_rand_score(subclones[tumour], found[tumour]))

    start, raw, final = map(index, labels)
    return TruthAgreement(n_subclones, int(tumour.sum()), start, raw, final, n_outlier)
