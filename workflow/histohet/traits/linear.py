"""Planes on the mean embeddings of slides: seconds of one core for a cohort."""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit, logit
from sklearn.linear_model import LogisticRegression, Ridge

from histohet.common.arrays import Floats
from histohet.traits.models import LinearHeads
from histohet.traits.training import Fitted, Lesson, Slides

PENALTIES = 10.0 ** np.arange(-1, 3)
"""Inverse strengths that a ridge penalty is chosen from, on columns scaled by `Slides.spread`.
Under stronger ones a plane says hardly more than the mean, so in a small cohort they come within
the error of the best, and its direction is that in which slides differ most: their stain."""


def fit_linear(slides: Slides, lesson: Lesson, fold: int = 1) -> Fitted:
    """Fit a plane to the mean vectors of the slides in every round.

    Extremes by logistic regression, ranks by ridge regression of their logits, so that both give
    logits. Columns are scaled by their spread over the tiles, not over the means of slides: what
    hardly differs between slides would get weights that are noise on a tile. The penalty is the
    strongest whose mean loss on the validation slides of all rounds is within one standard error of
    the least (Breiman et al. 1984).
    """
    ranked = not np.isin(lesson.target[np.isfinite(lesson.target)], (0, 1)).all()
    planes = np.empty((len(PENALTIES), len(lesson.rounds), slides.vectors.shape[1] + 1))
    loss = np.zeros((len(PENALTIES), len(lesson.rounds)))
    weights = np.zeros(len(lesson.rounds))
    for number, (trained, validated) in enumerate(lesson.rounds):
        mean, y, w = slides.vectors[trained].mean(axis=0), lesson.target[trained], lesson.weight
        x = (slides.vectors[trained] - mean) / slides.spread
        for which, penalty in enumerate(PENALTIES):
            plane = _plane(x, y, w[trained], float(penalty), ranked)
            weight = plane[:-1] / slides.spread
            planes[which, number] = np.append(weight, plane[-1] - weight @ mean)
            logits = slides.vectors @ weight + planes[which, number, -1]
            losses = _losses(logits[validated], lesson.target[validated], ranked)
            loss[which, number] = losses @ w[validated]
        weights[number] = w[validated].sum()
    loss /= np.maximum(weights, 1e-9)
    mean = loss.mean(axis=1)
    least = int(np.argmin(mean))
    enough = mean[least] + loss[least].std(ddof=1) / np.sqrt(len(lesson.rounds))
    # The strongest penalty whose loss is that of the best but for one standard error.
    chosen = int(np.flatnonzero(mean <= enough)[0])
    heads = LinearHeads(planes[chosen, :, :-1], planes[chosen, :, -1])
    return Fitted(heads, loss[chosen], {"penalty": float(PENALTIES[chosen])})


def _plane(x: Floats, y: Floats, weight: Floats, penalty: float, ranked: bool) -> Floats:
    """Return weights and, last, the bias of a plane on scaled columns."""
    if ranked:
        ridge = Ridge(alpha=1 / penalty).fit(x, logit(y), weight)
        return np.append(ridge.coef_, ridge.intercept_)
    model = LogisticRegression(C=penalty, tol=1e-6, max_iter=2000).fit(x, y, weight)
    return np.append(model.coef_[0], model.intercept_)


def _losses(logits: Floats, target: Floats, ranked: bool) -> Floats:
    if ranked:
        return np.asarray(np.square(logits - logit(target)))
    return np.asarray(-np.where(target == 1, log_expit(logits), log_expit(-logits)))
