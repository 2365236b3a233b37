"""How far embeddings merely follow how much of each tile is epithelium."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from histohet.common.arrays import Float32, Floats
from histohet.features.file import FeatureRows

LIMIT = 0.25
"""Share above which a slide is told.

With black outside of the epithelium a network gave .21 to .60 on real sections, without, as
`stain_texture` does, .11 at most (`tests/bench/fill.py`); but .22 on a phantom whose subclones are
dense in different degrees, where coverage is no artefact."""

COMPONENTS = 3
"""Leading principal components that are looked at."""

POWERS = 2
"""Of coverage, on which they are regressed."""

MOST_TILES = 2_048
"""Tiles that are looked at, evenly spread: a share is known to a hundredth by then."""

ROUNDING = 1e-5
"""Features of unit rows that vary by less than this are constant but for rounding."""


def explained_by_coverage(
    features: Float32 | FeatureRows, coverage: npt.NDArray[np.floating]
) -> float | None:
    """Return the share of the leading principal components that coverage explains.

    Components are those of the standardised unit rows, in which clusters are sought. Each is
    regressed on the coverage of its tiles and the square of that; the coefficients of determination
    (R²), averaged with the variances of the components as weights, are adjusted for what chance
    explains.

    Parameters
    ----------
    features
        (N, D), embeddings of tiles.
    coverage
        (N,), share of each tile that is epithelium, 0 to 1.

    Returns
    -------
    float or None
        0 to 1; None where embeddings do not differ, and of fewer than four tiles.
    """
    if len(coverage) < POWERS + 2:
        return None
    chosen = np.arange(0, len(coverage), -(-len(coverage) // MOST_TILES))
    rows = _standardised(np.asarray(features[chosen], np.float64))
    variances, components = _leading_components(rows)
    if not len(variances):
        return None
    share = coverage[chosen].astype(float)
    powers = np.stack([share**power for power in range(1, POWERS + 1)], axis=1)
    powers -= powers.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(powers, components)
    determination = np.square(powers @ coefficients).sum(axis=0)
    unexplained = 1 - float(np.average(determination, weights=variances))
    n = len(chosen)
    return max(0.0, 1 - unexplained * (n - 1) / (n - 1 - POWERS))


def warning_of(explained: float | None) -> str:
    """Say that embeddings follow their coverage too closely; empty where they do not."""
    if explained is None or explained <= LIMIT:
        return ""
    return (
        f"the share of epithelium explains {explained:.0%} of the leading components of the "
        f"embeddings (more than {LIMIT:.0%}): clusters may follow it (see epithelium.fill)"
    )


def _standardised(rows: Floats) -> Floats:
    """Rows brought to length 1, then columns to mean 0 and variance 1; constant ones to 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths == 0, 1, lengths)
    rows -= rows.mean(axis=0)
    spread = rows.std(axis=0)
    varies = spread > ROUNDING
    standardised: Floats = np.divide(rows, spread, out=np.zeros_like(rows), where=varies)
    return standardised


def _leading_components(rows: Floats) -> tuple[Floats, Floats]:
    """Return variances (d,) and components (N, d) of length 1, at most `COMPONENTS`."""
    n = len(rows)
    if not rows.any():
        return np.empty(0), np.empty((n, 0))
    variances, components = eigh(rows @ rows.T, subset_by_index=[max(0, n - COMPONENTS), n - 1])
    kept = variances > ROUNDING * variances[-1]
    return variances[kept], components[:, kept]
