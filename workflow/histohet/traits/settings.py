"""Trait models and their maps: the section `traits`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from histohet.common.settings import (
    FaultyKeyError,
    FilePath,
    Settings,
    Several,
    Text,
    did_you_mean,
    quoted,
)
from histohet.tiles.settings import TileSpec

MOST_TRAITS = 6
"""Of a combination: six traits have 63 combinations on a tile, more no map can show."""

INCEPTION = "inception"
"""Networks on pixels; and what stands for their encoder, since they are the encoder."""

OF_COMBINATIONS = (
    *("hti_possible", "hti_observed", "hti_soft", "hti_excess"),
    *("hta", "hta_p", "n_positive"),
)
OF_TRAITS = ("trait_positive", "expression")


def _trait(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise ValueError(
            f"{name!r} names columns and files: letters, digits and '-'; '_' joins traits"
        )
    if name == "p":
        raise ValueError("'p' cannot be the name of a trait: the p-value of HTA is `trait_hta_p`")
    return name


# What we call a trait; several, joined by '_', name a combination.
TraitName = Annotated[str, AfterValidator(_trait)]
Percent = Annotated[float, Field(gt=0, lt=100)]


def one_group(pattern: str) -> str:
    """Check that a regular expression has one group.

    Raises
    ------
    ValueError
        If it is none, or has another number of groups.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"'{pattern}' needs one group, in (); it has {groups}")
    return pattern


Pattern = Annotated[str, AfterValidator(one_group)]


class ExpressionTable(Settings):
    """A table of measured expression."""

    table: FilePath = Field(description="TSV or CSV, also packed (`.gz`, `.zip`).")
    layout: Literal["patients_in_rows", "traits_in_rows"] = Field(
        "patients_in_rows", description="What a row is: a patient (or sample), or a trait."
    )
    id: Text = Field(
        description="Column with the names of what rows are: patients or samples, or traits."
    )
    sample_pattern: Pattern | None = Field(
        None,
        description="Regular expression with one group, which is the patient in the name of a "
        "sample; other samples are left out. TCGA's primary tumours: `^(TCGA-..-....)-01A`.",
    )
    several: Literal["none", "mean"] = Field(
        "none",
        description="A patient whose samples differ has no value (`none`, and is listed), or their "
        "`mean`.",
    )
    counts: bool = Field(
        False, description="Whether values are counts or normalised counts: none is negative."
    )


class LabelSettings(Settings):
    """Who is low and who is high, by percentile (PathoMCH: 20 and 80)."""

    low: Percent = Field(20, description="Low is at most this percentile.")
    high: Percent = Field(80, description="High is at least this percentile.")
    near: Percent = Field(
        10,
        description="So many percent beyond low and high are `near`; the rest between is `middle`.",
    )
    source: Literal["development", "all"] = Field(
        "development",
        alias="from",
        description="Whose percentiles: of the patients that models are developed on, or of `all`, "
        "the tested ones included (PathoMCH).",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise FaultyKeyError("low", f"{self.low:g} is above high, {self.high:g}")
        return self


class PatientSettings(Settings):
    """What labels and splits of patients depend on."""

    expression: Annotated[tuple[ExpressionTable, ...], Field(min_length=1)] = Field(
        description="Tables of expression, joined by patient.",
    )
    wanted: Annotated[dict[TraitName, Text], Field(min_length=1)] = Field(
        description="Traits to learn: our name, and theirs in a table: `{MKI67: MKI67|4288}`."
    )
    labels: LabelSettings = LabelSettings()
    scheme: Literal["cross_fitted", "published"] = Field(
        "cross_fitted",
        description="`cross_fitted`: patients are dealt into `folds`, and the maps of each come "
        "from models that have not seen them. `published`: one test set, `rounds` models that are "
        "validated on patients drawn anew, majority vote of the `best` (PathoMCH).",
    )
    folds: int = Field(5, ge=2, description="Folds of `cross_fitted`.")
    rounds: int = Field(
        5,
        ge=2,
        description="Models per fold, or of the one split of `published`; each leaves out "
        "other patients for validation.",
    )
    test: float = Field(0.1, gt=0, lt=0.5, description="Share of test patients of `published`.")
    validation: float = Field(
        0.1, gt=0, lt=0.5, description="Share of validation patients of each round of `published`."
    )
    keep_together: Literal["site", "patient"] = Field(
        "site",
        description="What is never on two sides of a split: `site`, where `site_pattern` names "
        "it, or only the `patient` (PathoMCH). Sites stain, scan and differ in expression: a model "
        "that tells sites apart looks as if it told traits.",
    )
    site_pattern: Pattern | None = Field(
        None,
        description="Regular expression with one group: the site in the id of a patient, TCGA's "
        "`^TCGA-(..)`.",
    )

    @property
    def n_folds(self) -> int:
        """Number of folds; the published scheme has one."""
        return self.folds if self.scheme == "cross_fitted" else 1


class InceptionSettings(Settings):
    """The published network and its training, by default as PathoMCH's code has them."""

    tile_um: float = Field(256, gt=0, description="Side of a tile on the slide, µm.")
    tile_px: int = Field(
        512,
        ge=75,
        le=2048,
        description="Side of a tile as the network sees it, 75 px (the least it takes) to 2048.",
    )
    max_background: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A tile is left out if so large a share of its values, all pixels and "
        "channels, is above 220.",
    )
    batch: int = Field(144, ge=2, description="Tiles per step.")
    part: int = Field(
        18,
        ge=2,
        description="Tiles that pass the network at once and are normalised together, a whole "
        "part of `batch`; published on eight GPUs with 18 each. Memory of the GPU goes by it.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam, at the beginning.")
    norm_momentum: float = Field(
        0.01,
        gt=0,
        le=1,
        description="Share of the running means of batch normalisation that a step replaces.",
    )
    evaluations_per_pass: int = Field(
        16, ge=1, description="How often a pass through all tiles stops to evaluate the network."
    )
    most_evaluations: int = Field(1000, ge=1, description="Training ends after so many.")
    lr_patience: int = Field(
        10,
        ge=1,
        description="The learning rate falls to a tenth after so many evaluations without a "
        "validation loss that is less by 0.0001.",
    )
    patience: int = Field(
        30, ge=1, description="Training ends after so many without a lesser validation loss."
    )
    best_by: Literal["tiles", "slides"] = Field(
        "tiles",
        description="The network is kept as it was at its highest validation AUC: of `tiles` "
        "(PathoMCH's code) or `slides` (the paper).",
    )

    @model_validator(mode="after")
    def _check_part(self) -> Self:
        if self.batch % self.part:
            raise FaultyKeyError("part", f"{self.batch} tiles cannot be dealt into such parts")
        return self

    @property
    def size(self) -> TileSpec:
        """Size of the tiles."""
        return TileSpec(tile_um=self.tile_um, tile_px=self.tile_px)


class TraitSettings(PatientSettings):
    """Which traits are learned from which expression, how, and what is made of their maps."""

    model: Literal["linear", "proportion", "abmil", "inception"] = Field(
        "linear",
        description="`linear`: on the mean embedding of a slide, so the mean over its tiles is "
        "the score of the slide. `proportion`: mean of the probabilities of the tiles, of a small "
        "network. `abmil`: gated attention with an additive head, for traits of few tiles. "
        "`inception`: the published network, Inception-v3 from random weights on pixels of tiles "
        "of its own; days of GPUs, and `tiles: whole` and a number as `threshold`. All but "
        "`linear` are trained with PyTorch.",
    )
    target: Literal["extremes", "rank"] = Field(
        "extremes",
        description="Learn from `extremes` (low against high, PathoMCH) or from the `rank` of all "
        "patients.",
    )
    tiles: Literal["masked", "whole"] = Field(
        "masked",
        description="Which tiles: epithelium, as the variant full encodes it, or all tissue as "
        "no_mask does (PathoMCH).",
    )
    inception: InceptionSettings | None = Field(
        None, description="Optional, only for `model: inception`."
    )
    threshold: Literal["matched"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        "matched",
        description="Probability above which a tile is positive, common to all slides. `matched`: "
        "the share of positive tiles of the development slides equals their mean probability. 0.5 "
        "(PathoMCH) is not calibrated for tiles.",
    )
    best: int = Field(3, ge=1, description="Rounds that vote in `published`, by validation AUC.")
    combinations: tuple[Several[TraitName], ...] = Field(
        (),
        description="Traits whose maps are looked at together, at most 6 each; none named: all "
        "pairs. The first gives the columns `trait_…` of the table of slides, the others "
        "`trait_…_<A>_<B>`.",
    )
    controls: tuple[Text, ...] = Field(
        (),
        description="Clinical columns by whose values heterogeneity is compared, such as "
        "`[ER Status By IHC]`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_recipe(cls, values: object) -> object:
        if isinstance(values, Mapping) and values.get("model") == INCEPTION:
            return {**values, "inception": values.get("inception", {})}
        return values

    @model_validator(mode="after")
    def _check_inception(self) -> Self:
        if self.model != INCEPTION:
            if self.inception is not None:
                raise FaultyKeyError("inception", f"`model: {self.model}` takes nothing from it")
            return self
        if self.tiles != "whole":
            raise FaultyKeyError("tiles", "`inception` sees all of a tile, as published: `whole`")
        if self.threshold == "matched":
            raise FaultyKeyError(
                "threshold",
                "`inception` takes a number, published 0.5: for `matched`, the networks of every "
                "fold would have to score all slides",
            )
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        for number, combination in enumerate(self.combinations):
            key = f"combinations[{number}]"
            unknown = [name for name in combination if name not in self.wanted]
            if unknown:
                hint = did_you_mean(unknown[0], self.wanted) or f"; there are {quoted(self.wanted)}"
                raise FaultyKeyError(key, f"'{unknown[0]}' is not wanted{hint}")
            if len(combination) > MOST_TRAITS:
                raise FaultyKeyError(key, f"more than {MOST_TRAITS} traits")
            if set(combination) in map(set, self.combinations[:number]):
                raise FaultyKeyError(key, "comes twice")
        return self

    @model_validator(mode="after")
    def _check_scheme(self) -> Self:
        if self.scheme == "published" and self.best > self.rounds:
            raise FaultyKeyError("best", f"{self.best} is more than there are rounds")
        return self

    @property
    def looked_at(self) -> tuple[tuple[str, ...], ...]:
        """Combinations of traits, the first of which is that of the table of slides."""
        names = tuple(self.wanted)
        return self.combinations or tuple(combinations(names, 2)) or (names,)

    @property
    def scores(self) -> tuple[str, ...]:
        """Columns of the table of slides that are there because of traits and combinations."""
        others = ("_".join(names) for names in self.looked_at[1:])
        return (
            *(f"trait_{measure}_{name}" for name in others for measure in OF_COMBINATIONS),
            *(f"{column}_{trait}" for column in OF_TRAITS for trait in self.wanted),
        )

    @property
    def of_patients(self) -> dict[str, Any]:
        """Keys that labels and splits depend on, in canonical form."""
        plain = self.canonical()
        return {key: plain[key] for key in PatientSettings.model_fields if key in plain}

    @property
    def of_models(self) -> dict[str, Any]:
        """Keys that models depend on, in canonical form."""
        later = ("combinations", "controls")
        return {key: value for key, value in self.canonical().items() if key not in later}

    @property
    def of_lessons(self) -> dict[str, Any]:
        """Keys that networks on pixels depend on, apart from their own, labels and splits."""
        return {"target": self.target, "rounds": self.rounds}

    @property
    def needs_torch(self) -> bool:
        """Whether models are trained with PyTorch."""
        return self.model != "linear"
