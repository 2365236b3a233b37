"""What risk models see of patients, as learnt from the training patients alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

Block = Literal["clinical", "heterogeneity", "embedding"]

MAX_COMPONENTS = 200
"""Principal components of the embedding that a model sees. With up to 201 training patients these
are all there are, and ridge regression on them is ridge regression on all columns."""


@dataclass(frozen=True, eq=False)
class Predictors:
    """What models may use, one row per patient in the same order.

    Attributes
    ----------
    clinical, heterogeneity
        One column each; numbers, or text for categories. Missing values are NaN.
    embedding
        (n, D) float64.
    """

    clinical: pd.DataFrame
    heterogeneity: pd.DataFrame
    embedding: Floats

    def block(self, name: Block, training: Bools) -> Floats:
        """Return the columns of a block for everybody, as learnt from the training patients."""
        if name == "embedding":
            return prepare_embedding(self.embedding, training)
        return prepare_columns(getattr(self, name), training)


def prepare_columns(frame: pd.DataFrame, training: Bools) -> Floats:
    """Turn columns into numbers of mean 0 and standard deviation 1 among the training patients.

    A missing number becomes the training median. Levels of a category become 0/1 against the most
    frequent training level; a missing level, or one that no training patient has, counts as the
    most frequent. What does not vary among the training patients is 0 for everybody.

    Parameters
    ----------
    frame
        (n, c) columns of numbers or text.
    training
        (n,) who is learnt from.

    Returns
    -------
    ndarray
        (n, p) float64.

    Raises
    ------
    ValueError
        If a number is infinite.
    """
    columns: list[Floats] = []
    for name in frame.columns:
        values = frame[name]
        if is_numeric_dtype(values):
            numbers = values.to_numpy(np.float64, na_value=np.nan)
            if np.isinf(numbers).any():
                raise ValueError(f"column '{name}' has infinite values")
            known = numbers[training & ~np.isnan(numbers)]
            median = np.median(known) if known.size else 0.0
            columns.append(np.where(np.isnan(numbers), median, numbers))
            continue
        texts = values.astype(object)
        counts = texts[training].dropna().astype(str).value_counts().sort_index()
        if counts.size:
            frequent = counts.idxmax()
            others = [level for level in counts.index if level != frequent]
            columns += [(texts == level).to_numpy(np.float64) for level in others]
    if not columns:
        return np.empty((len(frame), 0))
    return _standardised(np.column_stack(columns), training)


def prepare_embedding(embedding: Floats, training: Bools) -> Floats:
    """Return the principal components of the standardised embedding, strongest first.

    Columns are standardised over the training patients and divided by √D, so that the components'
    variances add up to 1 among these (`PENALTIES`). Columns that do not vary are left out.

    Parameters
    ----------
    embedding
        (n, D) float64.
    training
        (n,) who is learnt from.

    Returns
    -------
    ndarray
        (n, c) with c at most the training patients less one, D, and `MAX_COMPONENTS`.
    """
    scaled = _standardised(embedding, training)
    scaled = scaled[:, scaled[training].any(axis=0)]
    scaled /= np.sqrt(max(scaled.shape[1], 1))
    if not scaled.size:
        return np.empty((len(embedding), 0))
    _, strength, axes = np.linalg.svd(scaled[training], full_matrices=False)
    kept = np.count_nonzero(strength > 1e-9 * strength[0])
    components: Floats = scaled @ axes[: min(kept, MAX_COMPONENTS)].T
    return components


def _standardised(values: Floats, training: Bools) -> Floats:
    known = values[training]
    spread = known.std(axis=0)
    centred = values - known.mean(axis=0)
    # Rounding gives a constant column a spread as well.
    constant = spread <= 1e-9 * np.abs(known).max(axis=0, initial=0)
    scaled: Floats = np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))
    return scaled
