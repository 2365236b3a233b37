"""Everything that is asked of one score and one endpoint.

The score is tested as groups (high against low) and as it is (per standard deviation), each alone,
with the number of tiles, with the clinical covariates, and with both: a score that only counts
tissue loses its hazard ratio beside the number of tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from histohet.clinical.endpoints import endpoints_of
from histohet.clinical.settings import Covariate
from histohet.cohort.select import of_endpoint
from histohet.cohort.settings import AnalysisSettings, Grouping
from histohet.survival.cox import CoxResult, fit_design
from histohet.survival.curves import KaplanMeier, LogRank, kaplan_meier, log_rank
from histohet.survival.design import Design, make_design, per_standard_deviation
from histohet.survival.permutation import (
    BestCut,
    best_cut,
    exposure_permutation_p,
    log_rank_scores,
    permutation_p,
)
from histohet.survival.ranking import Concordance, concordance
from histohet.survival.settings import StatisticsSettings

Groups = Literal["given", "searched", "none"]

HIGH_VS_LOW = Covariate(
    column="group", kind="categorical", name="group", reference="low", drop=("middle", "")
)
"""The high against the low group."""

SCORE = Covariate(column="score", kind="numeric", name="score")
"""The score, hazard ratio per unit of its column; `analyse_endpoint` makes that one standard
deviation."""

TILES = Covariate(column="n_tiles", kind="numeric", name="n_tiles")
"""The logarithm of 1 + the number of tiles, per standard deviation."""

NO_CONCORDANCE = Concordance(None, None, None, 0)
BEST_CUT = "best cut"


@dataclass(frozen=True)
class Model:
    """One Cox model of the score.

    Attributes
    ----------
    cox
        Its first term is the score, or the high against the low group.
    permutation_p
        Of that term (`histohet.survival.permutation.exposure_permutation_p`).
    concordance
        Harrell's C: of the score (or group) itself where it stands alone, so that C < 0.5 if a high
        score protects; of the fitted hazards in the other models, which have seen the patients they
        are judged on and so do a little too well.
    """

    cox: CoxResult
    permutation_p: float | None
    concordance: Concordance


@dataclass(frozen=True)
class EndpointAnalysis:
    """Whether a score predicts an endpoint.

    Attributes
    ----------
    n, events
        Patients with the endpoint known, and events among them.
    score_sd, log_tiles_sd
        Standard deviations that the hazard ratios of score and tile count are for.
    curves
        Of the low and the high group; of all patients where there are no groups.
    log_rank, log_rank_permutation_p
        Of given groups, None without.
    best_cut
        Of searched groups, None otherwise; they have no other p-value.
    models
        By name, such as ``high vs low, adjusted``.
    fullest
        The model with all clinical covariates, of the groups if they are given.
    primary
        What decides, chosen before any result, and what false discovery is controlled over: the
        fullest model, or a searched cut.
    """

    n: int
    events: int
    score_sd: float
    log_tiles_sd: float
    curves: tuple[KaplanMeier, ...]
    log_rank: LogRank | None
    log_rank_permutation_p: float | None
    best_cut: BestCut | None
    models: Mapping[str, Model]
    fullest: str
    primary: str


def analyse_endpoint(
    frame: pd.DataFrame,
    covariates: Sequence[Covariate] = (),
    *,
    groups: Groups = "given",
    permutations: int,
    replicates: int,
    seed: int,
) -> EndpointAnalysis:
    """Run every analysis of one score and one endpoint.

    Parameters
    ----------
    frame
        One row per patient whose endpoint is known: ``patient``, ``score``, ``n_tiles`` (tiles
        behind the score), ``group`` (low, middle, high, or empty), ``time_months``, ``event``, and
        each covariate under its name.
    covariates
        For the adjusted models.
    groups
        ``given`` in the column ``group``; ``searched``: the cut with the largest log-rank statistic
        (`histohet.survival.permutation.best_cut`); or ``none``.
    permutations, replicates
        Of the permutation p-values, and of the bootstrap of Harrell's C.
    seed
        Each test and each bootstrap starts from it, so none depends on what else is computed.
    """
    found = None
    if groups == "searched":
        found = best_cut(
            frame["score"],
            frame["time_months"],
            frame["event"],
            permutations=permutations,
            seed=seed,
        )
        frame = frame.assign(group=_sides(frame["score"], found.cut))
    scores, score_sd = per_standard_deviation(frame["score"])
    tiles, log_tiles_sd = _tile_count(frame["n_tiles"])
    frame = frame.assign(score=scores, n_tiles=tiles)
    test, test_p = None, None
    if groups == "given":
        test, test_p = _log_rank(frame, permutations, seed)
    exposures = {"per SD": SCORE}
    if groups == "given":
        exposures = {"high vs low": HIGH_VS_LOW, **exposures}
    adjustments: dict[str, list[Covariate]] = {"": [], ", tile count": [TILES]}
    if covariates:
        adjustments[", adjusted"] = list(covariates)
        adjustments[", adjusted, tile count"] = [*covariates, TILES]
    fullest = next(iter(exposures)) + (", adjusted" if covariates else "")
    return EndpointAnalysis(
        n=len(frame),
        events=int(frame["event"].astype(bool).sum()),
        score_sd=score_sd,
        log_tiles_sd=log_tiles_sd,
        curves=_curves(frame, grouped=groups != "none"),
        log_rank=test,
        log_rank_permutation_p=test_p,
        best_cut=found,
        models={
            name + adjustment: _model(
                make_design(frame, [exposure, *terms]), permutations, replicates, seed
            )
            for name, exposure in exposures.items()
            for adjustment, terms in adjustments.items()
        },
        fullest=fullest,
        primary=BEST_CUT if found else fullest,
    )


def analyse_endpoints(
    patients: pd.DataFrame, spec: AnalysisSettings, statistics: StatisticsSettings, seed: int
) -> dict[str, EndpointAnalysis]:
    """Run every analysis of every endpoint.

    Parameters
    ----------
    patients
        From `histohet.cohort.select.build_cohort`.
    spec
        The analysis that they were selected for.
    statistics, seed
        Of the permutations and the bootstrap.
    """
    return {
        endpoint: analyse_endpoint(
            of_endpoint(patients, endpoint),
            spec.adjusted_for,
            groups=groups_of(spec.grouping),
            permutations=statistics.permutations,
            replicates=statistics.bootstrap_replicates,
            seed=seed,
        )
        for endpoint in endpoints_of(patients)
    }


def groups_of(grouping: Grouping) -> Groups:
    """Return what a configured grouping means for the groups of a frame."""
    if grouping == "best_cut":
        return "searched"
    return "none" if grouping == "none" else "given"


def _tile_count(tiles: pd.Series[float]) -> tuple[npt.NDArray[np.floating], float]:
    """Return the logarithm of tile counts per standard deviation, and that deviation.

    Tile counts are spread over orders of magnitude, from biopsies to resections, and a score cannot
    grow in proportion to tissue for long: twice the tissue is one step, whatever its amount. A
    patient without any cluster that counts has a score, 0, and no tiles: hence 1 + their number.
    """
    scaled, deviation = per_standard_deviation(np.log1p(tiles.to_numpy(dtype=float)))
    # A count that is always the same is named as it is.
    return (scaled if deviation else tiles.to_numpy()), deviation


def _sides(score: pd.Series[float], cut: float | None) -> npt.NDArray[np.str_]:
    return np.where(score > cut, "high", "low") if cut is not None else np.full(len(score), "")


def _curves(frame: pd.DataFrame, *, grouped: bool) -> tuple[KaplanMeier, ...]:
    if not grouped:
        return (kaplan_meier(frame["time_months"], frame["event"], label="all"),)
    return tuple(
        kaplan_meier(patients["time_months"], patients["event"], label=group)
        for group in ("low", "high")
        for patients in [frame[frame["group"] == group]]
    )


def _log_rank(frame: pd.DataFrame, permutations: int, seed: int) -> tuple[LogRank, float | None]:
    extremes = frame[frame["group"].isin(["low", "high"])]
    time, event = extremes["time_months"], extremes["event"].astype(bool)
    test = log_rank(time, event, extremes["group"])
    if test.status != "ok":
        return test, None
    p = permutation_p(
        extremes["group"] == "high",
        log_rank_scores(time, event),
        permutations=permutations,
        seed=seed,
    )
    return test, p


def _model(design: Design, permutations: int, replicates: int, seed: int) -> Model:
    cox = fit_design(design)
    if cox.status != "ok":
        return Model(cox, None, NO_CONCORDANCE)
    alone = len(design.columns) == 1
    return Model(
        cox=cox,
        permutation_p=exposure_permutation_p(design, permutations=permutations, seed=seed),
        concordance=concordance(
            design.used["time_months"],
            design.event,
            # Equal patients have equal hazards, whatever the last digit of their sums.
            design.matrix[:, 0] if alone else design.fitted.ranking.round(10),
            replicates=replicates,
            seed=seed,
        ),
    )
