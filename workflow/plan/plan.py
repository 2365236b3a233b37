"""What a run makes, stage by stage, by its configuration and its slides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

from histohet.common.files import why_no_file
from histohet.common.sheets import SheetError
from histohet.config import Config, read_config
from histohet.ct.sheet import ScanRow
from histohet.slides.sheet import (
    NOT_THERE,
    SLIDE_ID,
    SlideSheet,
    missing_files,
    read_slide_sheet,
)
from plan import paths
from plan.analyses import Analyses
from plan.arrays import Arrays
from plan.atlas import Atlas
from plan.encoders import Encoders
from plan.fusion import Fusion
from plan.inputs import Inputs
from plan.interface import PlanError, Wildcards, with_signature
from plan.paths import fill
from plan.resources import Resources
from plan.rotation import Rotation
from plan.scans import Scans, read_scans
from plan.segmentation_training import ModelTraining
from plan.slides import Slides
from plan.traits import Traits
from plan.variants import Variants

COMPARED = ("configured", "all")
"""Which variants a comparison is of."""


class Pictures(NamedTuple):
    """Pictures of single slides, patients or scans, of one kind, and where the report has them."""

    files: list[str]
    caption: str
    category: str
    subcategory: str | None
    unit: str = "slide"


@with_signature
class Plan:
    """What a run makes.

    Methods that take wildcards are input functions of target rules, without wildcards: what they
    list is only listed where it is asked for.

    Parameters
    ----------
    config
        The configuration.
    sheet
        The slide sheet.
    scans
        Rows of the sheet of scans, by scan.
    missing
        What is wrong with files that the sheets name and that are not there.

    Raises
    ------
    PlanError
        If the configuration and the slides do not go together.
    """

    def __init__(
        self,
        config: Config,
        sheet: SlideSheet,
        scans: Mapping[str, ScanRow],
        missing: Mapping[str, str],
    ) -> None:
        self.config = config
        self.missing = missing
        self.slides = Slides(sheet, missing, config)
        self.variants = Variants(config)
        self.encoders = Encoders(config, self.slides, self.variants)
        self.analyses = Analyses(config)
        self.inputs = Inputs(config, self.slides, self.variants, self.analyses)
        self.arrays = Arrays(config)
        self.scans = Scans(config, scans, missing)
        self.training = ModelTraining(config)
        self.traits = Traits(config, self.slides, self.variants, self.inputs)
        self.rotation = Rotation(config, self.slides)
        self.fusion = Fusion(config, self.variants, self.encoders, self.analyses)
        self.atlas = Atlas(
            config, self.slides, self.variants, self.inputs, self.analyses, self.scans
        )
        self.resources = Resources(self.slides, config.row_size)
        expression = () if config.agreement is None else config.agreement.expression
        self.sections = {section.slide: section for section in expression}
        self.with_labels = [slide for slide, one in self.sections.items() if one.label]
        self.with_genes = [slide for slide, one in self.sections.items() if one.genes]
        self._check_slides_of_variants()
        self._check_tokens()
        self._check_sections()

    @property
    def wildcards(self) -> dict[str, str]:
        """What wildcards may be: regular expressions."""
        return {
            "slide": SLIDE_ID.pattern,
            "encoder": one_of([*self.encoders.entries, self.encoders.chief.name]),
            "masking": one_of(self.variants.maskings),
            "procedure": one_of(self.variants.procedures),
            "pooling": "mean|attention|chief",
            "compared": one_of(COMPARED),
            "variant": one_of(self.variants.settled),
            "trait": one_of(self.traits.wanted),
            "fold": r"\d+",
            "round": r"\d+",
            "combination": one_of(self.traits.combinations_by_name),
            "analysis": one_of(self.analyses.by_name),
            "array": one_of(self.arrays.rows),
            "scan": SLIDE_ID.pattern,
            "evaluation": "cross_validated|applied",
        }

    def _check_slides_of_variants(self) -> None:
        for name, one in self.variants.settled.items():
            if one.variant.pooled:
                self.slides.check_patients_name_files(name)
            if self.slides.imported and {"encoder", "epithelium"} & set(one.variant.settings):
                raise PlanError(
                    f"config, variant '{name}': slide '{self.slides.imported[0]}' brings finished "
                    "features, which no other encoder or mask can change"
                )

    def _check_tokens(self) -> None:
        if self.config.encoder.dense is not None and self.slides.imported:
            raise PlanError(
                f"config, encoder.dense: slide '{self.slides.imported[0]}' brings finished "
                "features, which have a row for a tile and none for its tokens: encode it here, or "
                "leave encoder.dense out"
            )

    def _check_sections(self) -> None:
        for number, slide in enumerate(self.sections):
            if slide not in self.slides.rows:
                raise PlanError(
                    f"config, agreement.expression[{number}]: slide '{slide}' is not in "
                    f"{self.config.slides}"
                )

    def per_variant(self, pattern: str) -> list[str]:
        """Files of every configured variant."""
        return fill(pattern, variant=self.variants.configured)

    def cores(self, wildcards: Wildcards) -> list[str]:
        """Return the tables of the cores of all arrays."""
        return fill(paths.ARRAY["cores"], array=self.arrays.names(wildcards))

    def checks(self, wildcards: Wildcards) -> list[str]:
        """Return what contradicts the sheet, of all arrays."""
        return fill(paths.ARRAY["checks"], array=self.arrays.names(wildcards))

    @property
    def masked_cores(self) -> list[str]:
        """Cores whose tissue is found here."""
        return [slide for slide in self.slides.cores if not self.slides.is_imported(slide)]

    def core_masks(self, wildcards: Wildcards) -> str:
        """Return the table of the masks of all cores.

        Raises
        ------
        PlanError
            If there is no core.
        """
        self.slides.sheet(wildcards)
        if not self.masked_cores:
            raise PlanError(
                f"no slide of {self.config.slides} is a core: give it a core_diameter_um, or a "
                "region (docs/cores.md)"
            )
        return paths.CORE_MASKS

    def core_heterogeneity(self, wildcards: Wildcards) -> list[str]:
        """Return heterogeneity within and between patients, if one has several cores."""
        owners = [self.slides.rows[slide].patient for slide in self.slides.cores]
        several = len(set(owners)) < len(owners)
        return fill(paths.CORE_HETEROGENEITY, variant=self.variants.of_slides if several else [])

    def pooled_cores(self, wildcards: Wildcards) -> list[str]:
        """Return the table of the variant that pools what a variant measures apart, if any."""
        twin = self.variants.pooled_twin(wildcards.variant)
        return [] if twin is None else fill(paths.COHORT, variant=twin)

    # --- stages -----------------------------------------------------------------------------------

    def of_slides(self, wildcards: Wildcards) -> list[str]:
        """Everything of single slides and patients that the steps of the cohort start from."""
        self.slides.sheet(wildcards)
        measures = {
            file
            for name in (*self.variants.configured, *self.variants.curve)
            for file in fill(
                paths.MEASURES,
                slide=self.inputs.units(self.variants[name].variant),
                **self.variants[name].factors,
            )
        }
        vectors = (
            file
            for factors in self._factors_of_vectors()
            for file in fill(paths.SLIDE_VECTOR, slide=self.slides.rows, **factors)
        )
        return [
            *fill(paths.COMPANIONS, slide=self.slides.rows),
            *self.masks(wildcards),
            *sorted(measures),
            *self.qupath(wildcards),
            *self.attention(wildcards),
            *vectors,
        ]

    def maps(self, wildcards: Wildcards) -> list[str]:
        """Return the maps of every slide or patient under every variant."""
        self.slides.sheet(wildcards)
        return list(chain.from_iterable(map(self._maps_of, self.variants.configured)))

    def masks(self, wildcards: Wildcards) -> list[str]:
        """Return the pictures of all masks."""
        return fill(paths.MASK_PICTURE, slide=self.slides.drawn_masks)

    def _maps_of(self, variant: str) -> list[str]:
        units = self.inputs.units(self.variants[variant].variant)
        return fill(paths.MAP, variant=variant, slide=units)

    def qupath(self, wildcards: Wildcards) -> list[str]:
        """Tiles of every slide for QuPath, under the first variant that has clusters of slides.

        QuPath opens slides, not what is pooled.
        """
        self.slides.sheet(wildcards)
        return fill(paths.QUPATH, variant=self.variants.of_slides[:1], slide=self.slides.rows)

    def anndata(self, wildcards: Wildcards) -> list[str]:
        """Tiles of every slide as AnnData, under the variant that QuPath shows."""
        self.slides.sheet(wildcards)
        return fill(paths.ANNDATA, variant=self.variants.of_slides[:1], slide=self.slides.rows)

    def attention(self, wildcards: Wildcards) -> list[str]:
        """Heatmaps and tiles for QuPath, where the configuration wants attention shown."""
        wanted = [] if self.config.attention is None else self.slides.with_attention
        return [
            file
            for slide in wanted
            for pattern in (paths.ATTENTION_PICTURE, paths.ATTENTION_TILES)
            for file in fill(pattern, slide=slide)
        ]

    def vectors(self, wildcards: Wildcards) -> list[str]:
        """Tables of vectors of slides: one for each pooling and way in which tiles are encoded."""
        return [paths.SLIDE_VECTORS.format(**factors) for factors in self._factors_of_vectors()]

    def _factors_of_vectors(self) -> list[dict[str, str]]:
        poolings = self.config.slide_embeddings
        encoded = sorted({self.variants[name].tiles for name in self.variants.configured})
        ours = [pooling for pooling in poolings if pooling != "chief"]
        ways: list[tuple[str, str, str]] = [(*tiles, one) for tiles in encoded for one in ours]
        if "chief" in poolings:
            ways.append((self.encoders.chief.name, "whole", "chief"))
        return [dict(zip(("encoder", "masking", "pooling"), way, strict=True)) for way in ways]

    def radiomics(self, wildcards: Wildcards) -> list[str]:
        """Tables of radiomic features and pictures of scans, where there are scans."""
        if not self.scans.rows:
            return []
        tables = [paths.RADIOMICS, paths.RADIOMICS_DRAWS, paths.RADIOMICS_STABILITY]
        figures = [paths.STABILITY_FIGURE, paths.CORRELATION_FIGURE]
        return [*tables, *figures, *fill(paths.SCAN_PICTURE, scan=self.scans.prepared)]

    def survival(self, wildcards: Wildcards) -> list[str]:
        """Estimates of every analysis under every variant, and the specification curve."""
        return [
            *([paths.ALL_ESTIMATES] if self.analyses.clinical else []),
            *([paths.CURVE] if self.variants.curve else []),
        ]

    def comparison(self, wildcards: Wildcards) -> list[str]:
        """Return the comparison of the configured variants, if there are several."""
        several = len(self.variants.configured) > 1
        return fill(paths.COMPARISON, compared="configured") if several else []

    def prognosis(self, wildcards: Wildcards) -> list[str]:
        """Return the comparison of models, under every variant that measures slides."""
        wanted = [] if self.config.added_value is None else self.variants.of_slides
        return fill(paths.ADDED_VALUE, variant=wanted)

    def compared_vectors(self, wildcards: Wildcards) -> str:
        """Vectors of slides that the scores of a variant are added to.

        CHIEF's own are of whole tiles, ours of the tiles that the variant encodes.
        """
        pooling = self.config.added_value and self.config.added_value.pooling
        encoder, masking = self.variants[wildcards.variant].tiles
        if pooling == "chief":
            encoder, masking = self.encoders.chief.name, "whole"
        return paths.SLIDE_VECTORS.format(encoder=encoder, masking=masking, pooling=pooling)

    @property
    def with_truth(self) -> list[str]:
        """Variants that are compared with a truth, which is known of slides and not of a pool."""
        return self.variants.of_slides if self.slides.with_truth else []

    def agreement(self, wildcards: Wildcards) -> list[str]:
        """Tables and figures of agreement, where there is something to agree with."""
        pathologist = self.config.agreement and self.config.agreement.pathologist
        counted = self.variants.configured
        if pathologist and pathologist.unit == "slide":
            # Where slides are pooled, there is nothing to compare with the count of a single one.
            counted = self.variants.of_slides
        return [
            *fill(paths.TRUTH, variant=self.with_truth),
            *fill(paths.PATHOLOGIST, variant=counted if pathologist else []),
            *fill(paths.EXPRESSION, variant=self.variants.of_slides, slide=self.with_labels),
            *fill(paths.GENES, slide=self.with_genes),
        ]

    def section(self, key: str) -> Any:
        """Input function for one key of the spatial transcriptomics of a slide."""
        return lambda wildcards: getattr(self.sections[wildcards.slide], key) or []

    def spot_columns(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the columns of the spots of a slide are called."""
        section = self.sections[wildcards.slide]
        return {key: getattr(section, key) for key in ("label", "x", "y", "spot")}

    def spot_places(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the columns of positions and ids of spots are called."""
        section = self.sections[wildcards.slide]
        return {key: getattr(section, key) for key in ("x", "y", "spot")}

    def genes(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the gene of every trait that is compared on a slide."""
        return dict(self.sections[wildcards.slide].genes or {})

    def pictures(self) -> list[Pictures]:
        """Pictures of single slides and scans that the report shows, within its page."""
        attention = fill(
            paths.ATTENTION_PICTURE,
            slide=[] if self.config.attention is None else self.slides.with_attention,
        )
        tiles = map(self.slides.tile_picture, self.slides.rows)
        kinds = [
            Pictures(list(tiles), "tiles.rst", "2 Tissue and tiles", None),
            Pictures(
                fill(paths.MASK_PICTURE, slide=self.slides.drawn_masks),
                "mask.rst",
                "1 Preflight",
                "Masks",
            ),
            Pictures(attention, "attention.rst", "4 Tumour clusters", "Attention"),
            Pictures(
                fill(paths.TURNED_PICTURE, slide=self.rotation.cores),
                "turned_core.rst",
                "14 Rotation",
                "Cores",
            ),
            *(
                Pictures(files, "trait_map.rst", "13 Traits", name)
                for name, files in self.traits.pictures_by_combination.items()
            ),
            *(
                Pictures(self._maps_of(name), "map.rst", "3 Maps", name)
                for name in self.variants.configured
            ),
            *(
                Pictures(
                    fill(paths.EXPRESSION, variant=name, slide=self.with_labels),
                    "expression.rst",
                    "10 Agreement with expression",
                    name,
                )
                for name in self.variants.of_slides
            ),
            Pictures(
                fill(paths.GENES, slide=self.with_genes),
                "genes.rst",
                "10 Agreement with expression",
                "Genes",
            ),
            Pictures(
                fill(paths.SCAN_PICTURE, scan=self.scans.prepared),
                "scan.rst",
                "14 Scans",
                None,
                "scan",
            ),
        ]
        shown = self.config.report.max_maps
        return [kind._replace(files=kind.files[:shown]) for kind in kinds]


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression for exactly these names; without any, for nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def make_plan(values: Mapping[str, Any], missing: Mapping[str, str] | None = None) -> Plan:
    """Read the configuration and the slide sheet, and make the plan.

    Parameters
    ----------
    values
        The configuration as YAML reads it.
    missing
        Files of the sheets that were not there when the run began, and what was wrong with them;
        looked for now if not given.

    Raises
    ------
    ValueError
        One line that says which key, row or slide is at fault.
    """
    config = read_config(values)
    try:
        # The sheet may yet have to be made, of the cores that `dearray` finds; scans need none.
        without = (config.tma, config.scans, config.segmentation_training)
        dispensable = any(section is not None for section in without)
        sheet = (
            SlideSheet({}, {})
            if dispensable and why_no_file(config.slides) == NOT_THERE
            else read_slide_sheet(config.slides, config.patient_pattern)
        )
    except SheetError as error:
        raise PlanError(f"slide sheet: {error}") from error
    scans = read_scans(config)
    if missing is None:
        missing = missing_files([*sheet.slides.values(), *scans.values()])
    return Plan(config, sheet, scans, missing)
