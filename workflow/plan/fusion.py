"""Blocks of predictors that are put together, and the files they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histohet.config import Config
from histohet.fusion.settings import OWN_BLOCKS, FusionSettings
from plan import paths
from plan.analyses import Analyses
from plan.encoders import Encoders
from plan.inputs import Inputs
from plan.interface import PlanError, Wildcards, with_signature
from plan.paths import fill
from plan.slides import Slides
from plan.variants import Variants

OF_FOLDS = frozenset(
    ("endpoint", "blocks", "tables", "analysis", "pooling", "scores", "centre", "folds", "repeats")
)
"""Keys of the section that say who is dealt into which folds; others train no network anew."""


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
        self,
        config: Config,
        slides: Slides,
        variants: Variants,
        encoders: Encoders,
        analyses: Analyses,
        inputs: Inputs,
    ) -> None:
        self.settings = config.fusion
        self._config, self._inputs = config, inputs
        self._slides, self._variants, self._encoders = slides, variants, encoders
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

    @property
    def patients(self) -> dict[str, str]:
        """Whose the slides of finished vectors may be; no input function."""
        tables = () if self.settings is None else self.settings.tables.values()
        if not set(tables) - {paths.RADIOMICS}:
            return {}
        return {slide: row.patient for slide, row in self._slides.rows.items()}

    def draws(self, wildcards: Wildcards) -> list[str]:
        """Return those of their draws that are made here or exist; a saved model needs none."""
        if self.settings is None or self.settings.model is not None:
            return []
        draws = self.settings.draws.values()
        return [file for file in draws if file == paths.RADIOMICS_DRAWS or Path(file).exists()]

    def slides(self, wildcards: Wildcards) -> list[str]:
        """Return the table of slides, if a block is made of it: with scores, where it needs any.

        What an embedding is made of is known before a slide is clustered.
        """
        if "heterogeneity" in self._of_slides:
            return [paths.COHORT.format(variant=self._variant)]
        vectors = "slide" in self._of_slides
        return [paths.SLIDES_OF_VECTORS.format(**self._factors)] if vectors else []

    def vectors(self, wildcards: Wildcards) -> list[str]:
        """Return the table of slide embeddings, if they are a block."""
        return [paths.SLIDE_VECTORS.format(**self._factors)] if "slide" in self._of_slides else []

    def made_by(self, wildcards: Wildcards) -> dict[str, dict[str, str]]:
        """Return what makes the blocks of slides, which a saved model must agree with."""
        if not self._of_slides:
            return {}
        return {
            "slide": self._made_vectors,
            "mil": {"masking": self._tiles[1]},
            "heterogeneity": dict(self._variants[self._variant].factors),
        }

    # --- networks on tiles ------------------------------------------------------------------------

    @property
    def _with_mil(self) -> bool:
        return "mil" in self._of_slides

    @property
    def _tiles(self) -> tuple[str, str]:
        """Which tiles the first variant encodes, and how."""
        return self._variants[self._variant].tiles

    @property
    def encoder(self) -> str:
        """What embeddings that networks are trained on are filed under; no input function."""
        return self._tiles[0] if self._of_slides else ""

    @property
    def mil(self) -> dict[str, Any]:
        """How networks are trained; no input function."""
        return {} if self.settings is None else self.settings.mil.canonical()

    @property
    def min_coverage(self) -> float | None:
        """Epithelium that a tile needs, where more tiles are encoded for some variant."""
        if not self._with_mil:
            return None
        whole = self._variants[self._variant].variant.masking == "whole"
        wanted = self._config.epithelium.min_coverage
        return None if whole or wanted == self._variants.encoded_coverage else wanted

    def features_of_slide(self, wildcards: Wildcards) -> str:
        """Embeddings of a slide."""
        return self._inputs.features_of(wildcards.slide, *self._tiles)

    def coverage_of_slide(self, wildcards: Wildcards) -> list[str]:
        """Epithelium of its tiles, where not all that are encoded count."""
        return fill(paths.COVERAGE, slide=[] if self.min_coverage is None else wildcards.slide)

    def patient_of_slide(self, wildcards: Wildcards) -> str:
        """Whose slide it is."""
        return self._slides.row(wildcards).patient

    def attention(self, wildcards: Wildcards) -> list[str]:
        """Pictures of what networks attend to, of all slides.

        Raises
        ------
        PlanError
            If there are no networks.
        """
        if not self._with_mil:
            raise PlanError("config, fusion.blocks: there is no 'mil', whose attention is drawn")
        return fill(paths.MIL_ATTENTION, slide=self._slides.rows)

    @property
    def first_networks(self) -> list[str]:
        """Networks of all folds of the first repetition; no input function."""
        return fill(paths.MIL_NETWORKS, repeat="1", fold=map(str, range(1, self._folds + 1)))

    def features(self, wildcards: Wildcards) -> list[str]:
        """Return the embeddings of all slides."""
        encoder, masking = self._tiles
        return [self._inputs.features_of(slide, encoder, masking) for slide in self._slides.rows]

    def coverage(self, wildcards: Wildcards) -> list[str]:
        """Return the epithelium of all tiles, where not all that are encoded count."""
        slides = [] if self.min_coverage is None else self._slides.rows
        return fill(paths.COVERAGE, slide=slides)

    def bags(self, wildcards: Wildcards) -> list[str]:
        """Return the table of bags, if networks look at them."""
        return [paths.MIL_BAGS] if self._with_mil else []

    def networks(self, wildcards: Wildcards) -> list[str]:
        """Return the networks of all folds of a repetition; of 0, those by everybody."""
        folds = range(1, self._folds + 1) if int(wildcards.repeat) else (0,)
        return fill(paths.MIL_NETWORKS, repeat=wildcards.repeat, fold=map(str, folds))

    def predicted(self, wildcards: Wildcards) -> list[str]:
        """Return what networks say of patients whom they had not seen, in all splits."""
        repeats = range(self.settings.repeats + 1) if self.settings and self._with_mil else ()
        return fill(paths.MIL_PREDICTED, repeat=map(str, repeats))

    def predicted_of_everybody(self, wildcards: Wildcards) -> list[str]:
        """Return it for the model that is kept."""
        return self.predicted(wildcards)[:1]

    def network(self, wildcards: Wildcards) -> list[str]:
        """Return the networks by everybody, for the model that is kept."""
        return fill(paths.MIL_NETWORKS, repeat="0", fold="0") if self._with_mil else []

    def applied(self, wildcards: Wildcards) -> list[str]:
        """Return what the network of another run says of this cohort."""
        return [paths.MIL_APPLIED] if self._with_mil else []

    @property
    def _folds(self) -> int:
        return 0 if self.settings is None else self.settings.folds

    @property
    def of_folds(self) -> dict[str, Any]:
        """What the folds depend on, of the section; no input function."""
        section = {} if self.settings is None else self.settings.canonical()
        return {key: value for key, value in section.items() if key in OF_FOLDS}

    @property
    def _variant(self) -> str:
        return self._variants.of_slides[0]

    @property
    def _factors(self) -> dict[str, str]:
        pooling = "mean" if self.settings is None else self.settings.pooling
        encoder, masking = self._tiles
        if pooling == "chief":
            encoder, masking = self._encoders.chief.name, "whole"
        return {"encoder": encoder, "masking": masking, "pooling": pooling}

    @property
    def _made_vectors(self) -> dict[str, str]:
        """What makes the embeddings of slides."""
        return self._encoders.made_by(**self._factors) if "slide" in self._of_slides else {}

    def results(self, wildcards: Wildcards) -> list[str]:
        """Figures, checklists, and the model or what it says of this cohort."""
        if self.settings is None:
            return []
        evaluation = "cross_validated" if self.settings.model is None else "applied"
        shown = (paths.FUSION_FIGURE, paths.FUSION_FLOW, paths.CHECKLIST["page"])
        saved = [paths.FUSION_MODEL["model"]] if self.settings.model is None else []
        return [*(one.format(evaluation=evaluation) for one in shown), *saved]

    def stability(self, wildcards: Wildcards) -> list[str]:
        """Return the table of scans and how stable their features are, where they are a block."""
        tables = () if self.settings is None else self.settings.tables.values()
        of_scans = [paths.RADIOMICS, paths.RADIOMICS_STABILITY]
        return of_scans if paths.RADIOMICS in tables else []

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return how features are extracted here, where they are a block."""
        if not self.stability(wildcards):
            return {}
        sections = {"ct": self._config.ct, "radiomics": self._config.radiomics}
        return {name: section.canonical() for name, section in sections.items()}

    def described_model(self, wildcards: Wildcards) -> str:
        """Return what a model says of itself: the one that is saved, or that is applied."""
        named = self.settings and self.settings.model
        return named if wildcards.evaluation == "applied" and named else paths.FUSION_MODEL["model"]

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
