"""What the models and maps of traits read, and how much they ask for."""

from __future__ import annotations

from typing import Any

from histohet.config import Config
from histohet.traits.settings import INCEPTION
from plan import paths
from plan.inputs import Inputs
from plan.interface import Files, PlanError, Wildcards, with_signature
from plan.paths import fill
from plan.slides import Slides
from plan.variants import Variants


@with_signature
class Traits:
    """Files of trait models: input functions of rules, unless they say otherwise.

    Attributes
    ----------
    settings
        The section; None without it.
    encoder, masking
        Which embeddings the models take; networks on pixels are an encoder of their own.

    Raises
    ------
    PlanError
        If models look at pixels, and a slide brings finished features.
    """

    def __init__(self, config: Config, slides: Slides, variants: Variants, inputs: Inputs) -> None:
        self.settings = config.traits
        self._slides = slides
        self._inputs = inputs
        self._variants = variants
        whole = self.settings is not None and self.settings.tiles == "whole"
        self.encoder, self.masking = variants["no_mask" if whole else "full"].tiles
        self._on_pixels = self.settings is not None and self.settings.inception is not None
        if self._on_pixels:
            self.encoder = INCEPTION
            if slides.imported:
                raise PlanError(
                    f"config, traits.model: slide '{slides.imported[0]}' brings finished features; "
                    "`inception` looks at the pixels of slides"
                )
        wanted = config.epithelium.min_coverage
        self._stricter = None if whole or wanted == variants.encoded_coverage else wanted

    @property
    def of_patients(self) -> dict[str, Any]:
        """What labels and splits of patients depend on."""
        return {} if self.settings is None else self.settings.of_patients

    @property
    def of_models(self) -> dict[str, Any]:
        """What models depend on."""
        return {} if self.settings is None else self.settings.of_models

    @property
    def wanted(self) -> list[str]:
        """Traits that models are made of."""
        return [] if self.settings is None else list(self.settings.wanted)

    @property
    def combinations(self) -> list[list[str]]:
        """Traits whose maps are looked at together."""
        return [] if self.settings is None else list(map(list, self.settings.looked_at))

    @property
    def combinations_by_name(self) -> dict[str, list[str]]:
        """The same by the names that files have."""
        return {"_".join(traits): traits for traits in self.combinations}

    @property
    def pictures_by_combination(self) -> dict[str, list[str]]:
        """Pictures of the maps of all slides."""
        return {
            name: fill(paths.TRAIT_PICTURE, combination=name, slide=self._slides.rows)
            for name in self.combinations_by_name
        }

    def pictures(self, wildcards: Wildcards) -> list[str]:
        """Return all of them."""
        return [file for files in self.pictures_by_combination.values() for file in files]

    def combination(self, wildcards: Wildcards) -> list[str]:
        """Traits of a combination."""
        return self.combinations_by_name[wildcards.combination]

    @property
    def min_coverage(self) -> float | None:
        """Epithelium that a tile needs, where more tiles are encoded for some variant."""
        return self._stricter

    @property
    def needs_torch(self) -> bool:
        """Whether models are trained with PyTorch."""
        return self.settings is not None and self.settings.needs_torch

    def labels(self, wildcards: Wildcards) -> list[str]:
        """Labels of patients, which are checked before anything is encoded."""
        return [] if self.settings is None else list(paths.TRAIT_LABELS.values())

    def maps(self, wildcards: Wildcards) -> list[str]:
        """Return the maps of all slides, also of those that the sheet brings maps of."""
        return fill(paths.TRAIT_MAP, slide=[] if self.settings is None else self._slides.rows)

    def patient(self, wildcards: Wildcards) -> str:
        """Whose slide it is."""
        return self._slides.row(wildcards).patient

    @property
    def controls(self) -> list[str]:
        """Clinical columns by which heterogeneity is compared."""
        return [] if self.settings is None else list(self.settings.controls)

    def judged(self, wildcards: Wildcards) -> list[str]:
        """Return the table of AUCs, and the comparisons of each combination.

        These take the first variant that measures slides; maps are the same under all.
        """
        if self.settings is None:
            return []
        compared = self.combinations_by_name if self._variants.of_slides else []
        return [paths.TRAIT_TABLE, *fill(paths.TRAIT_CONTROLS, combination=compared)]

    def slides_table(self, wildcards: Wildcards) -> list[str]:
        """Table of slides that heterogeneity is taken from."""
        return fill(paths.COHORT, variant=self._variants.of_slides[:1])

    def suffix(self, wildcards: Wildcards) -> str:
        """End of the columns of a combination; the first one's have none."""
        first = next(iter(self.combinations_by_name))
        return "" if wildcards.combination == first else f"_{wildcards.combination}"

    @property
    def patients(self) -> dict[str, str]:
        """Whose the slides are."""
        return {slide: row.patient for slide, row in self._slides.rows.items()}

    @property
    def recipe(self) -> dict[str, Any]:
        """How networks on pixels are made; nothing of other models."""
        found = self.settings and self.settings.inception
        return {} if found is None else found.canonical()

    @property
    def lesson(self) -> dict[str, Any]:
        """What else networks on pixels depend on, apart from labels and splits."""
        return {} if self.settings is None else self.settings.of_lessons

    @property
    def shape(self) -> list[int]:
        """Number of traits, of folds and of rounds."""
        return [len(self.wanted), len(self._folds), len(self._rounds)]

    @property
    def _folds(self) -> list[str]:
        n_folds = 0 if self.settings is None else self.settings.n_folds
        return [str(number) for number in range(1, n_folds + 1)]

    @property
    def _rounds(self) -> list[str]:
        rounds = 0 if self.settings is None else self.settings.rounds
        return [str(number) for number in range(1, rounds + 1)]

    def pictures_of_tiles(self, wildcards: Wildcards) -> list[str]:
        """Tiles of all slides as networks see them."""
        return fill(paths.INCEPTION_TILES, slide=self._slides.rows)

    def networks_of_trait(self, wildcards: Wildcards) -> list[str]:
        """Networks of a trait, of all folds and rounds."""
        wanted = {"trait": wildcards.trait, "fold": self._folds, "round": self._rounds}
        return fill(paths.INCEPTION_ROUND, **wanted)

    def networks(self, wildcards: Wildcards) -> list[str]:
        """Networks of all traits, folds and rounds, in this order."""
        wanted = {"trait": self.wanted, "fold": self._folds, "round": self._rounds}
        return fill(paths.INCEPTION_ROUND, **wanted)

    def models(self, wildcards: Wildcards) -> list[str]:
        """Models of all traits."""
        pattern = paths.INCEPTION_MODEL if self._on_pixels else paths.TRAIT_MODEL
        return fill(pattern, trait=self.wanted)

    def vectors(self, wildcards: Wildcards) -> list[str]:
        """Mean vectors of all slides."""
        return fill(
            paths.SLIDE_VECTOR,
            encoder=self.encoder,
            masking=self.masking,
            pooling="mean",
            slide=self._slides.rows,
        )

    def features(self, wildcards: Wildcards) -> list[str]:
        """Embeddings of all slides."""
        return [
            self._inputs.features_of(slide, self.encoder, self.masking)
            for slide in self._slides.rows
        ]

    def coverage(self, wildcards: Wildcards) -> list[str]:
        """Epithelium of the tiles of all slides, where not all that are encoded count."""
        return [] if self._stricter is None else fill(paths.COVERAGE, slide=self._slides.rows)

    def features_of_slide(self, wildcards: Wildcards) -> str:
        """Embeddings of a slide, or what networks say of its tiles."""
        if self._on_pixels:
            return paths.INCEPTION_LOGITS.format(slide=wildcards.slide)
        return self._inputs.features_of(wildcards.slide, self.encoder, self.masking)

    def coverage_of_slide(self, wildcards: Wildcards) -> Files:
        """Epithelium of the tiles of a slide, where not all that are encoded count."""
        stricter = self._stricter is not None
        return paths.COVERAGE.format(slide=wildcards.slide) if stricter else []
