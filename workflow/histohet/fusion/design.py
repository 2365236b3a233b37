"""Blocks as a ridge Cox model takes them: their numbers side by side, each with its penalty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from histohet.common.arrays import Bools, Floats, Ints
from histohet.fusion.blocks import Block, Encoding, Filters, learn_encoding
from histohet.fusion.competing_risks import EVENT, of_cause
from histohet.prognosis.models import WEAK_PENALTY


@dataclass(frozen=True, eq=False)
class Encoded:
    """A block as a model takes it.

    Attributes
    ----------
    encoding
        From columns to p numbers.
    axes
        Orthonormal, (p, c): principal axes of the training patients' numbers where the block is
        tuned, so that no more than training patients are left; else (p, p).
    values, missing
        The numbers along them, (n, c), and the indicator, (n, 0) or (n, 1).
    """

    encoding: Encoding
    axes: Floats
    values: Floats
    missing: Floats


def encode(
    blocks: Mapping[str, Block], training: Bools, time: Floats, state: Ints, filters: Filters
) -> dict[str, Encoded]:
    """Learn the encoding of every block from the training patients, and apply it to all.

    Parameters
    ----------
    blocks
        Of n patients.
    training
        (n,) who is learnt from.
    time, state
        (n,) follow-up and how it ended.
    filters
        On features.
    """
    found = {}
    for name, block in blocks.items():
        encoding = learn_encoding(block, training, time, of_cause(state, EVENT), filters)
        values, missing = encoding.apply(block)
        axes = principal_axes(values[training]) if block.tuned else np.eye(values.shape[1])
        found[name] = Encoded(encoding, axes, values @ axes, missing)
    return found


class Design:
    """Columns of a model of several blocks, fewer than training patients for those that are tuned.

    Ridge regression on many columns is ridge regression on their principal components. Those of a
    tuned block are divided by the root of its penalty, so that one penalty holds for all.

    Parameters
    ----------
    encoded
        Of every block.
    penalty
        Of the tuned blocks of the model, by name.
    weak
        Its other blocks.
    training
        (n,) whose components are taken.

    Attributes
    ----------
    matrix
        (n, w + c): weak columns and indicators, then components.
    n_weak
        w.
    """

    def __init__(
        self,
        encoded: Mapping[str, Encoded],
        penalty: Mapping[str, float],
        weak: Sequence[str],
        training: Bools,
    ) -> None:
        self._encoded, self._penalty, self._weak = encoded, penalty, weak
        small = [encoded[name].values for name in weak]
        small += [encoded[name].missing for name in (*weak, *penalty)]
        wide = [encoded[name].values / np.sqrt(value) for name, value in penalty.items()]
        together = np.hstack(wide) if wide else np.empty((len(training), 0))
        # Components of one block are so already.
        several = len(penalty) > 1
        self._axes = principal_axes(together[training]) if several else np.eye(together.shape[1])
        self.matrix = np.hstack([*small, together @ self._axes])
        self.n_weak = self.matrix.shape[1] - self._axes.shape[1]

    def penalties(self, factors: Sequence[float]) -> Floats:
        """Return the penalty on each column for m factors on those of tuned blocks, (m, w + c)."""
        found = np.full((len(factors), self.matrix.shape[1]), WEAK_PENALTY)
        found[:, self.n_weak :] = np.array(factors)[:, None]
        return found

    def by_block(self, coefficients: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Return the weights of every block, (p,), and that of its indicator, (0,) or (1,)."""
        weights, indicators, at = {}, {}, 0
        for name in self._weak:
            c = self._encoded[name].values.shape[1]
            weights[name] = coefficients[at : at + c]
            at += c
        for name in (*self._weak, *self._penalty):
            c = self._encoded[name].missing.shape[1]
            indicators[name] = coefficients[at : at + c]
            at += c
        wide, start = self._axes @ coefficients[self.n_weak :], 0
        for name, value in self._penalty.items():
            c = self._encoded[name].values.shape[1]
            weights[name] = wide[start : start + c] / np.sqrt(value)
            start += c
        return {
            name: (self._encoded[name].axes @ weights[name], indicators[name]) for name in weights
        }


def principal_axes(values: Floats) -> Floats:
    """Return orthonormal axes, (P, c), that hold everything of (n, P) values."""
    if not values.size:
        return np.empty((values.shape[1], 0))
    _, strength, axes = np.linalg.svd(values, full_matrices=False)
    kept = int(np.count_nonzero(strength > 1e-9 * strength[0])) if strength[0] > 0 else 0
    found: Floats = axes[:kept].T
    return found
