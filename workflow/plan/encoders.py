"""Which encoders a run needs, and the weights they run with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from histohet.config import Config
from histohet.encoders.catalogue import entry_of, pinned_weights, read_catalogue
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.settings import EncoderSettings
from histohet.tiles.settings import CHIEF_TILES
from plan.interface import PlanError, Wildcards, with_signature
from plan.paths import WEIGHTS_LOCK
from plan.resources import Amount
from plan.slides import Slides
from plan.variants import Variants, encoder_id


@with_signature
class Encoders:
    """The encoders of all variants and of section `rotation`, and CHIEF's.

    Attributes
    ----------
    entries
        By the name that their features are filed under.
    configured
        That of section `encoder`.
    chief
        The one whose features CHIEF takes.
    pinned
        Weights by the name of an encoder, those of `chief` by None: asked once, however many slides
        there are, since a local file is read for it. Fails where weights were not fetched yet.

    Raises
    ------
    PlanError
        If one is unknown, or cannot take the configured tiles, or cannot pool their epithelium.
    """

    def __init__(self, config: Config, slides: Slides, variants: Variants) -> None:
        self._catalogue = read_catalogue()
        self._config = config
        self._from_chief = slides.from_chief
        self._ours = ours = len(slides.imported) < len(slides.rows)
        self.configured = self._entry("encoder", config.encoder)
        self.entries = {
            name: self._entry("encoder", one.config.encoder, config.tiles.tile_px if ours else None)
            for name, one in variants.encoders.items()
        }
        rotated = () if config.rotation is None else config.rotation.encoders
        for settings in rotated:
            self._add("rotation.encoders", settings)
        named = "ctranspath_chief" if config.attention is None else config.attention.encoder
        self.chief = self._entry(
            "attention.encoder",
            EncoderSettings(name=named) if isinstance(named, str) else named,
            CHIEF_TILES.tile_px if slides.from_chief else None,
        )
        self.pinned = cache(self._pin)
        self._check_fills(variants)

    def _entry(
        self, key: str, settings: EncoderSettings, tile_px: int | None = None
    ) -> EncoderEntry:
        try:
            entry = entry_of(settings, self._catalogue)
            if tile_px is not None:
                entry.check_tile_px(tile_px)
                if settings.dense is not None:
                    entry.check_tokens(tile_px, self._config.block.side)
        except ValueError as error:
            raise PlanError(f"config, {key}: {error}") from error
        return entry

    def _add(self, key: str, settings: EncoderSettings) -> None:
        """Take in an encoder of another section, unless another one has its name."""
        name, entry = encoder_id(settings), self._entry(key, settings, self._config.tiles.tile_px)
        if self.entries.setdefault(name, entry) != entry:
            raise PlanError(
                f"config, {key}: '{name}' has the name of another encoder, and other settings"
            )

    def _check_fills(self, variants: Variants) -> None:
        """Refuse encoders that cannot do what a variant wants done outside of the epithelium."""
        for name, one in variants.settled.items():
            if one.variant.masking == "masked" and one.config.epithelium.fill == "pool":
                try:
                    self.entries[one.factors["encoder"]].of_epithelium()
                except ValueError as error:
                    raise PlanError(f"config, variant '{name}': {error}") from error

    def _pin(self, encoder: str | None) -> dict[str, str]:
        entry = self.chief if encoder is None else self.entries[encoder]
        return pinned_weights(entry, WEIGHTS_LOCK, self._catalogue)

    def parameters(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what an encoder is, as far as embeddings depend on it."""
        return self.entries[wildcards.encoder].parameters()

    def by_kind(self, network: float, descriptors: float) -> Amount:
        """Return what a job asks for, by the kind of its encoder."""
        entries = self.entries
        return lambda wildcards: network if entries[wildcards.encoder].needs_torch else descriptors

    def any_needs_torch(self, names: Iterable[str]) -> bool:
        """Whether one of some encoders is a network; no input function."""
        return any(self.entries[name].needs_torch for name in names)

    def made_by(self, encoder: str, masking: str, pooling: str) -> dict[str, str]:
        """Return what makes the vector of a slide, in words; no input function."""
        chief, tiles = pooling == "chief", self._config.tiles
        size = CHIEF_TILES if chief else tiles.size
        pinned = self.pinned(None if chief else encoder) if self._ours else {}
        return {
            "encoder": encoder,
            "weights": pinned.get("sha256", "none" if self._ours else "those of finished features"),
            "tile_um": f"{size.tile_um:g}",
            "tile_px": str(size.tile_px),
            "masking": masking,
            "pooling": pooling,
        }

    def made_vectors(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what makes a table of vectors of slides."""
        return self.made_by(wildcards.encoder, wildcards.masking, wildcards.pooling)

    # Functions of a job, so that `snakemake prefetch` can run before weights were fetched.
    def weights(self, wildcards: Wildcards) -> dict[str, str]:
        """Weights of an encoder, by their content."""
        return self.pinned(wildcards.encoder)

    def chief_weights(self, wildcards: Wildcards) -> dict[str, str]:
        """Weights of the encoder whose features CHIEF takes."""
        return self.pinned(None)

    @property
    def places_of_weights(self) -> dict[str, Any]:
        """Where the weights of every model are: a local path, a file of the hub, or none.

        Also of section `encoder` where the configured variants have their own, for the ablation and
        the specification curve.
        """
        places = {f"encoder {name}": _place(self.entries[name]) for name in sorted(self.entries)}
        if self._from_chief and self._config.attention is not None:
            places["encoder of CHIEF's tiles"] = _place(self.chief)
            places["chief"] = self._config.attention.checkpoint
        return places


def _place(entry: EncoderEntry) -> Any:
    weights = entry.weights
    return weights if weights is None or isinstance(weights, str) else weights.canonical()
