"""Blocks of predictors that are put together, and the files they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histohet.config import Config
from histohet.fusion.settings import OWN_BLOCKS, FusionSettings
from plan import paths
from plan.analyses import Analyses
from plan.encoders import Encoders
from plan.interface import PlanError, Wildcards, with_signature
from plan.variants import Variants


@with_signature
class Fusion:
    """The section `fusion`: input functions of rules, unless they say otherwise.

    Slides enter as the first variant measures them that clusters slides.

    Raises
    ------
    PlanError
        If the section needs slides that no variant measures one by one, covariates that its
        analysis does not have, or features of scans without scans.
    """

    def __init__(
        self, config: Config, variants: Variants, encoders: Encoders, analyses: Analyses
    ) -> None:
        self.settings = config.fusion
        self._variants, self._encoders = variants, encoders
        named = self.settings and self.settings.analysis
        self.analysis = analyses.by_name[named or analyses.first]
        if self.settings is None:
            return
        if "clinical" in self.settings.blocks and not self.analysis.get("covariates"):
            raise PlanError(
                f"config, fusion.blocks: 'clinical' are the covariates of analysis "
                f"'{self.analysis['name']}', which has none"
            )
        if paths.RADIOMICS in self.settings.tables.values() and config.scans is None:
            raise PlanError(
                f"config, fusion.tables: {paths.RADIOMICS} is made of scans: name their sheet in "
                "'scans', or another file"
            )
        if self._of_slides and not variants.of_slides:
            raise PlanError("config, fusion.blocks: no variant measures single slides")

    @property
    def _of_slides(self) -> list[str]:
        """Blocks that are made of slides."""
        blocks = () if self.settings is None else self.settings.blocks
        return [name for name in OWN_BLOCKS if name != "clinical" and name in blocks]

    def min_icc(self, wildcards: Wildcards) -> float | None:
        """Return how stable features must be; the default where nothing is fused."""
        found: float | None = self._or_default("min_icc")
        return found

    def max_correlation(self, wildcards: Wildcards) -> float:
        """Return from where on features say the same; the default where nothing is fused."""
        found: float = self._or_default("max_correlation")
        return found

    def _or_default(self, key: str) -> Any:
        default = FusionSettings.model_fields[key].default
        return default if self.settings is None else getattr(self.settings, key)

    @property
    def clinical_columns(self) -> list[str]:
        """Columns of the clinical tables that are wanted as they are."""
        centre = self.settings and self.settings.centre
        return [centre] if centre else []

    def tables(self, wildcards: Wildcards) -> list[str]:
        """Feature tables, in the order of the section."""
        return [] if self.settings is None else list(self.settings.tables.values())

    def draws(self, wildcards: Wildcards) -> list[str]:
        """Return those of their draws that are made here or exist; a saved model needs none."""
        if self.settings is None or self.settings.model is not None:
            return []
        draws = self.settings.draws.values()
        return [file for file in draws if file == paths.RADIOMICS_DRAWS or Path(file).exists()]

    def slides(self, wildcards: Wildcards) -> list[str]:
        """Return the table of slides, if a block is made of them: with scores, where it needs any.

        What an embedding is made of is known before a slide is clustered.
        """
        if "heterogeneity" in self._of_slides:
            return [paths.COHORT.format(variant=self._variant)]
        return [paths.SLIDES_OF_VECTORS.format(**self._factors)] if self._of_slides else []

    def vectors(self, wildcards: Wildcards) -> list[str]:
        """Return the table of slide embeddings, if they are a block."""
        return [paths.SLIDE_VECTORS.format(**self._factors)] if "slide" in self._of_slides else []

    def made_by(self, wildcards: Wildcards) -> dict[str, dict[str, str]]:
        """Return what makes the blocks of slides, which a saved model must agree with."""
        if not self._of_slides:
            return {}
        return {
            "slide": self._factors,
            "heterogeneity": dict(self._variants[self._variant].factors),
        }

    @property
    def _variant(self) -> str:
        return self._variants.of_slides[0]

    @property
    def _factors(self) -> dict[str, str]:
        pooling = "mean" if self.settings is None else self.settings.pooling
        encoder, masking = self._variants[self._variant].tiles
        if pooling == "chief":
            encoder, masking = self._encoders.chief.name, "whole"
        return {"encoder": encoder, "masking": masking, "pooling": pooling}

    def results(self, wildcards: Wildcards) -> list[str]:
        """Figures, and the model or what it says of this cohort."""
        if self.settings is None:
            return []
        if self.settings.model is not None:
            return [paths.FUSION_FIGURE.format(evaluation="applied")]
        figure = paths.FUSION_FIGURE.format(evaluation="cross_validated")
        return [figure, paths.FUSION_MODEL["model"]]

    def params(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the section in canonical form."""
        return {} if self.settings is None else self.settings.canonical()

    def model(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the model of another run that is applied.

        Raises
        ------
        PlanError
            If none is named.
        """
        named = self.settings and self.settings.model
        if not named:
            raise PlanError("config, fusion.model: name the model that is to be applied")
        return [named, named.removesuffix(".json") + ".safetensors"]
