"""The configuration: the settings of all rooms in one model, checked and in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from histohet.agreement.settings import AgreementSettings
from histohet.atlas.settings import AtlasSettings
from histohet.clinical.settings import ClinicalTableSettings
from histohet.clustering.settings import ClusteringSettings
from histohet.cohort.settings import OF_TRAITS, AnalysisSettings
from histohet.common.settings import (
    FaultyKeyError,
    FilePath,
    Name,
    Settings,
    Text,
    did_you_mean,
    explain,
    quoted,
)
from histohet.cores.settings import ArraySettings
from histohet.ct.settings import CtSettings
from histohet.encoders.settings import EncoderOrName, EncoderSettings, EncodingSettings
from histohet.epithelium.settings import EpitheliumSettings
from histohet.features.settings import SlideEmbeddings
from histohet.fusion.settings import FusionSettings
from histohet.measures.settings import MeasuresSettings
from histohet.phantoms.settings import PhantomSettings
from histohet.prognosis.settings import AddedValueSettings
from histohet.radiomics.settings import RadiomicsSettings
from histohet.rotation.settings import RotationSettings
from histohet.segmentation.settings import SegmentationSettings, SegmentationTraining
from histohet.slides.settings import ScaleSettings
from histohet.survival.settings import CurveSettings, StatisticsSettings
from histohet.tiles.settings import SINGLE, Block, TileSettings, TileSpec
from histohet.tissue.settings import TissueSettings
from histohet.traits.settings import TraitSettings
from histohet.tumour.settings import AttentionSettings, TumourSettings

ROUNDING = 1e-3
"""A tile is a multiple of its tokens but for this share of it: 37.33 is a third of 112."""

NamedVariant = Literal["full", "no_mask", "no_potts", "no_tumor_filter", "paper"]


class OwnVariant(Settings):
    """A variant of your own: its sections stand in place of the configured ones."""

    name: Name = Field(description="Names its results.")
    like: NamedVariant = Field("full", description="The variant that it changes.")
    pooled: bool = Field(
        False,
        description="Cluster the slides of a patient together and measure them as one: clusters "
        "are shared between slides.",
    )
    encoder: EncoderOrName | None = Field(
        None, description="A whole section `encoder`, or a name of the catalogue."
    )
    epithelium: dict[Literal["min_coverage", "fill"], Any] | None = Field(
        None, min_length=1, description="`min_coverage` and `fill`, as in the section."
    )
    clustering: dict[str, Any] | None = Field(
        None,
        min_length=1,
        description="Keys of the section, without `min_tiles` and `procedure`.",
    )

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What stands in place of the configured keys, by section."""
        plain = self.canonical()
        sections = ("encoder", "epithelium", "clustering")
        return {section: plain[section] for section in sections if section in plain}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("min_tiles", "procedure"):
            if key in (self.clustering or {}):
                fault = "it is the same for all variants"
                hint = "; the published one is the variant paper" if key == "procedure" else ""
                raise FaultyKeyError(f"clustering.{key}", fault + hint)
        return self


class ReportSettings(Settings):
    """What the report shows."""

    max_maps: int = Field(
        20,
        ge=0,
        description="So many pictures of each kind and variant are embedded in the report; all are "
        "in `results/`.",
    )


class Config(Settings):
    """What a run computes, and about whom; a field for each section of ``config.yaml``."""

    slides: FilePath = Field(description="The slide sheet.")
    patient_pattern: Text | None = Field(
        None,
        description="Regular expression with one group: the patient in the id of a slide, for rows "
        "of the sheet without one, such as `^(TCGA-..-....)`. An id that does not match is an "
        "error.",
    )
    clinical: Annotated[tuple[ClinicalTableSettings, ...], Field(min_length=1)] | None = Field(
        None,
        description="Clinical tables, joined by patient; without them there is no survival "
        "analysis.",
    )
    analyses: tuple[AnalysisSettings, ...] = Field(
        (AnalysisSettings(name="main"),),
        min_length=1,
        description="What is tested, if there are clinical tables.",
    )
    specification_curve: CurveSettings | None = Field(
        None,
        description="Optional: the hazard ratio under every combination of declared choices, in "
        "`results/specification_curve`. `variants`, `q`, `k` and `min_coverage` change how slides "
        "are measured, the other choices do not; each is a list, and what is left out stays as "
        "configured. Only what a choice touches is computed again.",
    )
    statistics: StatisticsSettings = StatisticsSettings()
    seed: int = Field(
        314, ge=0, description="Everything random comes from it; same seed, same bytes (HETMAP)."
    )
    variants: tuple[NamedVariant | OwnVariant, ...] = Field(
        ("full",),
        min_length=1,
        description="Which variants of the method are run: `full`, `no_mask` (whole tiles; encodes "
        "every slide again), `no_potts` (no smoothing), `no_tumor_filter` (all clusters count), "
        "`paper` (clusters as published, whatever `clustering` says; takes several times as long "
        "and all features in memory). With more than one, `results/ablation` compares them. "
        "`snakemake ablation` runs and compares all five. Or one of your own, see below.",
    )
    max_failed_fraction: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The cohort stops if more than this share of slides gives no result.",
    )
    scale: ScaleSettings = ScaleSettings()
    tissue: TissueSettings = TissueSettings()
    tiles: TileSettings = TileSettings()
    epithelium: EpitheliumSettings = EpitheliumSettings()
    encoding: EncodingSettings = EncodingSettings()
    encoder: EncoderSettings = EncoderSettings()
    clustering: ClusteringSettings = ClusteringSettings()
    tumour: TumourSettings = TumourSettings()
    attention: AttentionSettings | None = Field(
        None,
        description="Optional: without it, attention of the sheet is used and not drawn.",
    )
    slide_embeddings: SlideEmbeddings = Field(
        (),
        description="One vector per slide: `mean` of the tile embeddings of `encoder`, `attention` "
        "(weighted by the softmax of the tiles' tumour scores), `chief` (CHIEF's tiles weighted by "
        "CHIEF; needs `attention.from: chief`). Of masked tiles, whole ones or both, as `variants` "
        "encodes them: for all tissue, `variants: [no_mask]`.",
    )
    added_value: AddedValueSettings | None = Field(
        None,
        description="Optional: what heterogeneity adds to a slide embedding and to clinical "
        "covariates, by nested cross-validation (docs/added_value.md).",
    )
    fusion: FusionSettings | None = Field(
        None,
        description="Optional: CT, slide, clinical data and heterogeneity together predict the "
        "risk of an event beside a competing one, by nested cross-validation (docs/fusion.md).",
    )
    traits: TraitSettings | None = Field(
        None,
        description="Optional: which tiles carry a molecular trait, learned from bulk expression "
        "(PathoMCH; docs/traits.md). Maps of the sheet's column `traits` stay as they are.",
    )
    tma: ArraySettings | None = Field(
        None,
        description="Optional: tissue microarrays, whose cores `snakemake dearray` finds and "
        "writes as rows of a slide sheet (docs/cores.md). Nothing else depends on it.",
    )
    rotation: RotationSettings | None = Field(
        None,
        description="Optional: how far clusters stay the same when every tile is turned, by "
        "encoder (docs/rotation.md). Nothing else depends on it.",
    )
    scans: FilePath | None = Field(
        None,
        description="Optional: the sheet of CT scans, with masks of a region in them "
        "(docs/radiopathomics.md). Without it nothing changes, whatever `ct` and `radiomics` say.",
    )
    ct: CtSettings = CtSettings()
    segmentation: SegmentationSettings | None = Field(
        None,
        description="Optional: a model that finds the region in scans without a mask "
        "(docs/radiopathomics.md). Masks of the sheet stay as they are.",
    )
    segmentation_training: SegmentationTraining | None = Field(
        None,
        description="Optional: such a model, trained by `snakemake train_segmentation` "
        "(docs/radiopathomics.md). Nothing else depends on it.",
    )
    radiomics: RadiomicsSettings = RadiomicsSettings()
    measures: MeasuresSettings = MeasuresSettings()
    agreement: AgreementSettings | None = Field(
        None,
        description="Optional: what clusters and traits are compared with (docs/agreement.md).",
    )
    report: ReportSettings = ReportSettings()
    atlas: AtlasSettings = Field(
        AtlasSettings(),
        description="What `snakemake atlas` puts into `results/atlas` (docs/atlas.md).",
    )
    phantoms: PhantomSettings | None = Field(
        None, description="Only for generated cohorts (`workflow/phantoms.smk`)."
    )

    @property
    def block(self) -> Block:
        """The tokens of a tile; without `encoder.dense` one."""
        dense = self.encoder.dense
        if dense is None:
            return SINGLE
        return Block(round(self.tiles.tile_um / dense.tokens_um), dense.margin)

    @property
    def row_size(self) -> TileSpec:
        """Size of what has a vector, a label and a row in files: a tile, or a token of one."""
        return self.tiles.size.divided(self.block.side)

    @model_validator(mode="before")
    @classmethod
    def _check_empty(cls, values: object) -> object:
        if isinstance(values, Mapping):
            for key, value in values.items():
                if value is None and key in cls.model_fields:
                    raise FaultyKeyError(str(key), "nothing is given")
        return values

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        variants = (one if isinstance(one, str) else one.name for one in self.variants)
        of_list = {"analyses": [one.name for one in self.analyses], "variants": [*variants]}
        for key, names in of_list.items():
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise FaultyKeyError(key, f"two are called '{twice[0]}'")
        return self

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        if self.encoder.dense is None:
            return self
        tiles, dense, block = self.tiles, self.encoder.dense, self.block
        key, um = "encoder.dense.tokens_um", dense.tokens_um
        if tiles.overlap_um:
            raise FaultyKeyError(
                key, "tiles that overlap have no tokens: set tiles.overlap_um to 0"
            )
        if not block.side or abs(block.side * um - tiles.tile_um) > ROUNDING * tiles.tile_um:
            raise FaultyKeyError(key, f"tiles.tile_um ({tiles.tile_um:g}) is no multiple of {um:g}")
        if tiles.tile_px % block.side:
            raise FaultyKeyError(
                key,
                f"{tiles.tile_px} px (tiles.tile_px) cannot be divided into {block.side} tokens",
            )
        if block.kept < 1:
            raise FaultyKeyError(
                "encoder.dense.margin",
                f"tiles of {block.side} × {block.side} tokens with a margin of {dense.margin} have "
                "none to keep: smaller tokens, larger tiles or a smaller margin are needed",
            )
        return self

    @model_validator(mode="after")
    def _check_genes(self) -> Self:
        wanted = () if self.traits is None else tuple(self.traits.wanted)
        sections = () if self.agreement is None else self.agreement.expression
        for number, section in enumerate(sections):
            for trait in section.genes or ():
                if trait not in wanted:
                    there = f"; there are {quoted(wanted)}" if wanted else ""
                    raise FaultyKeyError(
                        f"agreement.expression[{number}].genes",
                        f"'{trait}' is not in traits.wanted{did_you_mean(trait, wanted) or there}",
                    )
        return self

    @model_validator(mode="after")
    def _check_survival(self) -> Self:
        known = [analysis.name for analysis in self.analyses]
        for key in ("added_value", "specification_curve", "fusion"):
            section: AddedValueSettings | CurveSettings | FusionSettings | None = getattr(self, key)
            if section is None:
                continue
            if self.clinical is None:
                raise FaultyKeyError(key, "it needs survival, so the section `clinical`")
            if section.analysis not in (None, *known):
                raise FaultyKeyError(
                    f"{key}.analysis",
                    f"no analysis is called '{section.analysis}', there are {quoted(known)}",
                )
        return self

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        curve = self.specification_curve
        if curve is not None:
            named = [one for one in self.analyses if one.name == curve.analysis]
            try:
                curve.check_against((named or self.analyses)[0])
            except FaultyKeyError as error:
                raise FaultyKeyError(f"specification_curve.{error.key}", str(error)) from None
        return self

    @model_validator(mode="after")
    def _check_trait_scores(self) -> Self:
        there = () if self.traits is None else self.traits.scores
        for number, analysis in enumerate(self.analyses):
            trim = [] if analysis.trim is None else [("trim.measure", analysis.trim.measure)]
            for key, name in (("score", analysis.score), *trim):
                if OF_TRAITS.fullmatch(name) and name not in there:
                    hint = did_you_mean(name, there) or (
                        f"; there are {quoted(there)}"
                        if there
                        else ": there is no section `traits`"
                    )
                    raise FaultyKeyError(f"analyses[{number}].{key}", f"no '{name}'{hint}")
        return self

    @model_validator(mode="after")
    def _check_chief(self) -> Self:
        wanted: dict[str, tuple[str, ...]] = {
            "slide_embeddings": self.slide_embeddings,
            "added_value.pooling": (self.added_value.pooling,) if self.added_value else (),
            "fusion.pooling": (self.fusion.pooling,) if self.fusion else (),
        }
        from_chief = self.attention is not None and self.attention.source == "chief"
        for key, poolings in wanted.items():
            if "chief" in poolings and not from_chief:
                raise FaultyKeyError(key, "'chief' needs CHIEF: set attention.from to chief")
        return self


def read_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check a configuration as YAML reads it, and fill in its defaults.

    The settings of variants of your own are checked where they are put in place (`varied`).

    Raises
    ------
    ValueError
        One line that names the key that is wrong.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ValueError(explain(error, values, where)) from None


def varied(
    config: Config, settings: Mapping[str, Mapping[str, Any]], where: str = "config"
) -> Config:
    """Return a configuration with single keys of sections replaced, of ``encoder`` all.

    Raises
    ------
    ValueError
        One line that names the key that is wrong.
    """
    values = config.canonical() | {"variants": ["full"]}
    for section, own in settings.items():
        values[section] = {**({} if section == "encoder" else values[section]), **own}
    return read_config(values, where)
