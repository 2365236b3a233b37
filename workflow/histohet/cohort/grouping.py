"""Grouping: how a score is to split patients into low and high, whatever their outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from histohet.common.settings import check_keys

Rule = Literal["quartiles", "median", "cut", "best_cut", "none"]


@dataclass(frozen=True)
class Grouping:
    """How a score splits the patients into low and high.

    ``quartiles``: low at or below the 25th percentile, high above the 75th, the middle half left
    out (METHODS §1). ``median``: low at or below the median, high above. ``cut``: low at or below
    `low_at_most`, high above `high_above`, mostly the same. Percentiles interpolate linearly
    between order statistics (numpy's ``linear``, R's type 7) over the patients that are analysed.
    ``none`` forms no groups, nor does ``best_cut``, whose cut is chosen by the outcome and belongs
    to the statistics, with its correction.

    Raises
    ------
    ValueError
        If the rule is unknown, a cut has no finite values, or its groups overlap.
    """

    how: Rule
    low_at_most: float | None = None
    high_above: float | None = None

    def __post_init__(self) -> None:
        if self.how not in get_args(Rule):
            raise ValueError(f"grouping '{self.how}' is not one of {' | '.join(get_args(Rule))}")
        given = [value for value in (self.low_at_most, self.high_above) if value is not None]
        if len(given) != (2 if self.how == "cut" else 0) or not all(map(math.isfinite, given)):
            raise ValueError(
                "grouping 'cut', and it alone, needs finite values: {cut: 0.5}, or "
                "{low_at_most: 0.3, high_above: 0.7}"
            )
        if given and given[0] > given[1]:
            raise ValueError(f"grouping: low_at_most {given[0]:g} is above high_above {given[1]:g}")

    @classmethod
    def from_config(cls, config: str | Mapping[str, Any]) -> Self:
        """Read the name of a rule, ``{cut: value}`` or ``{low_at_most: value, high_above: value}``.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        if isinstance(config, str):
            return cls(config)  # type: ignore[arg-type]  # checked when it is built
        if "cut" in config:
            check_keys(config, {"cut"}, {"cut"}, "grouping")
            return cls("cut", float(config["cut"]), float(config["cut"]))
        both = {"low_at_most", "high_above"}
        check_keys(config, both, both, "grouping")
        return cls("cut", float(config["low_at_most"]), float(config["high_above"]))
