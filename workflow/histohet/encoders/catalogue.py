"""Which encoder a configuration means: one of the catalogue, or a model described in full.

The catalogue is data: ``resources/encoders.yaml``. Whoever plans a run reads it; a job is given the
entry of its encoder, so that other entries do not matter to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histohet.common.resources import read_resource
from histohet.common.settings import explain
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.settings import OWN_DESCRIPTION, RING_KERNELS, EncoderSettings, Layer
from histohet.encoders.weights import pin

Catalogue = Mapping[str, EncoderEntry]


def read_catalogue() -> dict[str, EncoderEntry]:
    """Read the encoders that are known by name.

    Raises
    ------
    EncoderError
        If an entry is not one; the message names the key.
    """
    return {name: _entry(name, entry) for name, entry in read_resource("encoders").items()}


def _entry(name: str, entry: Any) -> EncoderEntry:
    described = {"name": name, **entry} if isinstance(entry, Mapping) else entry
    try:
        return EncoderEntry.model_validate(described)
    except ValidationError as error:
        where = f"resources/encoders.yaml, {name}"
        raise EncoderError(explain(error, described, where)) from None


def entry_of(settings: EncoderSettings, catalogue: Catalogue) -> EncoderEntry:
    """Return the entry that a section ``encoder`` means.

    Parameters
    ----------
    settings
        A name of the catalogue, or a description of a model, and where the weights come from.
    catalogue
        Encoders by name.

    Raises
    ------
    EncoderError
        If the name or the layer is unknown, nothing says where the weights are, or tokens are
        wanted of an encoder that has none.
    """
    entry = _described(settings) if settings.kind == "timm" else _known(settings, catalogue)
    if settings.layer is not None:
        entry = _of_layer(entry, settings.layer)
    weights = settings.checkpoint or settings.weights or entry.weights
    if entry.needs_torch and weights is None:
        raise EncoderError(
            f"encoder '{entry.name}' needs encoder.checkpoint (a local file) or encoder.weights: "
            "no place to download its weights from is known"
        )
    entry = entry.model_copy(update={"weights": weights, "symmetry": settings.symmetry})
    return entry if settings.dense is None else entry.of_tokens()


def _described(settings: EncoderSettings) -> EncoderEntry:
    given = settings.model_dump(include={"name", *OWN_DESCRIPTION}, exclude_none=True)
    return EncoderEntry(kind="timm", input_px=None, **given)


def _known(settings: EncoderSettings, catalogue: Catalogue) -> EncoderEntry:
    name = settings.kind or settings.name
    if name not in catalogue:
        raise EncoderError(
            f"encoder '{name}' is not in the catalogue ({', '.join(catalogue)}); a model of your "
            "own needs encoder.kind: timm, and its model, width and normalisation"
        )
    entry = catalogue[name].model_copy(update={"name": settings.name})
    sides = settings.model_dump(include=set(RING_KERNELS), exclude_none=True)
    return entry.model_copy(update={"arguments": entry.arguments | sides})


def _of_layer(entry: EncoderEntry, layer: Layer) -> EncoderEntry:
    if layer not in entry.layers:
        raise EncoderError(
            f"encoder '{entry.name}' has no layers to choose from; leave `layer` out"
        )
    chosen = entry.layers[layer]
    return entry.model_copy(update=chosen.canonical())


def pinned_weights(
    entry: EncoderEntry, lock_path: str | Path, catalogue: Catalogue
) -> dict[str, str]:
    """Return the parameter of a step that names the weights of its encoder, see `weights.pin`.

    Raises
    ------
    WeightsError
        If they were not fetched yet, or a local file does not exist.
    EncoderError
        If they are those of another entry whose parameters have the same names and shapes:
        CTransPath's own weights and CHIEF's load into each other's encoder without complaint.
    """
    pinned = pin(entry.weights, lock_path)
    for twin in catalogue.values():
        known = None not in (entry.sha256, twin.sha256)
        if known and twin.sha256 != entry.sha256 and twin.sha256 == pinned["sha256"]:
            raise EncoderError(
                f"encoder '{entry.name}': {pinned['file']} is the checkpoint of '{twin.name}', "
                "the same architecture with other weights"
            )
    return pinned
