"""Which two clusters to merge: the pair whose merger leaves the most evidence.

All pairs are ranked by the determinant of a covariance shared by all clusters, from the sums of
`evidence`, and the leading ones judged in full.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from histohet.clustering.energy import merge_gains
from histohet.clustering.evidence import REGRESSION_RIDGE, Assessment, Sums, covariance_evidence
from histohet.common.arrays import Floats

# Pairs whose merger is judged in full.
JUDGED_PAIRS = 4


def best_merge(now: Assessment, d: int) -> tuple[int, int]:
    """Return the two clusters, the lower number first, whose merger has the most evidence.

    What the means cost is left out: it hardly differs between pairs.

    Parameters
    ----------
    now
        Assessment of two clusters or more.
    d
        Width of the embeddings.
    """
    sizes = np.bincount(now.labels)
    of_labels = merge_gains(now.counts, now.labels, now.coupling)
    pairs = np.stack(np.triu_indices(now.n_clusters, 1), axis=1)
    first, second = pairs.T
    ranking = pooled_gains(now.sums, d)[first, second] + of_labels[first, second]
    best, best_pair = -np.inf, (0, 1)
    for a, b in pairs[np.argsort(-ranking, kind="stable")[:JUDGED_PAIRS]]:
        onto = np.arange(now.n_clusters)
        onto[b] = a
        onto[b + 1 :] -= 1
        merged = np.bincount(onto, sizes).astype(np.int64)
        covariances, _ = covariance_evidence(now.sums, onto, merged, d, now.shared_tiles)
        if covariances + of_labels[a, b] > best:
            best, best_pair = covariances + of_labels[a, b], (int(a), int(b))
    return best_pair


def pooled_gains(sums: Sums, d: int) -> Floats:
    """Return how much the log density changes by every merger if all clusters share a covariance.

    A quick (K, K) ranking: a merger changes residuals along one direction only, the difference of
    the two means, so every moment of them changes by a few outer products.
    """
    total = sums.yy.sum(axis=0)
    means = sums.y[:, :d] / sums.one[:, None]
    to_around = np.concatenate([np.zeros((d, d)), np.eye(d), -means.T], axis=1)
    # Moments of residuals (r) and residuals around (a), and of both with labels and their shares.
    rr = total[:d, :d] - means.T @ sums.y[:, :d]
    ra = (total[:, :d] - sums.y.T @ means).T @ to_around.T
    aa = to_around @ total @ to_around.T
    labels_a = sums.y @ to_around.T
    shares_r = total[2 * d :, :d] - sums.y[:, 2 * d :].T @ means
    shares_a = total[2 * d :] @ to_around.T
    return np.asarray(
        _rank_mergers(
            sums.one,
            means,
            rr,
            ra,
            aa,
            labels_a,
            shares_r,
            shares_a,
            np.ascontiguousarray(sums.y[:, 2 * d :]),
            np.ascontiguousarray(total[2 * d :, 2 * d :]),
            sums.ridge,
        )
    )


@njit(cache=True)
def _rank_mergers(
    ones: Floats,
    means: Floats,
    rr: Floats,
    ra: Floats,
    aa: Floats,
    labels_a: Floats,
    shares_r: Floats,
    shares_a: Floats,
    labels_shares: Floats,
    shares_shares: Floats,
    floor: float,
) -> Floats:
    n_labels, d = means.shape
    n = ones.sum()
    gains = np.zeros((n_labels, n_labels))
    before = _unpredicted_log_determinant(rr, ra, aa, n, floor)
    for a in range(n_labels):
        for b in range(a + 1, n_labels):
            # Tiles of a and b move by these shares of the difference of their means.
            u, v = ones[b] / (ones[a] + ones[b]), -ones[a] / (ones[a] + ones[b])
            delta = means[a] - means[b]
            moved = ones[a] * u * u + ones[b] * v * v
            moved_a = u * labels_a[a] + v * labels_a[b]
            around_r = u * shares_r[a] + v * shares_r[b]
            around_a = u * shares_a[a] + v * shares_a[b]
            both = u * (u * labels_shares[a, a] + v * labels_shares[a, b])
            both += v * (u * labels_shares[b, a] + v * labels_shares[b, b])
            around = u * u * shares_shares[a, a] + v * v * shares_shares[b, b]
            around += 2 * u * v * shares_shares[a, b]
            new_rr, new_ra, new_aa = rr.copy(), ra.copy(), aa.copy()
            for i in range(d):
                for j in range(d):
                    square = delta[i] * delta[j]
                    new_rr[i, j] += moved * square
                    new_ra[i, j] += delta[i] * moved_a[j] + around_r[i] * delta[j] + both * square
                    new_aa[i, j] += delta[i] * around_a[j] + around_a[i] * delta[j]
                    new_aa[i, j] += around * square
            after = _unpredicted_log_determinant(new_rr, new_ra, new_aa, n, floor)
            gains[a, b] = -n / 2 * (after - before)
            gains[b, a] = gains[a, b]
    return gains


@njit(cache=True)
def _unpredicted_log_determinant(
    rr: Floats, ra: Floats, aa: Floats, n: float, floor: float
) -> float:
    """Return the log determinant of the covariance of what regression on `a` leaves of `r`.

    With R = aa + own I = L L', the slopes are R^-1 ra', so that what is left of rr is
    rr - half' half - own slopes' slopes, where half = L^-1 ra'.
    """
    d = len(rr)
    own = floor * n
    for i in range(d):
        own += REGRESSION_RIDGE * aa[i, i] / d
    factor = aa.copy()
    for i in range(d):
        factor[i, i] += own
    _to_cholesky(factor)
    half, slopes = _solved(factor, ra)
    covariance = np.empty((d, d))
    for i in range(d):
        for j in range(i + 1):
            left = rr[i, j]
            for k in range(d):
                left -= half[k, i] * half[k, j] + own * slopes[k, i] * slopes[k, j]
            covariance[i, j] = left / n
        covariance[i, i] += floor
    _to_cholesky(covariance)
    total = 0.0
    for i in range(d):
        total += 2 * np.log(covariance[i, i])
    return total


@njit(cache=True)
def _solved(factor: Floats, ra: Floats) -> tuple[Floats, Floats]:
    """Return L^-1 ra' and L'^-1 L^-1 ra' for the lower triangular `factor` L."""
    d = len(factor)
    half, slopes = np.empty((d, d)), np.empty((d, d))
    for j in range(d):
        for i in range(d):
            left = ra[j, i]
            for k in range(i):
                left -= factor[i, k] * half[k, j]
            half[i, j] = left / factor[i, i]
        for i in range(d - 1, -1, -1):
            left = half[i, j]
            for k in range(i + 1, d):
                left -= factor[k, i] * slopes[k, j]
            slopes[i, j] = left / factor[i, i]
    return half, slopes


@njit(cache=True)
def _to_cholesky(matrix: Floats) -> None:
    """Put the lower Cholesky factor in place of a positive definite matrix.

    LAPACK takes a dozen seconds to compile where nothing is cached yet.
    """
    for i in range(len(matrix)):
        for j in range(i + 1):
            left = matrix[i, j]
            for k in range(j):
                left -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(left) if i == j else left / matrix[j, j]
