"""Variants of the method: a name for what is done otherwise, and what that is, checked.

Variants share files: a path names the factors (encoder, masking, procedure), not the variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, NamedTuple

from histohet.config import Config, OwnVariant, varied
from histohet.encoders.settings import EncoderSettings
from plan.interface import PlanError

Masking = Literal["masked", "whole"]
Procedure = Literal["potts", "unsmoothed", "paper"]
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Variant:
    """One way through the method.

    Attributes
    ----------
    masking
        ``masked``: epithelial tiles, encoded with everything else blanked; ``whole``: all tissue
        tiles as they are.
    procedure
        ``potts``: clusters smoothed over the slide; ``unsmoothed``: neighbours do not attract each
        other's labels; ``paper``: the published clustering, whatever the settings.
    tumour_filter
        Whether only clusters above the cohort's tumour threshold count.
    pooled
        Whether the slides of a patient are clustered together, and measured as one.
    settings
        What stands in place of the same keys of the configuration, section by section:
        ``encoder`` as a whole, single keys of ``epithelium`` and ``clustering``.
    """

    masking: Masking = "masked"
    procedure: Procedure = "potts"
    tumour_filter: bool = True
    pooled: bool = False
    settings: Settings = field(default_factory=dict)

    def factors(self, config: Config, own: Config) -> dict[str, str]:
        """Return what the variant's files are filed under; variants share what is named alike.

        Parameters
        ----------
        config, own
            The configuration, and that with the variant's own settings in place.

        Returns
        -------
        dict
            ``encoder``, ``masking`` and ``procedure``: names for paths. Settings that differ from
            the configuration are part of them (``potts_k4_q20``).
        """
        fill = own.epithelium.fill
        same_fill = fill == config.epithelium.fill
        common = config.clustering.canonical()
        differing = {
            key: value
            for key, value in sorted(own.clustering.canonical().items())
            if value != common[key]
        }
        if own.epithelium.min_coverage != config.epithelium.min_coverage:
            differing["coverage"] = own.epithelium.min_coverage
        return {
            "encoder": encoder_id(own.encoder),
            "masking": self.masking if same_fill else f"{self.masking}_{fill}",
            "procedure": "_".join(
                [self.procedure]
                + ["pooled"] * self.pooled
                + [f"{key}{value}" for key, value in differing.items()]
            ),
        }


VARIANTS: dict[str, Variant] = {
    "full": Variant(),
    "no_mask": Variant(masking="whole"),
    "no_potts": Variant(procedure="unsmoothed"),
    "no_tumor_filter": Variant(tumour_filter=False),
    "paper": Variant(procedure="paper"),
}
"""The method, its ablations (HETMAP), and the published clustering; each changes one factor."""

SECTION_OF_CHOICE = {"q": "clustering", "k": "clustering", "min_coverage": "epithelium"}
"""Settings that a specification curve can vary, and where they stand in the configuration."""


class Settled(NamedTuple):
    """A variant, the configuration with its own settings in place, and its names in paths."""

    variant: Variant
    config: Config
    factors: dict[str, str]

    @property
    def tiles(self) -> tuple[str, str]:
        """Which tiles it encodes, and how."""
        return self.factors["encoder"], self.factors["masking"]


class Variants:
    """The variants of a run.

    Attributes
    ----------
    configured
        Names of those that the configuration wants.
    named
        Names of those that there are: the method and its ablations, and the configured ones.
    curve
        Ways to measure slides that a specification curve goes through, and what they are in words.
    settled
        All of them, by name.
    encoders, maskings, procedures
        One of the variants that share each value of a factor; they mean the same by it.
    encoded_coverage
        Epithelium that a tile needs to be encoded: tiles are encoded once, for the variant that is
        content with least.

    Raises
    ------
    PlanError
        If two differ under one name, or measure the same twice.
    """

    def __init__(self, config: Config) -> None:
        try:
            own = read_variants(config.variants)
        except ValueError as error:
            raise PlanError(f"config, variants: {error}") from error
        known = VARIANTS | own
        ways = _ways_of_curve(config, own, known)
        self.configured = list(own)
        self.named = list(known)
        self.curve = {name: words for name, (_, words) in ways.items()}
        self.settled = {
            name: _settled(name, variant, config)
            for name, variant in (known | {name: way for name, (way, _) in ways.items()}).items()
        }
        self._check_curve()
        self.encoders = self._by("encoder")
        self.maskings = self._by("masking")
        self.procedures = self._by("procedure")
        self.encoded_coverage = min(
            one.config.epithelium.min_coverage for one in self.settled.values()
        )
        self._check_encoders()

    def __getitem__(self, name: str) -> Settled:
        return self.settled[name]

    @property
    def of_slides(self) -> list[str]:
        """Names of the configured variants that measure slides, not what is pooled."""
        return [name for name in self.configured if not self[name].variant.pooled]

    def pooled_twin(self, name: str) -> str | None:
        """Return the configured variant that does the same with the slides of a patient pooled."""
        twin = replace(self[name].variant, pooled=True)
        return next((other for other in self.configured if self[other].variant == twin), None)

    def _by(self, factor: str) -> dict[str, Settled]:
        return {one.factors[factor]: one for one in self.settled.values()}

    def _check_curve(self) -> None:
        seen: dict[tuple[Any, ...], str] = {}
        for name in self.curve:
            one = self[name]
            ways = (*one.factors.values(), one.variant.tumour_filter)
            if ways in seen:
                raise PlanError(
                    f"config, specification_curve: '{seen[ways]}' and '{name}' measure slides "
                    "alike and would count twice; name one of them in `variants`"
                )
            seen[ways] = name

    def _check_encoders(self) -> None:
        for name, one in self.settled.items():
            if one.config.encoder != self.encoders[one.factors["encoder"]].config.encoder:
                raise PlanError(
                    f"config, variant '{name}': its encoder has the name of another one, "
                    f"'{one.config.encoder.name}', and other settings"
                )


def _settled(name: str, variant: Variant, config: Config) -> Settled:
    own = config
    if variant.settings:
        try:
            own = varied(config, variant.settings, f"config, variant '{name}'")
        except ValueError as error:
            raise PlanError(str(error)) from error
    return Settled(variant, own, variant.factors(config, own))


def _ways_of_curve(
    config: Config, own: Mapping[str, Variant], known: Mapping[str, Variant]
) -> dict[str, tuple[Variant, dict[str, str]]]:
    """Return the ways to measure slides of a specification curve, if one is configured."""
    curve = config.specification_curve
    if curve is None:
        return {}
    names = list(own) if curve.variants is None else curve.variants
    for name in names:
        if name not in known:
            raise PlanError(
                f"config, specification_curve.variants: '{name}' is no variant, there are "
                f"{', '.join(known)}"
            )
    grid = {key: values for key in SECTION_OF_CHOICE if (values := getattr(curve, key)) is not None}
    try:
        ways = combined({name: known[name] for name in names}, grid)
    except ValueError as error:
        raise PlanError(f"config, specification_curve: {error}") from error
    for name, (variant, _) in ways.items():
        if known.get(name, variant) != variant:
            raise PlanError(
                f"config, variant '{name}': so is a variant of the specification curve called, "
                "with other settings; give yours another name"
            )
    return ways


def encoder_id(encoder: EncoderSettings) -> str:
    """Return what embeddings of an encoder are filed under."""
    symmetry = None if encoder.symmetry == "none" else encoder.symmetry
    return "_".join(filter(None, [encoder.name, encoder.layer, symmetry]))


def read_variants(entries: Sequence[str | OwnVariant]) -> dict[str, Variant]:
    """Read the variants of a configuration, whose names are unique.

    Returns
    -------
    dict
        By name, in the order given.

    Raises
    ------
    ValueError
        If a name is taken, or a setting has no effect in the variant.
    """
    return {
        entry if isinstance(entry, str) else entry.name: VARIANTS[entry]
        if isinstance(entry, str)
        else _described(entry)
        for entry in entries
    }


def combined(
    variants: Mapping[str, Variant], grid: Mapping[str, Sequence[Any]]
) -> dict[str, tuple[Variant, dict[str, str]]]:
    """Return every variant with every combination of settings.

    Parameters
    ----------
    variants
        By name.
    grid
        Values of ``q``, ``k`` and ``min_coverage`` to try, of any of them.

    Returns
    -------
    dict
        By a name that tells the settings, the variant and what it is, in words. A setting without
        effect in a variant is not varied there.

    Raises
    ------
    ValueError
        If two are called alike.
    """
    found = {}
    for base, variant in variants.items():
        sections = {
            key: section
            for key, section in SECTION_OF_CHOICE.items()
            if key in grid and section not in _without_effect(variant)
        }
        for values in product(*(grid[key] for key in sections)):
            chosen = dict(zip(sections, values, strict=True))
            settings = {name: dict(own) for name, own in variant.settings.items()}
            for key, value in chosen.items():
                settings.setdefault(sections[key], {})[key] = value
            name = "_".join([base, *(f"{key}{value}" for key, value in chosen.items())])
            if name in found:
                raise ValueError(f"two ways to measure slides are called '{name}'")
            words = {"variant": base} | {key: str(chosen.get(key, "–")) for key in grid}
            found[name] = replace(variant, settings=settings), words
    return found


def _without_effect(variant: Variant) -> set[str]:
    """Return the sections of the configuration that a variant takes nothing from."""
    nothing = {"clustering"} if variant.procedure == "paper" else set()
    return nothing | ({"epithelium"} if variant.masking == "whole" else set())


def _described(entry: OwnVariant) -> Variant:
    if entry.name in VARIANTS:
        raise ValueError(
            f"'{entry.name}' is a variant of its own; give what you describe another name"
        )
    base = VARIANTS[entry.like]
    if not entry.settings and not entry.pooled:
        raise ValueError(
            f"'{entry.name}' is not a known variant and says nothing that it does otherwise"
        )
    for section in sorted(_without_effect(base) & set(entry.settings)):
        raise ValueError(
            f"'{entry.name}' is like '{entry.like}', which takes nothing from `{section}`"
        )
    return replace(base, settings=entry.settings, pooled=entry.pooled)
