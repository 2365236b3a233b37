"""Risk models of named blocks of columns, by nested cross-validation.

Whatever is learnt (medians that stand in for missing values, levels, scales, principal components,
the penalty, the coefficients, the baseline hazard) is learnt from the training patients of a fold;
the others only get the result applied.

Columns of a table, such as clinical data and heterogeneity scores, are few and are what a reader
knows by name: they carry a fixed and weak penalty (`WEAK_PENALTY`), which leaves their hazard
ratios nearly as they are but finite when a rare level has no event in a fold. A wide block, such as
an embedding with more columns than there are patients, has a penalty chosen by inner
cross-validation. A single penalty for all would shrink the few with the many, and an addition to
the embedding would look smaller than it is.

Ties are handled by Breslow's method, as in R's `glmnet`: predicted risks need Breslow's baseline
hazard, and a likelihood that belongs to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from histohet.common.arrays import Bools, Floats, Ints
from histohet.survival.partial_likelihood import RiskSets, log_likelihood, maximise

Block = pd.DataFrame | Floats
"""What models may use of n patients: a table (n, c) with columns of numbers or text, weakly
penalised, missing values NaN; or a wide block, float64 (n, D), whose penalty is chosen."""

Predictors = Mapping[str, Block]
"""Blocks by name, one row per patient in the same order."""

Models = Mapping[str, Sequence[str]]
"""Names of the blocks that each model uses."""

WEAK_PENALTY = 1.0
"""On columns of tables, per standard deviation: a standard normal prior on the log hazard ratio,
95 % within 1/7 to 7. It shrinks an estimate from 100 events by about 1 %."""

PENALTIES = tuple(float(f"{10**power:.6g}") for power in np.arange(4, -1.1, -0.5))
"""For wide blocks, from strong to weak. Their columns are scaled so that a penalty of λ is a prior
under which the log hazard varies with variance 1/λ from patient to patient: from next to nothing
(standard deviation 0.01) to a hazard ratio of 24 per standard deviation."""

MAX_COMPONENTS = 200
"""Principal components of a wide block that a model sees. With up to 201 training patients these
are all there are, and ridge regression on them is ridge regression on all columns."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What m models predict of n patients whom they had not seen, in each of r repetitions.

    Attributes
    ----------
    models
        Blocks that each of them uses.
    horizons
        In the unit of the follow-up.
    fold
        (r, n) the fold that each patient was left out with.
    linear_predictor
        (m, r, n) log relative hazard. Its zero differs from fold to fold.
    event_probability
        (m, r, h, n) probability of the event by each of h horizons.
    penalty
        (m, r, folds) chosen for the wide blocks, NaN in models without.
    """

    models: Models
    horizons: tuple[float, ...]
    fold: Ints
    linear_predictor: Floats
    event_probability: Floats
    penalty: Floats


def cross_validate(
    predictors: Predictors,
    time: Floats,
    event: Bools,
    models: Models,
    *,
    folds: int,
    repeats: int,
    horizons: Sequence[float],
    seed: int,
) -> OutOfFold:
    """Fit every model on all folds but one and apply it to that one, for every fold.

    Folds are the same for all models. Penalties are chosen by as many inner folds.

    Parameters
    ----------
    predictors
        Of n patients.
    time, event
        (n,) follow-up, and whether the event was observed.
    models
        Blocks that each model uses.
    folds, repeats
        Parts that the patients are dealt into, and how often they are dealt anew.
    horizons
        In the unit of `time`.
    seed
        Of the folds.

    Raises
    ------
    ValueError
        If there are fewer than 2 folds, or fewer than 2 events per fold.
    """
    reason = why_not(event, folds)
    if reason:
        raise ValueError(reason)
    shape = (len(models), repeats)
    found = OutOfFold(
        models=models,
        horizons=tuple(horizons),
        fold=np.empty((repeats, len(time)), np.int64),
        linear_predictor=np.empty((*shape, len(time))),
        event_probability=np.empty((*shape, len(horizons), len(time))),
        penalty=np.full((*shape, folds), np.nan),
    )
    for r, seeds in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        of_outer, *of_inner = (int(state) for state in seeds.generate_state(folds + 1))
        found.fold[r] = deal_folds(event, folds, of_outer)
        for k in range(folds):
            training = found.fold[r] != k
            inner = np.full(len(time), -1)
            inner[training] = deal_folds(event[training], folds, of_inner[k])
            chosen = choose_penalties(predictors, time, event, inner, models)
            blocks = _prepared(predictors, training, models)
            for m, (name, parts) in enumerate(models.items()):
                design, penalty = _design(blocks, predictors, parts, chosen[name])
                eta, probability = _predict(design, time, event, training, penalty, horizons)
                found.linear_predictor[m, r, ~training] = eta
                found.event_probability[m, r, :, ~training] = probability
                found.penalty[m, r, k] = chosen[name]
    return found


def _predict(
    design: Floats,
    time: Floats,
    event: Bools,
    training: Bools,
    penalty: Floats,
    horizons: Sequence[float],
) -> tuple[Floats, Floats]:
    """Fit a model to the training patients; log hazard (l,) and risks (l, h) of the l others."""
    risk = RiskSets(time[training], event[training], ties="breslow")
    eta = design @ maximise(design[training], risk, penalty).coefficients
    hazard = risk.baseline_hazard(eta[training], horizons)
    # Somebody unlike all training patients may be beyond what a float holds.
    relative = np.exp(np.minimum(eta[~training], 500.0))
    return eta[~training], -np.expm1(-np.outer(relative, hazard))


def why_not(event: Bools, folds: int) -> str:
    """Say what forbids a cross-validation into so many folds, "" if nothing does."""
    if folds < 2:
        return f"{folds} fold is no cross-validation: at least 2 are needed"
    events = int(np.sum(event))
    if events < 2 * folds:
        return (
            f"{events} events among {len(event)} patients: {folds} folds need at least {2 * folds}"
        )
    return ""


def deal_folds(event: Bools, folds: int, seed: int) -> Ints:
    """Deal patients into folds at random, those with and without event each as evenly as it goes.

    Returns
    -------
    ndarray
        (n,) int64, 0 to folds − 1.
    """
    fold = np.empty(len(event), np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Fewer patients without event than folds do no harm.
        warnings.filterwarnings("ignore", message="The least populated class")
        for k, (_, left_out) in enumerate(splitter.split(event, event)):
            fold[left_out] = k
    return fold


def choose_penalties(
    predictors: Predictors, time: Floats, event: Bools, inner: Ints, models: Models
) -> dict[str, float]:
    """Choose the penalty of every model's wide blocks by cross-validated partial likelihood.

    Parameters
    ----------
    predictors, time, event, models
        As for `cross_validate`.
    inner
        (n,) inner fold of each training patient, −1 of the others, which are not looked at.

    Returns
    -------
    dict
        A penalty per model, NaN without a wide block. Of equals the strongest.
    """
    wide = {
        name: parts
        for name, parts in models.items()
        if not all(isinstance(predictors[part], pd.DataFrame) for part in parts)
    }
    score = {name: np.zeros(len(PENALTIES)) for name in wide}
    seen = inner >= 0
    for k in range(int(inner.max()) + 1):
        training = seen & (inner != k)
        blocks = _prepared(predictors, training, wide)
        for name, parts in wide.items():
            pairs = [_design(blocks, predictors, parts, penalty) for penalty in PENALTIES]
            score[name] += held_out_likelihood(
                pairs[0][0][seen],
                time[seen],
                event[seen],
                training[seen],
                np.array([penalty for _, penalty in pairs]),
            )
    chosen = {name: PENALTIES[int(np.argmax(total))] for name, total in score.items()}
    return dict.fromkeys(models, np.nan) | chosen


def held_out_likelihood(
    design: Floats, time: Floats, event: Bools, training: Bools, penalties: Floats
) -> Floats:
    """Return how well fits on the training patients predict the others, for several penalties.

    This is one term of the cross-validated partial likelihood (Verweij and van Houwelingen 1993,
    eq. 3): the log partial likelihood of everybody minus that of the training patients, both with
    the coefficients of the training patients. The sum over folds is −½ times `cv.glmnet`'s
    deviance.

    Parameters
    ----------
    design, time, event
        Everybody, (n, p) and (n,).
    training
        (n,) who the model is fitted on.
    penalties
        (m, p) from strong to weak, each fit starting from the one before.

    Returns
    -------
    ndarray
        (m,), higher is better.
    """
    fitted = RiskSets(time[training], event[training], ties="breslow")
    path = ridge_path(design[training], fitted, penalties)
    everybody = RiskSets(time, event, ties="breslow")
    return predictive_likelihood(path @ design.T, everybody, fitted, training)


def ridge_path(design: Floats, risk: RiskSets, penalties: Floats) -> Floats:
    """Return the coefficients of ridge fits, (m, p), each starting from the one before.

    Parameters
    ----------
    design, risk
        Of the same n patients, (n, p).
    penalties
        (m, p) from strong to weak.
    """
    beta, path = np.zeros(design.shape[1]), np.empty(penalties.shape)
    for i, penalty in enumerate(penalties):
        path[i] = beta = maximise(design, risk, penalty, start=beta).coefficients
    return path


def predictive_likelihood(
    predictors: Floats, everybody: RiskSets, fitted: RiskSets, training: Bools
) -> Floats:
    """Return the log partial likelihood of everybody less that of the training patients, (m,).

    Parameters
    ----------
    predictors
        (m, n) log relative hazards of everybody, by m fits on the training patients.
    everybody, fitted
        Of all n, and of the training patients.
    training
        (n,) who they are.
    """
    return np.array(
        [
            log_likelihood(eta, everybody) - log_likelihood(eta[training], fitted)
            for eta in predictors
        ]
    )


def _prepared(predictors: Predictors, training: Bools, models: Models) -> dict[str, Floats]:
    """Prepare each block that some model uses, once for all of them."""
    used = dict.fromkeys(part for parts in models.values() for part in parts)
    return {
        part: prepare_columns(block, training)
        if isinstance(block, pd.DataFrame)
        else principal_components(block, training)
        for part, block in ((part, predictors[part]) for part in used)
    }


def _design(
    blocks: Mapping[str, Floats], predictors: Predictors, parts: Sequence[str], penalty: float
) -> tuple[Floats, Floats]:
    """Return the columns of a model and the penalty on each."""
    penalties = [
        np.full(
            blocks[part].shape[1],
            WEAK_PENALTY if isinstance(predictors[part], pd.DataFrame) else penalty,
        )
        for part in parts
    ]
    return np.hstack([blocks[part] for part in parts]), np.concatenate(penalties)


def prepare_columns(frame: pd.DataFrame, training: Bools) -> Floats:
    """Turn columns into numbers of mean 0 and standard deviation 1 among the training patients.

    A missing number becomes the training median. Levels of a category become 0/1 against the most
    frequent training level; a missing level, or one that no training patient has, counts as the
    most frequent. A column that no training patient has is left out.

    Parameters
    ----------
    frame
        (n, c) columns of numbers or text.
    training
        (n,) who is learnt from.

    Returns
    -------
    ndarray
        (n, p) float64, those of numbers before those of levels.

    Raises
    ------
    ValueError
        If a number is infinite.
    """
    known = frame.loc[:, frame[training].notna().any()]
    numeric = [name for name in known.columns if is_numeric_dtype(known[name])]
    numbers, levels = known[numeric], known.drop(columns=numeric).astype(object)
    parts = []
    if len(numbers.columns):
        median = SimpleImputer(strategy="median").fit(numbers[training])
        parts.append(median.transform(numbers))
    if len(levels.columns):
        levels = levels.apply(lambda column: column.where(column.isin(column[training].dropna())))
        frequent = SimpleImputer(strategy="most_frequent").fit(levels[training])
        filled = frequent.transform(levels)
        encoder = OneHotEncoder(drop=frequent.statistics_, sparse_output=False)
        parts.append(encoder.fit(filled[training]).transform(filled))
    columns = np.hstack(parts) if parts else np.empty((len(frame), 0))
    return _standardised(columns, training) if columns.size else columns


def principal_components(block: Floats, training: Bools) -> Floats:
    """Return the principal components of a standardised wide block, strongest first.

    Columns are standardised over the training patients and divided by √D, so that the components'
    variances add up to 1 among these (`PENALTIES`). Columns that do not vary are left out.

    Parameters
    ----------
    block
        (n, D) float64.
    training
        (n,) who is learnt from.

    Returns
    -------
    ndarray
        (n, c) with c at most the training patients less one, D, and `MAX_COMPONENTS`.
    """
    varying = block[:, np.ptp(block[training], axis=0) > 0]
    if not varying.size:
        return np.empty((len(block), 0))
    scaled = _standardised(varying, training) / np.sqrt(varying.shape[1])
    _, strength, axes = np.linalg.svd(scaled[training], full_matrices=False)
    kept = np.count_nonzero(strength > 1e-9 * strength[0])
    components: Floats = scaled @ axes[: min(kept, MAX_COMPONENTS)].T
    return components


def _standardised(values: Floats, training: Bools) -> Floats:
    scaled: Floats = StandardScaler().fit(values[training]).transform(values)
    return scaled
