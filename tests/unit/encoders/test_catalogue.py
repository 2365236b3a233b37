from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from helpers import ROOT
from histohet.encoders.base import EncoderError
from histohet.encoders.catalogue import CATALOGUE
from histohet.encoders.configured import entry_of
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.make import make_encoder
from histohet.encoders.stain_texture.descriptor import FEATURES
from histohet.encoders.weights import WeightsSource

OWN = {"kind": "timm", "name": "mine", "model": "vit_tiny_patch16_224", "width": 192} | {
    "normalisation": "imagenet",
    "checkpoint": "mine.safetensors",
}


def encoder_schema() -> dict[str, Any]:
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    return {**schema["properties"]["encoder"], "$defs": schema["$defs"]}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_is_complete_and_a_name_is_enough(entry: EncoderEntry) -> None:
    config = {"name": entry.name}
    Draft202012Validator(encoder_schema()).validate(config)
    assert entry_of(config) is entry
    assert entry.reference
    assert entry.licence
    assert entry.gated is not None
    assert entry.n_parameters is not None
    assert entry.weights is not None or not entry.needs_torch
    assert all(0 < value < 1 for value in (*entry.mean, *entry.std))


def test_documentation_lists_every_entry_as_it_is() -> None:
    text = (ROOT / "docs/encoders.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.M))
    assert rows.keys() == CATALOGUE.keys()
    for entry in CATALOGUE.values():
        cells = [cell.strip() for cell in rows[entry.name].split("|")]
        assert str(entry.width) in cells
        assert f"{entry.n_parameters:,}" in cells
        if entry.weights is not None:
            assert f"`{entry.weights.repository}`" in cells
        assert ("yes" if entry.gated else "no") in cells
        assert entry.checked in cells


def test_without_a_word_it_is_stain_texture() -> None:
    for config in ({}, {"name": "stain_texture"}, {"kind": "stain_texture", "name": "other"}):
        entry = entry_of(config)
        assert not entry.needs_torch
        assert entry.width == len(FEATURES) == make_encoder(config, 224).width
    assert entry.name == "other"


def test_weights_may_come_from_elsewhere() -> None:
    local = {"name": "uni2h", "checkpoint": "here.bin"}
    assert entry_of(local) is CATALOGUE["uni2h"]
    mirror = {"repository": "we/mirror", "file": "uni2h.safetensors", "revision": None}
    found = entry_of({"name": "uni2h", "weights": mirror})
    assert found.weights == WeightsSource("we/mirror", "uni2h.safetensors", None)
    assert found.width == 1536


def test_own_description_is_an_entry_of_its_own() -> None:
    normalisation = {"mean": [0.7, 0.6, 0.5], "std": [0.3, 0.2, 0.1]}
    config = OWN | {"normalisation": normalisation, "pooling": "class_token_and_mean"}
    Draft202012Validator(encoder_schema()).validate(config)
    entry = entry_of(config)
    assert (entry.mean, entry.std) == ((0.7, 0.6, 0.5), (0.3, 0.2, 0.1))
    assert entry.pooling == "class_token_and_mean"
    assert entry.precision == "float32"
    assert entry.input_px is None
    assert entry.checked is None
    weights = {"repository": "we/model", "file": "model.safetensors"}
    downloaded = entry_of(
        {k: v for k, v in OWN.items() if k != "checkpoint"} | {"weights": weights}
    )
    assert downloaded.weights == WeightsSource("we/model", "model.safetensors", None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "uni3"}, r"'uni3' is not in the catalogue \(stain_texture, uni, .*kind: timm"),
        ({"name": "uni", "width": 1024}, r"stands in the catalogue, so encoder\.width"),
        ({"kind": "keras", "name": "x"}, r"encoder\.kind 'keras' is unknown"),
        (OWN | {"width": None}, "setting 'width' is missing"),
        (OWN | {"checkpoint": None}, r"'mine' needs encoder\.checkpoint .* or encoder\.weights"),
        (OWN | {"normalisation": "zero"}, "unknown normalisation 'zero'; there are imagenet, half"),
        (OWN | {"normalisation": {"mean": [1, 1, 1]}}, "three numbers each under 'mean' and 'std'"),
        (OWN | {"pooling": "max"}, "unknown pooling 'max'; there are own, class_token_and_mean"),
        (OWN | {"precision": "int8"}, "unknown precision 'int8'; there are float32, bfloat16"),
    ],
)
def test_what_makes_no_sense_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        entry_of(config)


def test_encoders_without_their_weights_are_not_made() -> None:
    with pytest.raises(EncoderError, match="'uni2h': no file with its weights was given"):
        make_encoder({"name": "uni2h"}, 224)
    with pytest.raises(EncoderError, match=r"encoder\.symmetry 'd8' is unknown"):
        make_encoder({"symmetry": "d8"}, 224)
