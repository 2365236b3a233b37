"""Which encoder a configuration means: one of the catalogue, or a model described in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from histohet.encoders.base import EncoderError
from histohet.encoders.catalogue import CATALOGUE
from histohet.encoders.entry import (
    NEEDS_NO_MODEL,
    NORMALISATIONS,
    EncoderEntry,
    Pooling,
    Precision,
    Rgb,
)
from histohet.encoders.weights import WeightsSource

OWN_DESCRIPTION = ("model", "width", "normalisation", "arguments", "pooling", "precision")
"""Settings that describe a model; a name in the catalogue stands for all of them."""


def entry_of(config: Mapping[str, Any]) -> EncoderEntry:
    """Read the ``encoder`` section of the configuration.

    Parameters
    ----------
    config
        Either a ``name`` of the catalogue, or ``kind: timm`` with `OWN_DESCRIPTION`; both with
        ``checkpoint`` (a local file) or ``weights`` (``repository``, ``file``, ``revision``).

    Raises
    ------
    EncoderError
        If the name is unknown, a setting is missing or makes no sense, or nothing says where the
        weights are.
    """
    name, kind = config.get("name") or NEEDS_NO_MODEL, config.get("kind")
    if kind == "timm":
        entry = _own_entry(config)
    elif kind == NEEDS_NO_MODEL:
        entry = replace(CATALOGUE[NEEDS_NO_MODEL], name=name)
    elif kind is not None:
        raise EncoderError(f"encoder.kind '{kind}' is unknown; there is '{NEEDS_NO_MODEL}', 'timm'")
    else:
        entry = _known_entry(name, config)
    if config.get("weights"):
        entry = replace(entry, weights=WeightsSource(**config["weights"]))
    if entry.needs_torch and entry.weights is None and not config.get("checkpoint"):
        raise EncoderError(
            f"encoder '{name}' needs encoder.checkpoint (a local file) or encoder.weights: "
            "no place to download its weights from is known"
        )
    return entry


def _known_entry(name: str, config: Mapping[str, Any]) -> EncoderEntry:
    if name not in CATALOGUE:
        raise EncoderError(
            f"encoder '{name}' is not in the catalogue ({', '.join(CATALOGUE)}); a model of your "
            "own needs encoder.kind: timm, and its model, width and normalisation"
        )
    described = [key for key in OWN_DESCRIPTION if config.get(key) is not None]
    if described:
        raise EncoderError(
            f"encoder '{name}' stands in the catalogue, so encoder.{described[0]} has no place; "
            "encoder.kind: timm describes a model in full, under a name of its own"
        )
    return CATALOGUE[name]


def _own_entry(config: Mapping[str, Any]) -> EncoderEntry:
    required = ("name", "model", "width", "normalisation")
    missing = [key for key in required if not config.get(key)]
    if missing:
        raise EncoderError(f"encoder of kind 'timm': setting '{missing[0]}' is missing")
    return EncoderEntry(
        name=config["name"],
        model=config["model"],
        weights=None,
        width=int(config["width"]),
        normalisation=_normalisation(config["name"], config["normalisation"]),
        input_px=None,
        arguments=config.get("arguments") or {},
        pooling=_one_of(config, "pooling", get_args(Pooling)),
        precision=_one_of(config, "precision", get_args(Precision)),
    )


def _one_of(config: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    """Return a setting, by default the first of its choices."""
    value = config.get(key) or choices[0]
    if value not in choices:
        raise EncoderError(
            f"encoder '{config['name']}': unknown {key} '{value}'; there are {', '.join(choices)}"
        )
    return value


def _normalisation(name: str, value: str | Mapping[str, Any]) -> tuple[Rgb, Rgb]:
    if isinstance(value, str) and value in NORMALISATIONS:
        return NORMALISATIONS[value]
    if isinstance(value, Mapping) and all(len(value.get(key, ())) == 3 for key in ("mean", "std")):
        red, green, blue = value["mean"]
        of_red, of_green, of_blue = value["std"]
        return (red, green, blue), (of_red, of_green, of_blue)
    raise EncoderError(
        f"encoder '{name}': unknown normalisation '{value}'; there are "
        f"{', '.join(NORMALISATIONS)}, or three numbers each under 'mean' and 'std'"
    )
