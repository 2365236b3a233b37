"""The patients of a fusion: whose outcome is known, and the blocks that each of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histohet.clinical.cells import is_missing
from histohet.clinical.covariates import EXCLUDES, read_covariate
from histohet.clinical.endpoints import competing_column, event_column, months_column
from histohet.clinical.table import ClinicalTable, read_clinical_tsv
from histohet.cohort.patients import patient_scores
from histohet.cohort.settings import AnalysisSettings
from histohet.common.arrays import Bools
from histohet.common.settings import quoted
from histohet.common.tables import read_tsv
from histohet.fusion.blocks import Block, aligned
from histohet.fusion.comparison import ALONE_BY_VOLUME
from histohet.fusion.competing_risks import COMPETING, EVENT
from histohet.fusion.errors import FusionError
from histohet.fusion.feature_table import FeatureTable, read_feature_table, scanned_after
from histohet.fusion.folds import Centres
from histohet.fusion.mil.block import mil_block
from histohet.fusion.models import Blocks
from histohet.fusion.settings import FusionSettings
from histohet.prognosis.added_value import patient_embeddings


@dataclass(frozen=True, eq=False)
class FusionCohort:
    """Patients whose outcome is known, and what is known of them.

    Attributes
    ----------
    outcome
        ``time_months`` and ``state``, indexed by patient.
    blocks
        Of these patients, in their order; the volume as one of its own.
    centre
        Of each patient, where they stay together.
    flow
        From the clinical tables to those that are analysed: ``step``, ``patients``, ``why``.
    """

    outcome: pd.DataFrame
    blocks: Blocks
    centre: Centres | None
    flow: pd.DataFrame


def fusion_cohort(
    clinical: ClinicalTable,
    analysis: AnalysisSettings,
    settings: FusionSettings,
    tables: Mapping[str, FeatureTable],
    slides: pd.DataFrame | None = None,
    vectors: pd.DataFrame | None = None,
    made_by: Mapping[str, Mapping[str, str]] | None = None,
    mil: Callable[[pd.Index[str]], Block] | None = None,
) -> FusionCohort:
    """Bring outcome and blocks together. A patient who lacks some blocks, not all, stays.

    Parameters
    ----------
    clinical
        With the endpoint, the conditions and covariates of the analysis, and the centre.
    analysis
        Whose patients, covariates and rule for several slides are taken.
    settings
        The fusion.
    tables
        Feature tables, by block.
    slides
        One row per slide (`histohet.cohort.patients.patient_scores`), for the blocks ``slide`` and
        ``heterogeneity``.
    vectors
        One row per slide that has an embedding, ``wsi`` and its numbers.
    made_by
        What made the blocks that the workflow makes.
    mil
        Gives the block ``mil`` of some patients.

    Raises
    ------
    FusionError
        If the endpoint, the centre of a patient, or a table is missing or does not fit.
    """
    rows, steps = _chosen(clinical, analysis, settings.endpoint)
    # Folds are dealt by the order of patients, which that of a table must not change.
    rows = rows.sort_index(kind="stable")
    made = dict(made_by or {})
    blocks: dict[str, Block] = {}
    for name in settings.blocks:
        if name == "clinical":
            covariates = [read_covariate(one, rows[one.column])[0] for one in analysis.covariates]
            if not covariates:
                raise FusionError(f"block 'clinical': analysis '{analysis.name}' has no covariates")
            table = pd.concat(covariates, axis="columns")
            table.columns = pd.Index([one.name for one in analysis.covariates])
            blocks[name] = aligned(name, table, rows.index, "few")
        elif name in tables:
            features = tables[name].features
            late = scanned_after(tables[name], rows)
            steps += [(f"block {name}", len(rows), f"{who}: {why}") for who, why in late.items()]
            if tables[name].unused:
                steps.append((f"block {name}", len(rows), tables[name].unused))
            before = features[~features.index.isin(late)].reindex(features.index)
            of_table = tables[name].identity, tables[name].draws
            blocks[name] = aligned(name, before, rows.index, tables[name].kind, *of_table)
        elif name == "mil":
            if mil is None:
                raise FusionError("block 'mil' needs slides, and there are none")
            blocks[name] = mil(rows.index)
        else:
            blocks[name] = _of_slides(name, slides, vectors, analysis, settings, rows, made)
    known = np.column_stack([block.known for block in blocks.values()])
    has: Bools = np.asarray(known.any(axis=1))
    steps.append(("some block", int(has.sum()), _named(rows.index[~has], "no block at all")))
    blocks = {name: block.of(has) for name, block in blocks.items()}
    rows = rows.loc[has]
    steps += [
        (f"block {name}", int(block.known.sum()), _named(rows.index[~block.known], "missing"))
        for name, block in blocks.items()
    ]
    if settings.volume is not None:
        blocks[ALONE_BY_VOLUME] = _volume(settings.volume, blocks)
    return FusionCohort(
        outcome=rows[["time_months", "state"]],
        blocks=blocks,
        centre=_centres(rows, settings.centre),
        flow=pd.DataFrame(steps, columns=["step", "patients", "why"]),
    )


def read_fusion_cohort(
    files: Mapping[str, str | Sequence[str]],
    analysis: AnalysisSettings,
    settings: FusionSettings,
    made_by: Mapping[str, Mapping[str, str]],
    patients: Mapping[str, str] | None = None,
) -> FusionCohort:
    """Return the cohort that files tell of (`fusion_cohort`).

    Parameters
    ----------
    files
        ``clinical`` and ``problems``; ``tables`` in the order of the settings, and those of their
        ``draws`` that there are; ``slides`` and ``vectors``, empty where no block is made of them;
        ``bags``, empty without block ``mil``, and what networks ``predicted``, empty before.
    analysis, settings, made_by
        As for `fusion_cohort`.
    patients
        Whose the slides of the slide sheet are.
    """
    draws = {name: path for name, path in settings.draws.items() if path in files.get("draws", [])}
    tables = {
        name: read_feature_table(path, draws.get(name), patients)
        for name, path in zip(settings.tables, files["tables"], strict=True)
    }
    slides, vectors = ([read_tsv(path) for path in files[name]] for name in ("slides", "vectors"))
    bags, predicted = files.get("bags", []), files.get("predicted", [])

    def mil(cohort: pd.Index[str]) -> Block:
        return mil_block(bags[0], predicted, cohort, made_by["mil"])

    return fusion_cohort(
        read_clinical_tsv(str(files["clinical"]), str(files["problems"])),
        analysis,
        settings,
        tables,
        slides[0] if slides else None,
        vectors[0] if vectors else None,
        made_by,
        mil if bags else None,
    )


def _chosen(
    clinical: ClinicalTable, analysis: AnalysisSettings, endpoint: str
) -> tuple[pd.DataFrame, list[tuple[str, int, str]]]:
    """Return the clinical rows of patients with a known outcome, and the steps to them."""
    if endpoint not in clinical.endpoints:
        raise FusionError(
            f"no clinical table has the endpoint '{endpoint}'; there are "
            f"{quoted(clinical.endpoints) or 'none'}"
        )
    rows = clinical.where(analysis.where)
    steps = [("clinical tables", len(rows), "")]
    for column, values in analysis.where.items():
        meets = rows[column].isin(list(values))
        steps.append((f"{column}: {', '.join(values)}", int(meets.sum()), ""))
        rows = rows[meets]
    for covariate in analysis.covariates:
        excluded = pd.Series(False, index=rows.index)
        for finding in read_covariate(covariate, rows[covariate.column])[1]:
            if finding.consequence == EXCLUDES:
                excluded |= finding.rows
        if excluded.any():
            why = _named(rows.index[excluded], "value excluded")
            rows = rows[~excluded]
            steps.append((f"covariate {covariate.name}", len(rows), why))
    months, event = rows[months_column(endpoint)], rows[event_column(endpoint)]
    known = months.notna() & event.notna()
    steps.append((f"{endpoint} known", int(known.sum()), _named(rows.index[~known], "unknown")))
    state = event[known].astype(int) * EVENT
    if competing_column(endpoint) in rows:
        state = state.mask(rows.loc[known, competing_column(endpoint)].eq(1), COMPETING)
    rows = rows[known].assign(time_months=months[known].astype(float), state=state.astype(int))
    return rows, steps


def _of_slides(
    name: str,
    slides: pd.DataFrame | None,
    vectors: pd.DataFrame | None,
    analysis: AnalysisSettings,
    settings: FusionSettings,
    rows: pd.DataFrame,
    made: Mapping[str, Mapping[str, str]],
) -> Block:
    """Return the embedding, or the scores, of the slides of each patient."""
    if slides is None:
        raise FusionError(f"block '{name}' needs slides, and there are none")
    if name == "slide":
        if vectors is None:
            raise FusionError("block 'slide' needs slide embeddings, and there are none")
        listed = slides.groupby("patient", sort=False)["slide"].agg(", ".join).reset_index()
        table = patient_embeddings(listed, vectors)
        return aligned(name, table, rows.index, "vector", made.get(name))
    columns = {}
    for score in settings.scores:
        if score not in slides:
            raise FusionError(f"block '{name}': the slides have no score '{score}'")
        scores = patient_scores(slides, analysis.slides, score)
        columns[score] = scores.set_index("patient")["score"]
    return aligned(name, pd.DataFrame(columns), rows.index, "few", made.get(name))


def _volume(volume: str, blocks: Blocks) -> Block:
    table, _, column = volume.partition(":")
    features = blocks[table].table
    if column not in features:
        raise FusionError(f"fusion.volume: block '{table}' has no feature '{column}'")
    return Block(ALONE_BY_VOLUME, features[[column]], "few", blocks[table].identity)


def _centres(rows: pd.DataFrame, column: str | None) -> Centres | None:
    if column is None:
        return None
    lacking = rows.index[is_missing(rows[column])]
    if len(lacking):
        raise FusionError(
            f"fusion.centre: patient '{lacking[0]}' has none in column '{column}': say it, or "
            "leave 'centre' out"
        )
    return rows[column].to_numpy(np.str_)


def _named(patients: pd.Index[str], why: str) -> str:
    return f"{why}: {', '.join(patients)}" if len(patients) else ""
