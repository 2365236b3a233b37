"""The patients of trait models: their values, thresholds by fold, labels, splits, problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats
from histohet.common.settings import quoted
from histohet.traits.expression import (
    MOST_SHOWN,
    NO_VALUE,
    PROBLEM_COLUMNS,
    Expression,
    Problem,
    TraitError,
)
from histohet.traits.labels import (
    HIGH,
    LOW,
    NONE,
    Texts,
    Thresholds,
    check_numbers,
    is_high,
    labels_of,
    percentiles_of,
    thresholds_of,
)
from histohet.traits.settings import PatientSettings
from histohet.traits.splits import (
    TEST,
    TESTED_IN,
    TRAIN,
    VALIDATION,
    make_splits,
    notes_on_splits,
    role_column,
)

LABEL_COLUMNS = ("patient", "trait", "fold", "value", "percentile", "label", "high")
THRESHOLD_COLUMNS = ("trait", "fold", *Thresholds._fields)


class TraitCohort(NamedTuple):
    """What models of traits are made of and judged by.

    Attributes
    ----------
    labels
        `LABEL_COLUMNS`: of each patient and trait, the value and the label as it counts when the
        patient is judged: by the thresholds of the fold that has not seen it.
    thresholds
        `THRESHOLD_COLUMNS`: of each trait and fold.
    splits
        See `histohet.traits.splits.make_splits`.
    problems
        `PROBLEM_COLUMNS`.
    """

    labels: pd.DataFrame
    thresholds: pd.DataFrame
    splits: pd.DataFrame
    problems: pd.DataFrame


def trait_cohort(
    expression: Expression, patients: Iterable[str], settings: PatientSettings, seed: int
) -> TraitCohort:
    """Label and split the patients of the sheet.

    Parameters
    ----------
    patients
        Of all slides; one of whom no expression is known takes part in no model, and has maps.

    Raises
    ------
    TraitError
        If expression and sheet have no patient in common, a trait cannot be divided
        (`thresholds_of`), or a set has too few patients of a label.
    """
    splits = make_splits(patients, settings, seed)
    _check_common(expression, splits)
    values = expression.values.reindex(splits["patient"])
    labels, thresholds = [], []
    for trait in settings.wanted:
        of_trait, at = _labels_of_trait(values[trait].to_numpy(), trait, splits, settings)
        labels.append(of_trait)
        thresholds.append(at)
    problems = [*expression.problems, *notes_on_splits(splits, settings)]
    problems += _without_values(values)
    problems += _one_sided(pd.concat(labels), settings)
    return TraitCohort(
        pd.concat(labels, ignore_index=True),
        pd.concat(thresholds, ignore_index=True),
        splits,
        pd.DataFrame(problems, columns=list(PROBLEM_COLUMNS)),
    )


def _check_common(expression: Expression, splits: pd.DataFrame) -> None:
    known, wanted = expression.values.index, splits["patient"]
    if not wanted.isin(known).any():
        raise TraitError(
            f"no patient of the sheet ({quoted(wanted[:MOST_SHOWN])}) is in the expression tables "
            f"({quoted(known[:MOST_SHOWN])}): a `sample_pattern` can take the patient out of the "
            "name of a sample"
        )


def _labels_of_trait(
    values: Floats, trait: str, splits: pd.DataFrame, settings: PatientSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    tested_in = splits[TESTED_IN].to_numpy()
    label = np.full(len(values), NONE, dtype=object)
    high = np.zeros(len(values), bool)
    found = []
    for fold in range(1, settings.n_folds + 1):
        developed = tested_in != fold
        learned_on = values if settings.labels.source == "all" else values[developed]
        at = thresholds_of(learned_on, settings.labels, trait)
        labels = labels_of(values, at)
        check_numbers(labels, trait, settings.labels)
        _check_rounds(labels, trait, splits, fold, settings)
        # Of the published scheme, whoever is not tested is judged by the same thresholds.
        judged = (tested_in == fold) | (tested_in == 0)
        label[judged] = labels[judged]
        high[judged] = is_high(values, labels, at)[judged]
        found.append({"trait": trait, "fold": fold, **at._asdict()})
    table = pd.DataFrame(
        {
            "patient": splits["patient"],
            "trait": trait,
            "fold": tested_in,
            "value": values,
            "percentile": percentiles_of(values),
            "label": label,
            "high": high,
        }
    )
    return table, pd.DataFrame(found, columns=list(THRESHOLD_COLUMNS))


def _check_rounds(
    labels: Texts, trait: str, splits: pd.DataFrame, fold: int, settings: PatientSettings
) -> None:
    """Refuse rounds without a low or a high patient to learn from, or to choose rounds by."""
    chosen_by_validation = settings.scheme == "published"
    needed = (TRAIN, VALIDATION, TEST) if chosen_by_validation else (TRAIN,)
    for number in range(1, settings.rounds + 1):
        roles = splits[role_column(fold, number)].to_numpy()
        for role in needed:
            of_role = labels[roles == role]
            for label in (LOW, HIGH):
                if label not in of_role:
                    raise TraitError(
                        f"trait '{trait}': none of the {len(of_role)} {role} patients of fold "
                        f"{fold}, round {number} is {label}: fewer folds or rounds, or larger sets"
                    )


def _without_values(values: pd.DataFrame) -> list[Problem]:
    lacking = values.isna()
    return [
        ("", str(patient), str(trait), "no expression", f"{NO_VALUE}: mapped, not learned from")
        for trait in values
        for patient in values.index[lacking[trait]]
    ]


def _one_sided(labels: pd.DataFrame, settings: PatientSettings) -> list[Problem]:
    """Say which folds have no low or no high patient, so that no pair can be compared there."""
    there = set(zip(labels["trait"], labels["fold"], labels["label"], strict=True))
    return [
        ("", "", trait, f"fold {fold} has no {label} patient", "it says nothing in the AUC")
        for trait in settings.wanted
        for fold in range(1, settings.n_folds + 1)
        for label in (LOW, HIGH)
        if (trait, fold, label) not in there
    ]
