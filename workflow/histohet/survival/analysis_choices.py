"""Choices within an analysis that a specification curve goes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from histohet.cohort.analyses import AnalysisSpec, Trim
from histohet.cohort.grouping import Grouping


@dataclass(frozen=True)
class Choices:
    """Choices that need nothing but the table of slides; each is tried with all others.

    Attributes
    ----------
    scores
        Measures of slides.
    groupings
        How the score splits patients; a cut chosen by the outcome is not among them.
    trims
        Whether extremes are left out, and how; None for nobody.
    adjusted
        Whether for the covariates of the analysis.

    Raises
    ------
    ValueError
        If a grouping searches for its cut, or one comes twice.
    """

    scores: tuple[str, ...]
    groupings: tuple[Grouping, ...]
    trims: tuple[Trim | None, ...]
    adjusted: tuple[bool, ...]

    def __post_init__(self) -> None:
        if any(grouping.how == "best_cut" for grouping in self.groupings):
            raise ValueError(
                "specification_curve: best_cut has no p-value but that of its search, and no "
                "interval; it cannot be one of many choices"
            )
        for name in ("scores", "groupings", "trims", "adjusted"):
            chosen = getattr(self, name)
            if len(set(chosen)) < len(chosen):
                raise ValueError(f"specification_curve.{name}: one of them comes twice")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], spec: AnalysisSpec) -> Choices:
        """Read ``scores``, ``groupings``, ``trims`` and ``adjusted``, by default as analysed.

        Raises
        ------
        ValueError
            Also if a grouping or trimming is none, or there is nothing to adjust for.
        """
        trims = [
            None
            if one == "none"
            else Trim(spec.trim.measure if spec.trim else "n_tiles", tuple(one))
            for one in config.get("trims", ())
        ]
        adjusted = tuple(config.get("adjusted", (bool(spec.covariates),)))
        if any(adjusted) and not spec.covariates:
            raise ValueError(
                f"specification_curve.adjusted: analysis '{spec.name}' has no covariates"
            )
        groupings = tuple(Grouping.from_config(one) for one in config.get("groupings", ()))
        return cls(
            tuple(config.get("scores", (spec.score,))),
            groupings or (spec.grouping,),
            tuple(trims or (spec.trim,)),
            adjusted,
        )

    def specifications(
        self, spec: AnalysisSpec
    ) -> Iterator[tuple[dict[str, str], AnalysisSpec, bool]]:
        """Yield what is chosen, in words, the analysis that it makes, and whether it adjusts.

        Who is analysed, and in which group, does not depend on whether hazard ratios are adjusted:
        the covariates stay in the analysis, and exclude whom they exclude.
        """
        for score, grouping, trim, adjusted in product(
            self.scores, self.groupings, self.trims, self.adjusted
        ):
            words = {
                "score": score,
                "grouping": _words(grouping),
                "trim": f"{trim.percentiles[0]:g}–{trim.percentiles[1]:g} %" if trim else "none",
                "adjusted": "yes" if adjusted else "no",
            }
            yield words, replace(spec, score=score, grouping=grouping, trim=trim), adjusted


def _words(grouping: Grouping) -> str:
    if grouping.how != "cut":
        return {"none": "per SD"}.get(grouping.how, grouping.how)
    if grouping.low_at_most == grouping.high_above:
        return f"cut {grouping.high_above:g}"
    return f"≤ {grouping.low_at_most:g}, > {grouping.high_above:g}"
