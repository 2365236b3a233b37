from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from histohet.encoders.base import EncoderError
from histohet.encoders.registry import make_encoder
from histohet.encoders.timm_model import (
    TimmModel,
    TimmSettings,
    create_architecture,
    read_state_dict,
)
from histohet.encoders.torchvision_operators import import_timm

DOCUMENTATION = Path(__file__).parents[2] / "docs/encoders.md"
MODEL = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(import_timm().create_model(MODEL, pretrained=False, num_classes=0).state_dict())


@pytest.fixture(scope="module")
def settings(
    weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> TimmSettings:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(weights, path)
    return TimmSettings("tiny", MODEL, path, 192, "imagenet", {})


def some_tiles(number: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, 224, 224, 3), dtype=np.uint8)


def test_embedding_is_the_models_on_normalised_tiles(settings: TimmSettings, weights: dict) -> None:
    tiles = some_tiles(2)
    model = import_timm().create_model(MODEL, pretrained=False, num_classes=0).eval()
    model.load_state_dict(weights)
    scaled = tiles.astype(np.float32) / 255
    normalised = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        expected = model(torch.tensor(normalised.transpose(0, 3, 1, 2), dtype=torch.float32))
    found = TimmModel(settings, 224).encode(tiles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_batch_does_not_matter(settings: TimmSettings) -> None:
    encoder = TimmModel(settings, 224)
    tiles = some_tiles(3)
    one_by_one = np.concatenate([encoder.encode(tile[None]) for tile in tiles])
    np.testing.assert_allclose(encoder.encode(tiles), one_by_one, atol=1e-5)


def test_pth_and_classifier_head_are_read(
    settings: TimmSettings, weights: dict, tmp_path: Path
) -> None:
    with_head = OrderedDict(weights) | {
        "head.weight": torch.zeros(5, 192),
        "head.bias": torch.zeros(5),
    }
    torch.save(with_head, tmp_path / "tiny.pth")
    from_pth = TimmModel(replace(settings, checkpoint=tmp_path / "tiny.pth"), 224)
    tiles = some_tiles(1)
    np.testing.assert_array_equal(from_pth.encode(tiles), TimmModel(settings, 224).encode(tiles))


class Malicious:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("unpickled"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "evil.pth")
    with pytest.raises(EncoderError, match=r"evil\.pth is damaged or holds more than tensors"):
        read_state_dict(Path("evil.pth"))
    assert not Path("unpickled").exists()


def test_unusable_checkpoints(settings: TimmSettings, weights: dict, tmp_path: Path) -> None:
    def use(path: Path) -> TimmModel:
        return TimmModel(replace(settings, checkpoint=path), 224)

    with pytest.raises(EncoderError, match="does not exist"):
        use(tmp_path / "absent.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"12345678 not safetensors")
    with pytest.raises(EncoderError, match="is not a safetensors file"):
        use(tmp_path / "bad.safetensors")
    (tmp_path / "weights.h5").touch()
    with pytest.raises(EncoderError, match=r"\.safetensors, \.pth, \.pt or \.bin is expected"):
        use(tmp_path / "weights.h5")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(EncoderError, match="does not hold a state dict"):
        use(tmp_path / "list.pth")
    fewer = {name: w for name, w in weights.items() if name != "norm.weight"}
    safetensors.torch.save_file(fewer, tmp_path / "fewer.safetensors")
    with pytest.raises(EncoderError, match=r"not a checkpoint of vit_tiny[\s\S]*norm\.weight"):
        use(tmp_path / "fewer.safetensors")
    more = weights | {"extra.weight": torch.zeros(1)}
    safetensors.torch.save_file(more, tmp_path / "more.safetensors")
    with pytest.raises(EncoderError, match=r"extra\.weight"):
        use(tmp_path / "more.safetensors")


def test_settings_are_checked(settings: TimmSettings) -> None:
    with pytest.raises(EncoderError, match=r"shape \(192,\), the configuration says width 1536"):
        TimmModel(replace(settings, width=1536), 224)
    with pytest.raises(EncoderError, match="unknown normalisation 'none'; there are imagenet"):
        TimmModel(replace(settings, normalisation="none"), 224)
    with pytest.raises(EncoderError, match="no_such_model"):
        TimmModel(replace(settings, model="no_such_model"), 224)
    with pytest.raises(EncoderError, match="does not take tiles of 100 px"):
        TimmModel(settings, 100)
    with pytest.raises(EncoderError, match="no_such_argument"):
        TimmModel(replace(settings, arguments={"no_such_argument": 1}), 224)
    with pytest.raises(EncoderError, match="NoSuchLayer"):
        TimmModel(replace(settings, arguments={"mlp_layer": "timm.layers.NoSuchLayer"}), 224)


def test_configuration_makes_the_encoder(settings: TimmSettings) -> None:
    config = {
        "kind": "timm",
        "name": "tiny",
        "model": MODEL,
        "checkpoint": str(settings.checkpoint),
        "width": 192,
        "normalisation": "imagenet",
    }
    assert make_encoder(config, 224).width == 192
    with pytest.raises(EncoderError, match="setting 'width' is missing"):
        make_encoder({key: value for key, value in config.items() if key != "width"}, 224)


def test_uni2_style_arguments_build_a_small_relative(tmp_path: Path) -> None:
    """The published arguments of UNI2-h name layers (METHODS §1); a two-block relative has them."""
    arguments = {
        "img_size": 224,
        "patch_size": 14,
        "depth": 2,
        "num_heads": 3,
        "init_values": 1e-5,
        "embed_dim": 96,
        "mlp_ratio": 5.33334,
        "no_embed_class": True,
        "mlp_layer": "timm.layers.SwiGLUPacked",
        "act_layer": "torch.nn.SiLU",
        "reg_tokens": 8,
        "dynamic_img_size": True,
    }
    timm = import_timm()
    layers = {"mlp_layer": timm.layers.SwiGLUPacked, "act_layer": torch.nn.SiLU}
    model = timm.create_model(
        "vit_giant_patch14_224", pretrained=False, num_classes=0, **(arguments | layers)
    )
    safetensors.torch.save_file(model.state_dict(), tmp_path / "relative.safetensors")
    settings = TimmSettings(
        "relative",
        "vit_giant_patch14_224",
        tmp_path / "relative.safetensors",
        96,
        "imagenet",
        arguments,
    )
    assert TimmModel(settings, 224).encode(some_tiles(1)).shape == (1, 96)


@pytest.mark.parametrize(
    # As the checkpoints on the Hugging Face hub have them (MahmoodLab/UNI, MahmoodLab/UNI2-h).
    ("name", "parameters"),
    [("uni", 303_350_784), ("uni2h", 681_394_176)],
)
def test_documented_foundation_models_build(name: str, parameters: int) -> None:
    blocks = DOCUMENTATION.read_text().split("```yaml\n")[1:]
    configs = [yaml.safe_load(block.split("```")[0])["encoder"] for block in blocks]
    config = next(config for config in configs if config["name"] == name)
    with torch.device("meta"):
        model = create_architecture(TimmSettings.from_config(config))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model.num_features == config["width"]
