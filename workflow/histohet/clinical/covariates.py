"""Covariates of the Cox models: which column of the clinical tables they are, and how recoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from histohet.common.settings import check_keys, code, codes, quoted

Kind = Literal["numeric", "categorical"]

PATIENT_COLUMNS = (
    "patient",
    "slide",
    "n_slides",
    "n_scored",
    "score",
    "n_tiles",
    "group",
    "analysed",
    "excluded_because",
)
"""Columns of the table of patients (`cohort.select`), before those of endpoints and so on."""

RESERVED = (*PATIENT_COLUMNS, "time_months", "event")
"""What no covariate may be called: statistics take its column beside these."""

_KINDS = " | ".join(get_args(Kind))


@dataclass(frozen=True)
class Covariate:
    """A column for the Cox model.

    Attributes
    ----------
    column
        Its header in the clinical table.
    kind
        ``numeric`` (hazard ratio per unit) or ``categorical`` (each level against `reference`).
    name
        What it is called in tables and figures.
    reference
        Reference level of a categorical covariate, "" for a numeric one.
    drop
        Codes that exclude the patient (``NX``, ``TX``); "" stands for a missing value, which
        otherwise only leaves the patient out of the models with this covariate.
    levels
        Codes of each level, such as ``{"T1-2": ("T1", "T2"), "T3-4": ("T3", "T4")}``. A code in no
        level excludes the patient and is a problem of its row. Empty: every code is its own level.

    Raises
    ------
    ValueError
        If the reference level is absent, superfluous or dropped, a code means two things, or the
        kind is unknown.
    """

    column: str
    kind: Kind
    name: str
    reference: str = ""
    drop: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"covariate '{self.name}': kind '{self.kind}' is not one of {_KINDS}")
        if self.kind == "categorical" and not self.reference:
            raise ValueError(f"covariate '{self.name}' is categorical and needs a reference level")
        if self.kind == "numeric" and (self.reference or self.levels):
            what = "reference level" if self.reference else "levels"
            raise ValueError(f"covariate '{self.name}' is numeric and has no {what}")
        if self.reference and self.reference in self.drop:
            raise ValueError(f"covariate '{self.name}' drops its own reference level")
        if self.levels and self.reference not in self.levels:
            raise ValueError(
                f"covariate '{self.name}': reference '{self.reference}' is none of its levels "
                f"{quoted(self.levels)}"
            )
        meant = [one for level in self.levels.values() for one in level] + list(self.drop)
        twice = sorted({one for one in meant if meant.count(one) > 1})
        if twice:
            raise ValueError(
                f"covariate '{self.name}': {quoted(twice)} must be in one level, or in 'drop'"
            )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read ``{column, kind, name, reference, drop, levels}``; `name` defaults to the column.

        Raises
        ------
        ValueError
            If a key is missing, unknown or unfit, or tables of patients have a column of that name.
        """
        known = {"column", "kind", "name", "reference", "drop", "levels"}
        check_keys(config, required={"column", "kind"}, known=known, where="a covariate")
        levels = config.get("levels", {})
        covariate = cls(
            column=str(config["column"]),
            kind=config["kind"],
            name=str(config.get("name", config["column"])),
            reference=code(config.get("reference", "")),
            drop=codes(config.get("drop", ())),
            levels={code(level): codes(of_level) for level, of_level in levels.items()},
        )
        if covariate.name in RESERVED:
            raise ValueError(
                f"covariate '{covariate.name}': the cohort table has a column of that name; give "
                "it another 'name'"
            )
        return covariate
