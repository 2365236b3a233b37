"""The catalogue as it is, as a user extends it, and what a configuration means by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from helpers import ROOT
from helpers.encoders import made
from histohet.common import resources
from histohet.common.code import files_of, read_module
from histohet.common.settings import explain
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.make import KINDS, make_encoder
from histohet.encoders.settings import EncoderSettings, HubFile, PackageFile
from histohet.encoders.stain_texture.descriptor import FEATURES

CATALOGUE = read_catalogue()
WEIGHTLESS = {"sre_resnet18"}
"""Of these nobody has published any weights."""

OWN = {"kind": "timm", "name": "mine", "model": "vit_tiny_patch16_224", "width": 192} | {
    "normalisation": "imagenet",
    "checkpoint": "mine.safetensors",
}


def entry(**section: Any) -> EncoderEntry:
    return entry_of(EncoderSettings(**section), CATALOGUE)


def changed(**changes: Any) -> dict[str, Any]:
    """`OWN` with other values, or without those that are None."""
    return {key: value for key, value in (OWN | changes).items() if value is not None}


@pytest.mark.parametrize("known", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_is_complete_and_a_name_is_enough(known: EncoderEntry) -> None:
    if known.name in WEIGHTLESS:
        known = known.model_copy(update={"weights": "here.pth"})
        assert entry(name=known.name, checkpoint="here.pth") == known
    else:
        assert entry(name=known.name) == known
    assert EncoderEntry(**known.parameters()).channels == known.channels
    assert known.reference
    assert known.licence
    assert known.gated is not None
    assert known.n_parameters is not None
    assert known.weights is not None or not known.needs_torch
    assert all(0 < value < 1 for value in (*known.channels.mean, *known.channels.std))
    assert known.kind in KINDS


def test_documentation_lists_every_entry_as_it_is() -> None:
    text = (ROOT / "docs/encoders.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.M))
    assert rows.keys() == CATALOGUE.keys()
    for known in CATALOGUE.values():
        cells = [cell.strip() for cell in rows[known.name].split("|")]
        assert str(known.width) in cells
        assert f"{known.n_parameters:,}" in cells
        if isinstance(known.weights, HubFile):
            assert f"`{known.weights.repository}`" in cells
        if isinstance(known.weights, PackageFile):
            assert f"in the package `{known.weights.package}`" in cells
        assert ("yes" if known.gated else "no") in cells
        assert known.checked in cells


def test_without_a_word_it_is_stain_texture() -> None:
    for section in ({}, {"name": "stain_texture"}, {"kind": "stain_texture", "name": "other"}):
        found = entry(**section)
        assert not found.needs_torch
        assert found.width == len(FEATURES) == make_encoder(found, 224).width
    assert found.name == "other"


def test_weights_may_come_from_elsewhere() -> None:
    assert entry(name="uni2h", checkpoint="here.bin").weights == "here.bin"
    mirror = {"repository": "we/mirror", "file": "uni2h.safetensors", "revision": None}
    found = entry(name="uni2h", weights=mirror)
    assert found.weights == HubFile(**mirror)
    assert found.width == 1536


def test_own_description_is_an_entry_of_its_own() -> None:
    normalisation = {"mean": [0.7, 0.6, 0.5], "std": [0.3, 0.2, 0.1]}
    found = entry(**changed(normalisation=normalisation, pooling="class_token_and_mean"))
    assert found.channels.mean == (0.7, 0.6, 0.5)
    assert found.channels.std == (0.3, 0.2, 0.1)
    assert found.pooling == "class_token_and_mean"
    assert found.precision == "float32"
    assert found.input_px is None
    assert found.checked is None
    weights = {"repository": "we/model", "file": "model.safetensors"}
    assert entry(**changed(checkpoint=None, weights=weights)).weights == HubFile(**weights)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "uni", "width": 1024}, "'width' has no place beside a name of the catalogue"),
        ({"kind": "keras", "name": "x"}, "kind: 'keras' is none of 'timm', 'stain_texture'"),
        ({"kind": "sre_resnet18"}, "kind 'sre_resnet18' needs 'name'"),
        ({"name": "uni", "first": 7}, "'first' has a place only beside the encoder 'sre_resnet18'"),
        (
            {"name": "sre_resnet18", "kernels": [9, 8, 5, 5]},
            "kernels[1]: a kernel of 8 × 8 has no centre: its side must be odd",
        ),
        ({"name": "sre_resnet18", "kernels": [9, 9, 5]}, "kernels[3]: is missing"),
        ({"name": "sre_resnet18", "first": 1}, "first: 1 must be at least 3"),
        (changed(width=None), "kind 'timm' needs 'width'"),
        (changed(name=None), "kind 'timm' needs 'name'"),
        (changed(checkpoint=None), "needs either 'checkpoint' (a local file) or 'weights'"),
        (
            changed(weights={"repository": "we/model", "file": "x"}),
            "needs either 'checkpoint' (a local file) or 'weights'",
        ),
        (changed(normalisation="zero"), "normalisation: 'zero' is none of 'imagenet', 'half'"),
        (changed(normalisation={"mean": [1, 1, 1]}), "normalisation.std: is missing"),
        (changed(pooling="max"), "pooling: 'max' is none of 'own', 'class_token_and_mean'"),
        (changed(precision="int8"), "precision: 'int8' is none of 'float32', 'bfloat16'"),
        (changed(wdith=3), "wdith: unknown key; did you mean width?"),
    ],
)
def test_what_makes_no_sense_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        EncoderSettings(**section)
    assert message in explain(raised.value, section)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (("model", "x.bin"), "'model' is not a repository"),
        (("../lab/model", "x.bin"), "not a repository"),
        (("https://huggingface.co/lab/model", "x.bin"), "not a repository"),
        (("lab/model", "../x.bin"), "not a path inside"),
        (("lab/model", "/x.bin"), "not a path inside"),
        (("lab/model", ""), "file: must not be empty"),
        (("lab/model", "x.bin", "main"), "'main' of lab/model is not a commit"),
    ],
)
def test_malformed_files_of_the_hub_are_refused(weights: tuple[str, ...], message: str) -> None:
    source = dict(zip(("repository", "file", "revision"), weights, strict=False))
    with pytest.raises(ValidationError) as raised:
        HubFile(**source)
    assert message in explain(raised.value, source)


def test_a_layer_is_chosen_by_name() -> None:
    deep, mid = (entry(name="efficientnet_lite0", layer=layer) for layer in ("deep", "mid"))
    assert deep == entry(name="efficientnet_lite0")
    assert (deep.stage, deep.width, mid.stage, mid.width) == (4, 320, 3, 112)
    assert (deep.position_px, mid.position_px) == (32, 16)
    assert mid.parameters() == deep.parameters() | {"stage": 3, "width": 112}
    with pytest.raises(EncoderError, match="'uni2h' has no layers to choose from; leave `layer`"):
        entry(name="uni2h", layer="mid")
    with pytest.raises(EncoderError, match="'mine' has no layers"):
        entry(**changed(layer="mid"))


def test_unknown_names_and_weights_are_refused() -> None:
    expected = r"'uni3' is not in the catalogue \(stain_texture, .*uni, .*kind: timm"
    with pytest.raises(EncoderError, match=expected):
        entry(name="uni3")
    bare = {"bare": EncoderEntry(name="bare", model="resnet50", width=9, normalisation="half")}
    with pytest.raises(EncoderError, match=r"'bare' needs encoder\.checkpoint"):
        entry_of(EncoderSettings(name="bare"), bare)
    with pytest.raises(EncoderError, match="'uni2h': no file with its weights was given"):
        make_encoder(entry(name="uni2h"), 224)


# What a user adds ---------------------------------------------------------------------------------

ADDED = """
tiny:
  model: vit_tiny_patch16_224
  arguments: {embed_dim: 48, depth: 1, num_heads: 3}
  width: 48
  normalisation: {mean: [0.7, 0.6, 0.5], std: [0.3, 0.2, 0.1]}
  weights: {repository: lab/tiny, file: model.safetensors}
  licence: MIT
  reference: a card
"""


@pytest.fixture
def catalogue_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the catalogue, which the library reads instead."""
    path = tmp_path / "encoders.yaml"
    path.write_text(resources.resource_path("encoders").read_text())
    monkeypatch.setattr(resources, "resource_path", lambda name: tmp_path / f"{name}.yaml")
    return path


def test_an_encoder_is_added_by_ten_lines_of_the_catalogue(
    catalogue_file: Path, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="the encoders' requirements are not installed")
    from safetensors.torch import save_file

    from histohet.encoders.networks import create_architecture

    catalogue_file.write_text(catalogue_file.read_text() + ADDED)
    added = read_catalogue()["tiny"]
    torch.manual_seed(0)
    save_file(create_architecture(added).state_dict(), tmp_path / "tiny.safetensors")
    encoder = made({"name": "tiny", "symmetry": "d4"}, 224, tmp_path / "tiny.safetensors")
    tiles = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    embeddings = encoder.encode(tiles)
    assert embeddings.shape == (2, encoder.width) == (2, 48)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 0


@pytest.mark.parametrize("script", ["encode_tiles", "encode_chief_tiles"])
def test_an_encoder_that_is_added_runs_no_other_again(script: str) -> None:
    """A job is given the entry of its encoder, and its code does not read the catalogue."""
    workflow = ROOT / "workflow"
    files = files_of(workflow / "scripts" / f"{script}.py", workflow)
    assert not any("encoders" in read_module(file).resources for file in files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 48}, "tiny.widht: unknown key; did you mean width?"),
        ({"layout": "old"}, "tiny.layout: 'old' is none of 'timm', 'dinov2', 'old_swin'"),
        ({"model": ""}, "tiny: an encoder of kind 'timm' needs a 'model'"),
        ({"width": "48"}, "tiny.width: '48' is no whole number"),
    ],
)
def test_a_mistake_in_the_catalogue_is_named(
    catalogue_file: Path, change: dict[str, Any], message: str
) -> None:
    added = yaml.safe_load(ADDED)
    added["tiny"] |= change
    catalogue_file.write_text(catalogue_file.read_text() + yaml.safe_dump(added))
    with pytest.raises(EncoderError) as raised:
        read_catalogue()
    assert message in str(raised.value).replace("tiny, ", "tiny.")
