"""What the atlas is made from: slides as the configured variants cluster them, and the cohort."""

from __future__ import annotations

from typing import Any, NamedTuple

from histohet.atlas.settings import AtlasSettings
from histohet.common.settings import did_you_mean
from histohet.config import Config
from plan import paths
from plan.analyses import Analyses
from plan.inputs import Inputs
from plan.interface import Files, PlanError, Wildcards, with_signature
from plan.paths import fill
from plan.scans import Scans
from plan.slides import Slides
from plan.variants import Variants


class ShownVariant(NamedTuple):
    """A variant as the atlas names it: where its slides are, and whether QuPath has them."""

    name: str
    pooled: bool
    folder: str
    in_qupath: bool


@with_signature
class Atlas:
    """Files and parameters of the atlas; methods are input functions of rules.

    Raises
    ------
    PlanError
        If a slide that is to be zoomed into is not in the sheet, or has no pixels.
    """

    def __init__(
        self,
        config: Config,
        slides: Slides,
        variants: Variants,
        inputs: Inputs,
        analyses: Analyses,
        scans: Scans,
    ) -> None:
        self._slides = slides
        self._variants = variants
        self._inputs = inputs
        self._analyses = analyses
        self._scans = scans
        self.settings: AtlasSettings = config.atlas
        self.zoomed = self._zoomed(config.slides)

    def _zoomed(self, sheet: str) -> list[str]:
        """Slides that can be zoomed into."""
        wanted = self.settings.pyramids
        if wanted is None:
            return []
        rows = self._slides.rows
        with_pixels = [slide for slide, row in rows.items() if row.path]
        for slide in wanted.slides or ():
            if slide not in with_pixels:
                fault = "brings no pixels" if slide in rows else f"is not in {sheet}"
                hint = "" if slide in rows else did_you_mean(slide, rows)
                raise PlanError(f"config, atlas.pyramids.slides: slide '{slide}' {fault}{hint}")
        return list(wanted.slides or with_pixels[: wanted.first])

    # --- one slide --------------------------------------------------------------------------------

    def slide(self, wildcards: Wildcards) -> dict[str, Files]:
        """Return what is shown of a slide, or of the pooled slides of a patient, by name."""
        own: dict[str, Files] = {}
        if self._inputs.is_pooled(wildcards):
            pattern, factors = paths.POOLED_THUMBNAIL, wildcards
            patient = wildcards.slide
            thumbnail = pattern.format(
                slide=factors.slide, encoder=factors.encoder, masking=factors.masking
            )
        else:
            thumbnail = self._slides.thumbnail(wildcards.slide)
            patient = self._slides.rows[wildcards.slide].patient
            own = {
                "tiles": self._slides.tiles(wildcards),
                "record": paths.RECORD.format(slide=wildcards.slide),
                "truth": self._slides.file("truth")(wildcards),
            }
            if self.settings.exemplars:
                own["features"] = self._inputs.features(wildcards)
                own["slide"] = self._slides.file("path")(wildcards)
        scans = self._scans.pictures_of(patient)
        if scans:
            own["scans"] = scans
        return {
            "clusters": paths.CLUSTERS.format(
                encoder=wildcards.encoder,
                masking=wildcards.masking,
                procedure=wildcards.procedure,
                slide=wildcards.slide,
            ),
            "coverage": self._inputs.clustered_coverage(wildcards),
            "tumour": self._inputs.clustered_tumour_scores(wildcards),
            "traits": self._inputs.traits(wildcards),
            "thumbnail": thumbnail,
            **own,
        }

    @property
    def um_per_px(self) -> float | None:
        """Scale of the finest level of what can be zoomed into."""
        return None if self.settings.pyramids is None else self.settings.pyramids.um

    # --- the cohort -------------------------------------------------------------------------------

    @property
    def variants(self) -> list[dict[str, Any]]:
        """The configured variants, as plain values."""
        in_qupath = self._variants.of_slides[:1]
        return [
            ShownVariant(
                name,
                self._variants[name].variant.pooled,
                "/".join(self._variants[name].factors.values()),
                name in in_qupath,
            )._asdict()
            for name in self._variants.configured
        ]

    def folders(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of all slides and patients; variants share them."""
        found = {
            folder: None
            for name in self._variants.configured
            for folder in fill(
                paths.ATLAS_SLIDE,
                slide=self._inputs.units(self._variants[name].variant),
                **self._variants[name].factors,
            )
        }
        return list(found)

    def pyramids(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of slides that can be zoomed into."""
        return fill(paths.ATLAS_PYRAMID, slide=self.zoomed)

    def of_analyses(self, pattern: str) -> list[str]:
        """Files of all analyses under all variants, analyses of a variant together."""
        names = list(self._analyses.by_name) if self._analyses.clinical else []
        return fill(pattern, variant=self._variants.configured, analysis=names)

    @property
    def analyses(self) -> list[dict[str, Any]]:
        """Name and score of every analysis."""
        wanted = self._analyses.by_name.values() if self._analyses.clinical else ()
        return [{"name": one["name"], "score": one["score"]} for one in wanted]
