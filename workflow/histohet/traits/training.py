"""Training of the models of one trait, fold by fold, on slides whose patients are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import rankdata

from histohet.common.arrays import Bools, Floats
from histohet.traits.auc import auc
from histohet.traits.expression import TraitError
from histohet.traits.labels import HIGH, LOW, Thresholds, labels_of
from histohet.traits.models import FoldModel, Heads, LinearHeads, TraitModel, heads_of
from histohet.traits.settings import TraitSettings
from histohet.traits.splits import TEST, TRAIN, VALIDATION, role_column

MOST_TILES = 1000
"""Tiles of a slide that a threshold is learned from and rounds are validated on, evenly spaced."""

TileSample = Callable[[int, int, np.random.Generator | None], Floats]
"""Gives so many tiles of a slide at most, float64 (n, D): drawn, or evenly spaced without a
generator."""


class Slides(NamedTuple):
    """Slides that have embeddings, in one order.

    Attributes
    ----------
    patients
        (S,) whose they are.
    vectors
        float64 (S, D), mean embedding of each.
    tiles
        Gives some tiles of a slide, by its number.
    spread
        (D,) standard deviation of the tiles about the mean of their slide, 1 where there is none.
    """

    patients: Sequence[str]
    vectors: Floats
    tiles: TileSample
    spread: Floats


def spread_of(n_slides: int, tiles: TileSample) -> Floats:
    """Return the `spread` of slides, from 64 tiles of 256 of them at most, evenly spaced."""
    some = np.unique(np.linspace(0, n_slides - 1, min(n_slides, 256)).round().astype(np.int64))
    variance = np.mean([tiles(slide, 64, None).var(axis=0) for slide in some.tolist()], axis=0)
    spread: Floats = np.where(variance > 0, np.sqrt(variance), 1.0)
    return spread


@dataclass(frozen=True)
class Lesson:
    """What is learned in a fold.

    Attributes
    ----------
    target
        (S,) 1 high and 0 low; or the rank of the patient among those of development, between 0 and
        1. NaN for slides that nothing is learned from.
    weight
        (S,) 1 over the number of slides of the patient: patients count alike.
    rounds
        Of each round, which slides it is trained and which it is validated on, each (S,).
    """

    target: Floats
    weight: Floats
    rounds: tuple[tuple[Bools, Bools], ...]


class Fitted(NamedTuple):
    """A model of every round, how well each did on its validation slides, and a word on how."""

    heads: Heads
    loss: Floats
    about: dict[str, float]


class Fit(Protocol):
    """A way to learn the models of a fold."""

    def __call__(self, slides: Slides, lesson: Lesson, fold: int) -> Fitted:
        """Return the models of every round of a fold."""


def lessons_of(
    trait: str,
    patients: Sequence[str],
    labels: pd.DataFrame,
    thresholds: pd.DataFrame,
    splits: pd.DataFrame,
    target: str,
    rounds: int,
) -> dict[int, Lesson]:
    """Return what is learned in every fold, by number, from those that it is developed on alone.

    Parameters
    ----------
    patients
        Whose the slides are, (S,).
    labels, thresholds, splits
        See `histohet.traits.cohort.TraitCohort`.
    target, rounds
        See `TraitSettings`.

    Raises
    ------
    TraitError
        If a round has no low or no high slide to train on, or none to validate on.
    """
    values = labels[labels["trait"] == trait].set_index("patient")["value"]
    of_trait = thresholds[thresholds["trait"] == trait].set_index("fold")
    lessons = {}
    for fold, *limits in of_trait[list(Thresholds._fields)].itertuples():
        at = Thresholds(*map(float, limits))
        lessons[int(fold)] = _lesson(patients, values, splits, at, int(fold), target, rounds)
    return lessons


def _lesson(
    of_slides: Sequence[str],
    values: pd.Series[float],
    splits: pd.DataFrame,
    thresholds: Thresholds,
    fold: int,
    target_kind: str,
    n_rounds: int,
) -> Lesson:
    """Return what is learned in a fold."""
    patients = pd.Index(of_slides)
    roles = splits.set_index("patient").reindex(patients)
    developed = (roles[role_column(fold, 1)] != TEST).to_numpy()
    value = np.asarray(values.reindex(patients), np.float64)
    if target_kind == "extremes":
        labels = labels_of(value, thresholds)
        target = np.select([labels == HIGH, labels == LOW], [1.0, 0.0], np.nan)
    else:
        target = _ranks(values, splits, fold, patients)
    target[~developed] = np.nan
    rounds = []
    for number in range(1, n_rounds + 1):
        role = roles[role_column(fold, number)].to_numpy()
        known = np.isfinite(target)
        trained, validated = (role == TRAIN) & known, (role == VALIDATION) & known
        where = f"fold {fold}, round {number}"
        if len(np.unique(target[trained])) < 2:
            raise TraitError(
                f"{where}: {trained.sum()} slides to train on, and not both low and high ones: "
                "too many slides gave no features"
            )
        if not validated.any():
            raise TraitError(
                f"{where}: no slide to validate on: its patients are neither low nor high, or "
                "their slides gave no features"
            )
        rounds.append((trained, validated))
    _, inverse, sizes = np.unique(patients, return_inverse=True, return_counts=True)
    return Lesson(target, 1 / sizes[inverse], tuple(rounds))


def _ranks(
    values: pd.Series[float], splits: pd.DataFrame, fold: int, patients: pd.Index[str]
) -> Floats:
    """Return the rank of each slide's patient among those of development that have a value."""
    developed = splits.loc[splits[role_column(fold, 1)] != TEST, "patient"]
    known = values.reindex(developed).dropna()
    ranks = pd.Series((rankdata(known) - 0.5) / len(known), index=known.index)
    return np.asarray(ranks.reindex(patients), np.float64)


def matched_thresholds(
    heads: Sequence[Heads], developed: Sequence[Bools], slides: Slides, together: bool
) -> list[Floats]:
    """Return logits above which so many tiles lie as slides are probable, of models of each fold.

    Slides count alike, however many tiles they have. Each slide is read once.

    Parameters
    ----------
    heads
        Models of each fold.
    developed
        Of each fold, the slides (S,) that it is developed on.
    together
        Whether the mean of the models of a fold has a threshold, or each its own.
    """
    logits: list[list[Floats]] = [[] for _ in heads]
    probable: list[list[Floats]] = [[] for _ in heads]
    for slide in np.flatnonzero(np.any(developed, axis=0)).tolist():
        tiles = slides.tiles(slide, MOST_TILES, None)
        for fold, models in enumerate(heads):
            if developed[fold][slide]:
                of_tiles, of_slide = models.tile_logits(tiles), models.slide_logits(tiles)
                if together:
                    of_tiles, of_slide = (
                        of_tiles.mean(1, keepdims=True),
                        of_slide.mean(keepdims=True),
                    )
                logits[fold].append(of_tiles)
                probable[fold].append(expit(of_slide))
    return [
        _matched(of_fold, np.mean(probable[fold], axis=0)) for fold, of_fold in enumerate(logits)
    ]


def _matched(logits: Sequence[Floats], share: Floats) -> Floats:
    """Return, by column, the value above which a share of the tiles lies, slides counting alike."""
    weight = np.concatenate([np.full(len(one), 1 / len(one)) for one in logits]) / len(logits)
    every = np.concatenate(logits)
    found = np.empty(len(share))
    for column, wanted in enumerate(share):
        order = np.argsort(every[:, column], kind="stable")
        below = np.cumsum(weight[order])
        place = min(int(np.searchsorted(below, 1 - wanted - 1e-12)), len(order) - 1)
        found[column] = every[order[place], column]
    return found


def train_trait(
    trait: str,
    slides: Slides,
    labels: pd.DataFrame,
    thresholds: pd.DataFrame,
    splits: pd.DataFrame,
    settings: TraitSettings,
    encoder: str,
    fit: Fit,
) -> TraitModel:
    """Train the models of a trait in every fold.

    Nothing of a fold depends on what is measured of its test patients, as long as labels do not
    (`from: development`).

    Parameters
    ----------
    labels, thresholds, splits
        See `histohet.traits.cohort.TraitCohort`.
    encoder
        Whose embeddings these are.
    fit
        How the models of a fold are learned.

    Raises
    ------
    TraitError
        If a round has no low or no high slide to train on, or none to validate on.
    """
    tables = (labels, thresholds, splits)
    lessons = lessons_of(trait, slides.patients, *tables, settings.target, settings.rounds)
    kept, developed, abouts = [], [], []
    for fold, lesson in lessons.items():
        fitted = fit(slides, lesson, fold)
        aucs = [
            _validation_auc(fitted.heads, slides, lesson, number)
            for number in range(settings.rounds)
        ]
        rounds = counting_rounds(aucs, settings)
        tensors = {name: tensor[rounds] for name, tensor in fitted.heads.tensors().items()}
        kept.append(heads_of(settings.model, tensors))
        developed.append(np.any([np.any(one, axis=0) for one in lesson.rounds], axis=0))
        about = about_rounds(rounds, aucs, fitted.loss)
        abouts.append(
            {**fitted.about, **about, "slides_developed_on": int(developed[-1].sum())},
        )
    if settings.threshold == "matched":
        together = settings.scheme != "published"
        limits_of = matched_thresholds(kept, developed, slides, together)
    else:
        limits_of = [given_thresholds(settings.threshold, settings)] * len(kept)
    folds = {
        number: FoldModel(heads, limits, about)
        for number, (heads, limits, about) in enumerate(
            zip(kept, limits_of, abouts, strict=True), start=1
        )
    }
    return TraitModel(trait, settings.model, encoder, folds)


def counting_rounds(aucs: Sequence[float], settings: TraitSettings) -> list[int]:
    """Return the rounds that count, from 0: of the published scheme the best, else all.

    The highest validation AUC comes first, of equal ones the earlier round.
    """
    rounds = list(range(len(aucs)))
    if settings.scheme != "published":
        return rounds
    return sorted(rounds, key=lambda number: -np.nan_to_num(aucs[number]))[: settings.best]


def given_thresholds(probability: float, settings: TraitSettings) -> Floats:
    """Return a probability as a logit: of each model that votes, or once, of their mean."""
    return np.full(settings.best if settings.scheme == "published" else 1, logit(probability))


def about_rounds(rounds: Sequence[int], aucs: Sequence[float], loss: Floats) -> dict[str, Any]:
    """Return what is worth knowing of the rounds of a fold: which count, and how each did."""
    return {
        "rounds": [number + 1 for number in rounds],
        "validation_auc": [None if np.isnan(one) else round(one, 4) for one in aucs],
        "validation_loss": np.round(loss, 4).tolist(),
    }


def _validation_auc(heads: Heads, slides: Slides, lesson: Lesson, number: int) -> float:
    """Return the AUC of a round over its validation slides; NaN without a pair."""
    validated = np.flatnonzero(lesson.rounds[number][1])
    high = lesson.target[validated] > 0.5
    if isinstance(heads, LinearHeads):
        scores = heads.tile_logits(slides.vectors[validated])[:, number]
    else:
        bags = (slides.tiles(slide, MOST_TILES, None) for slide in validated.tolist())
        scores = np.array([heads.slide_logits(tiles)[number] for tiles in bags])
    return auc(scores, high)
