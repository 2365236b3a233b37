"""The tiles of a slide in an order of their own, and what is known of their embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from histohet.clustering.embedding import Features, principal_components, unit_rows
from histohet.clustering.potts.model import Floats, Ints

# Principal components in which k-means looks for clusters, and those in which they are described:
# no more than the tiles can support.
START_COMPONENTS = 32
MODEL_COMPONENTS = 20
TILES_PER_COMPONENT = 25


@dataclass(frozen=True)
class OrderedTiles:
    """Tiles of a slide, or some of them, in their canonical order.

    Attributes
    ----------
    source
        Features of all tiles of the slide, as they were given.
    rows
        (N,) int64, which of them these are.
    coords
        (N, 2) integer level-0 positions.
    pitch_px
        Distance between neighbouring tiles in level-0 pixels.
    components
        (N, up to `START_COMPONENTS`) float64, along the leading principal axes of all tiles.
    """

    source: npt.NDArray[np.floating]
    rows: Ints
    coords: npt.NDArray[np.integer]
    pitch_px: float
    components: Floats

    @classmethod
    def of(
        cls,
        features: npt.NDArray[np.floating],
        coords: npt.NDArray[np.integer],
        pitch_px: float,
        seed: int,
    ) -> OrderedTiles:
        """Put the tiles of a slide in order; `seed` is that of their principal components."""
        order = _canonical_order(features, coords)
        components = principal_components(features, order, START_COMPONENTS, seed)
        return cls(features, order, coords[order], pitch_px, components)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def features(self) -> Features:
        """All unit rows, (N, D): only the published parts need them."""
        return unit_rows(self.source, self.rows)

    @cached_property
    def described(self) -> Floats:
        """Those of the components in which clusters are described, (N, d)."""
        d = max(1, min(MODEL_COMPONENTS, len(self) // TILES_PER_COMPONENT))
        return np.ascontiguousarray(self.components[:, :d])

    def subset(self, drawn: Ints) -> OrderedTiles:
        """Return the tiles `drawn`, with the principal components of all."""
        return replace(
            self,
            rows=self.rows[drawn],
            coords=self.coords[drawn],
            components=self.components[drawn],
        )


def _canonical_order(features: npt.NDArray[np.floating], coords: npt.NDArray[np.integer]) -> Ints:
    """Return the order of tiles by y, then x; the first feature decides between tiles of one place.

    Tiles of one place show the same image, so they hardly ever differ in anything else.
    """
    order = np.lexsort((coords[:, 0], coords[:, 1])).astype(np.int64, copy=False)
    in_rows = coords[order]
    if (in_rows[1:] == in_rows[:-1]).all(axis=1).any():
        order = np.lexsort((features[:, 0], coords[:, 0], coords[:, 1])).astype(np.int64)
    return order
