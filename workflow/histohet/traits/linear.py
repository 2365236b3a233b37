"""Planes on the mean embeddings of slides: seconds of one core for a cohort."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_expit, logit
from sklearn.linear_model import LogisticRegression, Ridge

from histohet.common.arrays import Floats
from histohet.traits.models import LinearHeads
from histohet.traits.training import Fitted, Lesson, Slides

PENALTIES = 10.0 ** np.arange(-5, 1)
"""Inverse strengths that a ridge penalty is chosen from, on standardised columns."""


def fit_linear(slides: Slides, lesson: Lesson, fold: int = 1) -> Fitted:
    """Fit a plane to the mean vectors of the slides in every round.

    Extremes by logistic regression, ranks by ridge regression of their logits, so that both give
    logits. The penalty is the one with the least mean loss on the validation slides of all rounds.
    """
    ranked = not np.isin(lesson.target[np.isfinite(lesson.target)], (0, 1)).all()
    planes = np.empty((len(PENALTIES), len(lesson.rounds), slides.vectors.shape[1] + 1))
    loss = np.zeros((len(PENALTIES), len(lesson.rounds)))
    weights = np.zeros(len(lesson.rounds))
    for number, (trained, validated) in enumerate(lesson.rounds):
        columns = _Columns.of(slides.vectors[trained])
        x, y, w = columns.scaled(slides.vectors[trained]), lesson.target[trained], lesson.weight
        for which, penalty in enumerate(PENALTIES):
            plane = _plane(x, y, w[trained], float(penalty), ranked)
            planes[which, number] = columns.unscaled(plane)
            logits = slides.vectors @ planes[which, number, :-1] + planes[which, number, -1]
            losses = _losses(logits[validated], lesson.target[validated], ranked)
            loss[which, number] = losses @ w[validated]
        weights[number] = w[validated].sum()
    best = int(np.argmin(loss.sum(axis=1)))
    heads = LinearHeads(planes[best, :, :-1], planes[best, :, -1])
    about = {"penalty": float(PENALTIES[best])}
    return Fitted(heads, loss[best] / np.maximum(weights, 1e-9), about)


class _Columns(NamedTuple):
    """Means and standard deviations of columns, over training slides; a constant one has none."""

    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, x: Floats) -> _Columns:
        sd = x.std(axis=0)
        return cls(x.mean(axis=0), np.where(sd > 0, sd, 1.0))

    def scaled(self, x: Floats) -> Floats:
        return (x - self.mean) / self.sd

    def unscaled(self, plane: Floats) -> Floats:
        """Return the plane (D + 1,) on columns as they are, its bias last."""
        weight = plane[:-1] / self.sd
        return np.append(weight, plane[-1] - weight @ self.mean)


def _plane(x: Floats, y: Floats, weight: Floats, penalty: float, ranked: bool) -> Floats:
    """Return weights and, last, the bias of a plane on standardised columns."""
    if ranked:
        ridge = Ridge(alpha=1 / penalty).fit(x, logit(y), weight)
        return np.append(ridge.coef_, ridge.intercept_)
    model = LogisticRegression(C=penalty, tol=1e-6, max_iter=2000).fit(x, y, weight)
    return np.append(model.coef_[0], model.intercept_)


def _losses(logits: Floats, target: Floats, ranked: bool) -> Floats:
    if ranked:
        return np.square(logits - logit(target))
    return np.asarray(-np.where(target == 1, log_expit(logits), log_expit(-logits)))
