"""Variants of the method: a name for what is done otherwise, usually one factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

Masking = Literal["masked", "whole"]
Procedure = Literal["potts", "unsmoothed", "paper"]


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
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def configured(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of the configuration with the variant's own settings in place."""
        changed = deepcopy(dict(config))
        for section, values in self.settings.items():
            kept = {} if section == "encoder" else changed[section]
            changed[section] = {**kept, **values}
        return changed

    def factors(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return what the variant's files are filed under; variants share what is named alike.

        Parameters
        ----------
        config
            Complete, the defaults included.

        Returns
        -------
        dict
            ``encoder``, ``masking`` and ``procedure``: names for paths. Settings that differ from
            the configuration are part of them (``potts_k4_q20``).
        """
        own = self.configured(config)
        fill, common_fill = (one["epithelium"]["fill"] for one in (own, config))
        masked = self.masking if fill == common_fill else f"{self.masking}_{fill}"
        coverage = own["epithelium"]["min_coverage"]
        differing = {
            key: value
            for key, value in sorted(own["clustering"].items())
            if value != config["clustering"][key]
        }
        if coverage != config["epithelium"]["min_coverage"]:
            differing["coverage"] = coverage
        return {
            "encoder": encoder_id(own["encoder"]),
            "masking": masked,
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


def encoder_id(encoder: Mapping[str, Any]) -> str:
    """Return what embeddings of an encoder are filed under."""
    averaged = encoder.get("symmetry", "none") != "none"
    return f"{encoder['name']}_{encoder['symmetry']}" if averaged else str(encoder["name"])


def read_variants(entries: Sequence[str | Mapping[str, Any]]) -> dict[str, Variant]:
    """Read the variants of a configuration.

    Parameters
    ----------
    entries
        Names of `VARIANTS`, or mappings with a ``name`` of its own, optionally the variant it is
        ``like`` (else ``full``), whether it is ``pooled``, and the sections ``encoder``,
        ``epithelium``, ``clustering`` with what it does otherwise.

    Returns
    -------
    dict
        In the order given.

    Raises
    ------
    ValueError
        If a name comes twice or is taken, or a setting has no effect in the variant.
    """
    variants: dict[str, Variant] = {}
    for entry in entries:
        name = entry if isinstance(entry, str) else entry["name"]
        if name in variants:
            raise ValueError(f"'{name}' comes twice")
        variants[name] = VARIANTS[name] if isinstance(entry, str) else _described(entry)
    return variants


def varied(
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


def _described(entry: Mapping[str, Any]) -> Variant:
    name, like = entry["name"], entry.get("like", "full")
    if name in VARIANTS:
        raise ValueError(f"'{name}' is a variant of its own; give what you describe another name")
    base = VARIANTS[like]
    pooled = bool(entry.get("pooled", False))
    settings = {k: dict(v) for k, v in entry.items() if k not in {"name", "like", "pooled"}}
    if not settings and not pooled:
        raise ValueError(f"'{name}' is not a known variant and says nothing that it does otherwise")
    for section in _without_effect(base) & set(settings):
        raise ValueError(f"'{name}' is like '{like}', which takes nothing from `{section}`")
    return replace(base, settings=settings, pooled=pooled)
