"""Blocks of predictors together, under competing risks: the section `fusion`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histohet.clinical.settings import EndpointName
from histohet.cohort.settings import Measure
from histohet.common.settings import FaultyKeyError, FilePath, Name, Settings, Several, Text, quoted
from histohet.features.settings import Pooling

OWN_BLOCKS = ("clinical", "slide", "heterogeneity")
"""Blocks that the workflow makes; others are feature tables."""

OTHER_MODELS = ("volume", "nothing")
"""What models are called that are of no block."""

_FEATURES, _DRAWS = "features.tsv", "draws.tsv"

Probability = Annotated[float, Field(gt=0, lt=1)]


class FusionSettings(Settings):
    """Which blocks are put together, for which endpoint; without the section nothing is fused."""

    endpoint: EndpointName = Field(
        description="Endpoint of the clinical tables whose risk is predicted. Codes in its key "
        "`competing` are events after which it cannot happen; without, there is no competing risk."
    )
    blocks: Several[Text] = Field(
        description="What predicts: `clinical` (the covariates of the analysis), `slide` (its "
        "embedding), `heterogeneity` (`scores`), and names of `tables`. A patient who lacks one "
        "stays: the block counts as average, and an indicator says so."
    )
    tables: dict[Name, FilePath] = Field(
        {},
        description="Feature tables, a block each, such as `{ct: results/radiomics/features.tsv}`: "
        "TSV or CSV with `patient` and a column per feature; what made them stands beside them, in "
        "`<table>.provenance.json`, or in leading lines `# engine: …`.",
    )
    volume: Text | None = Field(
        None,
        description="Feature of a table that is a model by itself as well, `<table>:<column>`, "
        "such as `ct:morph_volume`: most features follow the volume of the tumour.",
    )
    analysis: str | None = Field(
        None,
        description="Analysis whose conditions and covariates are used; the first if not given.",
    )
    pooling: Pooling = Field(
        "mean",
        description="Which slide embedding, as in `slide_embeddings`, where it need not be named.",
    )
    scores: Several[Measure] = Field(
        ("n_clusters", "hti_possible"),
        description="Scores of the block `heterogeneity`; of several slides of a patient as the "
        "analysis says.",
    )
    centre: Text | None = Field(
        None,
        description="Clinical column with the centre of a patient: patients of one are never on "
        "two sides of a split.",
    )
    horizons: Several[Annotated[float, Field(gt=0)]] = Field(
        (24, 36),
        description="Months by which risks are predicted, within the follow-up; the last one is "
        "drawn.",
    )
    folds: int = Field(5, ge=2, description="Folds, outer and inner; every fold needs two events.")
    repeats: int = Field(
        5, ge=1, description="How often patients are dealt into folds anew; results are averages."
    )
    combine: Literal["early", "late"] = Field(
        "early",
        description="Whether the model that is saved is fitted to the columns of all blocks, with "
        "a penalty for each, or to the predictions of the blocks (stacking). Both are compared.",
    )
    min_icc: float | None = Field(
        0.75,
        ge=0,
        le=1,
        description="Features of a table stay whose intraclass correlation under other masks, of "
        "the training patients, has an interval that begins here or above; with null all stay. "
        "For tables `features.tsv` with `draws.tsv` beside them, as `snakemake radiomics` writes.",
    )
    max_correlation: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Of features of a table whose Spearman correlation among the training patients "
        "is larger, the one stays that depends least on the mask, by the draws of these patients; "
        "without draws the first. With 1 all stay.",
    )
    max_features: int | None = Field(
        None,
        ge=1,
        description="So many features of each table stay, chosen in the training patients by what "
        "each alone tells of the event; all if absent, which predicts better as a rule.",
    )
    thresholds: tuple[Probability, Probability] = Field(
        (0.05, 0.5), description="Range of risks of the decision curve."
    )
    permutations: int = Field(
        0,
        ge=0,
        description="How often outcomes are dealt to other patients and everything is done again, "
        "for a p-value of the whole procedure; takes as long as one repetition of the full model "
        "each time.",
    )
    model: FilePath | None = Field(
        None,
        description="`model.json` of another run, which is applied to this cohort and not fitted "
        "anew.",
    )

    @property
    def draws(self) -> dict[str, str]:
        """Tables of features under other masks, if there are any: `draws.tsv` by `features.tsv`."""
        names = {name: path.removesuffix(_FEATURES) for name, path in self.tables.items()}
        return {name: stem + _DRAWS for name, stem in names.items() if stem != self.tables[name]}

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = [*OWN_BLOCKS, *self.tables]
        for name in self.blocks:
            if name not in known:
                raise FaultyKeyError(
                    "blocks", f"'{name}' is none of {quoted(known)}: name its table"
                )
        for name in self.tables:
            if name in (*OWN_BLOCKS, *OTHER_MODELS):
                raise FaultyKeyError(
                    "tables", f"'{name}' is what the workflow calls one of its own"
                )
            if name not in self.blocks:
                raise FaultyKeyError("tables", f"'{name}' is not among the 'blocks'")
        if self.volume is not None and self.volume.partition(":")[0] not in self.tables:
            where = "must be '<table>:<column>'"
            raise FaultyKeyError("volume", f"'{self.volume}' {where}, of {quoted(self.tables)}")
        if self.thresholds[0] >= self.thresholds[1]:
            low, high = self.thresholds
            raise FaultyKeyError("thresholds", f"{low:g}, {high:g} must be ordered")
        return self
