"""What is tested with the scores: the analyses of the configuration, and how they are compared."""

from __future__ import annotations

from typing import Any

from histohet.config import Config

ASKED_OF_CLINICAL = ("name", "endpoints", "where", "covariates")


class Analyses:
    """The analyses, as plain values that rules depend on.

    Attributes
    ----------
    by_name
        In the order of the configuration.
    clinical
        Whether there are clinical data: without, no analysis is made.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.by_name = {one.name: one.canonical() for one in config.analyses}
        self.clinical = config.clinical is not None

    @property
    def first(self) -> str:
        """Name of the first analysis, which stands for all where variants are compared."""
        return next(iter(self.by_name))

    @property
    def scores(self) -> list[str]:
        """What is tested, each once."""
        return list(dict.fromkeys(one["score"] for one in self.by_name.values()))

    def of_variant(self, name: str, *, pooled: bool) -> dict[str, Any]:
        """Return an analysis. Where slides are pooled, a patient has none to choose from."""
        return self.by_name[name] | ({"slides": "first"} if pooled else {})

    @property
    def asked_of_clinical(self) -> list[dict[str, Any]]:
        """What the analyses ask of the clinical tables, without what is none of their business."""
        return [
            {key: one[key] for key in ASKED_OF_CLINICAL if key in one}
            for one in self.by_name.values()
        ]

    @property
    def of_curve(self) -> dict[str, Any]:
        """The analysis that a specification curve varies."""
        curve = self._config.specification_curve
        return self.by_name[(curve and curve.analysis) or self.first]

    @property
    def of_added_value(self) -> str:
        """Name of the analysis whose patients and score are added to other predictors."""
        section = self._config.added_value
        return (section and section.analysis) or self.first
