"""What the steps of a variant read, and with which settings; input functions of rules."""

from __future__ import annotations

from typing import Any

from histohet.clustering.settings import ClusteringSettings
from histohet.config import Config
from plan import paths
from plan.analyses import Analyses
from plan.interface import Files, Input, Wildcards, with_signature
from plan.paths import fill
from plan.resources import Amount
from plan.slides import Slides
from plan.variants import Variant, Variants


@with_signature
class Inputs:
    """Files and settings of a step, by its wildcards.

    A method is an input function, or one of parameters, unless it says otherwise.
    """

    def __init__(
        self, config: Config, slides: Slides, variants: Variants, analyses: Analyses
    ) -> None:
        self._config = config
        self._slides = slides
        self._variants = variants
        self._analyses = analyses

    # --- tiles to embeddings ----------------------------------------------------------------------

    def is_whole(self, wildcards: Wildcards) -> bool:
        """Whether whole tiles are encoded, whatever the epithelium."""
        return self._variants.maskings[wildcards.masking].variant.masking == "whole"

    def encoding(self, wildcards: Wildcards) -> dict[str, Files]:
        """Return what the encoding reads, by name; whole tiles need neither mask nor coverage."""
        slide = wildcards.slide
        inputs: dict[str, Files] = {
            "record": paths.RECORD.format(slide=slide),
            "slide": self._slides.file("path")(wildcards),
            "tiles": paths.TILES.format(slide=slide),
        }
        if not self.is_whole(wildcards):
            inputs["tissue"] = paths.TISSUE.format(slide=slide)
            inputs["coverage"] = paths.COVERAGE.format(slide=slide)
            inputs["mask"] = self._slides.file("mask")(wildcards)
            inputs["stain"] = self._slides.stain_mask(wildcards)
        return inputs

    def masking(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the encoding has to know about the mask; nothing for whole tiles."""
        if self.is_whole(wildcards):
            return {}
        epithelium = self._variants.maskings[wildcards.masking].config.epithelium
        return {
            "min_coverage": self._variants.encoded_coverage,
            "fill": epithelium.fill,
            "rules": self._slides.mask_rules(wildcards),
        }

    def min_coverage(self, wildcards: Wildcards) -> float | None:
        """Epithelium that a tile needs to be encoded; nothing for whole tiles."""
        return None if self.is_whole(wildcards) else self._variants.encoded_coverage

    def coverage_of_imported(self, wildcards: Wildcards) -> Files:
        """Epithelium of the tiles of finished features; whole tiles need none."""
        return [] if self.is_whole(wildcards) else paths.COVERAGE.format(slide=wildcards.slide)

    def features(self, wildcards: Wildcards) -> str:
        """Embeddings of a slide: ours, or finished ones."""
        return self.features_of(wildcards.slide, wildcards.encoder, wildcards.masking)

    def features_of(self, slide: str, encoder: str, masking: str) -> str:
        """Embeddings of a slide by their factors; no input function."""
        imported = self._slides.is_imported(slide)
        pattern = paths.IMPORTED_FEATURES if imported else paths.FEATURES
        return pattern.format(slide=slide, encoder=encoder, masking=masking)

    # --- the slides of a patient as one -----------------------------------------------------------

    def is_pooled(self, wildcards: Wildcards) -> bool:
        """Whether the slides of a patient are clustered together; then {slide} is a patient."""
        return self._variants.procedures[wildcards.procedure].variant.pooled

    def slides_of_patient(self, wildcards: Wildcards) -> list[str]:
        """Slides of the patient that stands where a slide stands."""
        return self._slides.patients[wildcards.slide]

    def features_of_patient(self, wildcards: Wildcards) -> list[str]:
        """Embeddings of the slides of a patient."""
        return [
            self.features_of(slide, wildcards.encoder, wildcards.masking)
            for slide in self.slides_of_patient(wildcards)
        ]

    def coverage_of_patient(self, wildcards: Wildcards) -> list[str]:
        """Epithelium of the tiles of the slides of a patient."""
        return fill(paths.COVERAGE, slide=self.slides_of_patient(wildcards))

    def thumbnails_of_patient(self, wildcards: Wildcards) -> list[str]:
        """Pictures of the slides of a patient."""
        return list(map(self._slides.thumbnail, self.slides_of_patient(wildcards)))

    def tumour_scores_of_patient(self, wildcards: Wildcards) -> list[str]:
        """Tumour scores of the slides of a patient, if all have any."""
        slides = self.slides_of_patient(wildcards)
        known = all(map(self._slides.has_attention, slides))
        return fill(paths.TUMOUR_SCORES, slide=slides if known else [])

    # --- embeddings to clusters and measures ------------------------------------------------------

    def clustered_features(self, wildcards: Wildcards) -> str:
        """Embeddings that are clustered together."""
        if self.is_pooled(wildcards):
            return _of_factors(paths.POOLED_FEATURES, wildcards)
        return self.features(wildcards)

    def clustered_coverage(self, wildcards: Wildcards) -> str:
        """Epithelium of the tiles, of which some are clustered."""
        if self.is_pooled(wildcards):
            return _of_factors(paths.POOLED_COVERAGE, wildcards)
        return paths.COVERAGE.format(slide=wildcards.slide)

    def clustered_tumour_scores(self, wildcards: Wildcards) -> Files:
        """Tumour score per tile, of the slides or patients that have attention."""
        if not self.is_pooled(wildcards):
            return self._slides.tumour_scores(wildcards)
        known = all(map(self._slides.has_attention, self.slides_of_patient(wildcards)))
        return _of_factors(paths.POOLED_TUMOUR_SCORES, wildcards) if known else []

    def traits(self, wildcards: Wildcards) -> Files:
        """Trait maps of a slide: a file that the sheet names wins over ours.

        Slides that are pooled have none in common.
        """
        if self.is_pooled(wildcards):
            return []
        ours = self._config.traits is not None and not self._slides.row(wildcards).traits
        if ours:
            return paths.TRAIT_MAP.format(slide=wildcards.slide)
        return self._slides.file("traits")(wildcards)

    def stricter_min_coverage(self, wildcards: Wildcards) -> float | None:
        """Epithelium that a tile needs to be clustered, where that is more than to be encoded."""
        settings = self._variants.procedures[wildcards.procedure].config
        return self._stricter(settings.epithelium.min_coverage, wildcards)

    def stricter_coverage(self, wildcards: Wildcards) -> Files:
        """Epithelium of the tiles, where some are encoded and not clustered."""
        stricter = self.stricter_min_coverage(wildcards) is not None
        return self.clustered_coverage(wildcards) if stricter else []

    def _stricter(self, wanted: float, wildcards: Wildcards) -> float | None:
        same = self.is_whole(wildcards) or wanted == self._variants.encoded_coverage
        return None if same else wanted

    def clustering(self, wildcards: Wildcards) -> dict[str, Any]:
        """How tiles are clustered; the published procedure has its own numbers."""
        one = self._variants.procedures[wildcards.procedure]
        settings = one.config.clustering
        if one.variant.procedure == "paper":
            settings = ClusteringSettings(procedure="paper", min_tiles=settings.min_tiles)
        return settings.canonical()

    def by_procedure(self, ours: float, published: float) -> Amount:
        """Return what a job asks for, by how it clusters tiles."""
        return lambda wildcards: published if self.is_published(wildcards) else ours

    def is_published(self, wildcards: Wildcards) -> bool:
        """Whether tiles are clustered as published."""
        return bool(self.clustering(wildcards)["procedure"] == "paper")

    def is_smoothed(self, wildcards: Wildcards) -> bool:
        """Whether neighbours attract each other's labels."""
        return self._variants.procedures[wildcards.procedure].variant.procedure != "unsmoothed"

    def measures_of_procedure(self, wildcards: Wildcards) -> list[str]:
        """Measures of everything that is clustered alike."""
        units = self.units(self._variants.procedures[wildcards.procedure].variant)
        factors = {
            "encoder": wildcards.encoder,
            "masking": wildcards.masking,
            "procedure": wildcards.procedure,
        }
        return fill(paths.MEASURES, slide=units, **factors)

    # --- one vector per slide ---------------------------------------------------------------------

    def features_of_vector(self, wildcards: Wildcards) -> str:
        """Embeddings that make a vector of a slide: CHIEF's own, or those of an encoder."""
        if wildcards.pooling == "chief":
            return paths.CHIEF_FEATURES.format(slide=wildcards.slide)
        return self.features(wildcards)

    def scores_of_vector(self, wildcards: Wildcards) -> Files:
        """Attention that weighs the tiles, if any."""
        if wildcards.pooling == "chief":
            return paths.CHIEF_SCORES.format(slide=wildcards.slide)
        return self._slides.tumour_scores(wildcards) if wildcards.pooling == "attention" else []

    def min_coverage_of_vector(self, wildcards: Wildcards) -> float | None:
        """Epithelium that a tile needs to count, where more tiles are encoded for some variant.

        What others ask for must not change a vector.
        """
        return self._stricter(self._config.epithelium.min_coverage, wildcards)

    def coverage_of_vector(self, wildcards: Wildcards) -> Files:
        """Epithelium of the tiles, where some are encoded and do not count."""
        stricter = self.min_coverage_of_vector(wildcards) is not None
        return paths.COVERAGE.format(slide=wildcards.slide) if stricter else []

    def vectors(self, slides: list[str]) -> Input:
        """Input function for the vectors of `slides`."""
        return lambda wildcards: fill(
            paths.SLIDE_VECTOR,
            encoder=wildcards.encoder,
            masking=wildcards.masking,
            pooling=wildcards.pooling,
            slide=slides,
        )

    # --- a variant --------------------------------------------------------------------------------

    def units(self, variant: Variant) -> list[str]:
        """Return what a variant clusters: slides, or patients; no input function."""
        return list(self._slides.patients if variant.pooled else self._slides.rows)

    def of_variant(self, pattern: str, slides: list[str] | None = None) -> Input:
        """Input function for files as a variant wants its tiles and clusters.

        Those of `slides`, or of everything that it clusters.
        """

        def files(wildcards: Wildcards) -> list[str]:
            one = self._variants[wildcards.variant]
            wanted = self.units(one.variant) if slides is None else slides
            return fill(pattern, slide=wanted, **one.factors)

        return files

    def is_variant_pooled(self, wildcards: Wildcards) -> bool:
        """Whether a variant clusters patients."""
        return self._variants[wildcards.variant].variant.pooled

    def clusters(self, wildcards: Wildcards) -> str:
        """Clusters of a slide or patient that a variant needs."""
        factors = self._variants[wildcards.variant].factors
        return paths.CLUSTERS.format(slide=wildcards.slide, **factors)

    def features_of_variant(self, wildcards: Wildcards) -> str:
        """Embeddings of a slide of which a variant clusters some or all."""
        factors = self._variants[wildcards.variant].factors
        return self.features_of(wildcards.slide, factors["encoder"], factors["masking"])

    def thumbnail(self, wildcards: Wildcards) -> str:
        """Picture of what a variant clusters: a slide, or the slides of a patient side by side."""
        one = self._variants[wildcards.variant]
        if one.variant.pooled:
            return paths.POOLED_THUMBNAIL.format(slide=wildcards.slide, **one.factors)
        return self._slides.thumbnail(wildcards.slide)

    def threshold(self, wildcards: Wildcards) -> Files:
        """Tumour threshold that a variant applies; none where all clusters count."""
        one = self._variants[wildcards.variant]
        filtered = one.variant.tumour_filter and self._slides.with_attention
        return paths.THRESHOLD.format(**one.factors) if filtered else []

    def learned_threshold(self, wildcards: Wildcards) -> Files:
        """Threshold that was learned on another cohort, if the configuration names its file."""
        given = self._config.tumour.threshold
        return given if isinstance(given, str) and given != "otsu" else []

    @property
    def given_threshold(self) -> float | None:
        """Tumour threshold that the configuration gives as a number, if it does."""
        given = self._config.tumour.threshold
        return None if isinstance(given, str) else given

    # --- analyses ---------------------------------------------------------------------------------

    def clinical(self, wildcards: Wildcards) -> dict[str, str]:
        """Clinical data by name, where there are any."""
        return paths.CLINICAL if self._analyses.clinical else {}

    def analysis(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return an analysis under a variant."""
        pooled = self.is_variant_pooled(wildcards)
        return self._analyses.of_variant(wildcards.analysis, pooled=pooled)

    def of_first_analysis(self, pattern: str, variants: list[str]) -> list[str]:
        """Files of the first analysis under some variants, if there are clinical data.

        No input function.
        """
        wanted = variants if self._analyses.clinical else []
        return fill(pattern, variant=wanted, analysis=self._analyses.first)

    def compared_variants(self, wildcards: Wildcards) -> list[str]:
        """Variants that are compared: the configured ones, or all that there are."""
        variants = self._variants
        return variants.configured if wildcards.compared == "configured" else variants.named

    def compared(self, pattern: str) -> Input:
        """Input function for one file per variant that is compared."""
        return lambda wildcards: fill(pattern, variant=self.compared_variants(wildcards))

    def compared_analyses(self, pattern: str) -> Input:
        """Input function for one file of the first analysis per variant that is compared."""
        return lambda wildcards: self.of_first_analysis(pattern, self.compared_variants(wildcards))


def _of_factors(pattern: str, wildcards: Wildcards) -> str:
    return pattern.format(
        encoder=wildcards.encoder, masking=wildcards.masking, slide=wildcards.slide
    )
