from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from helpers.encoders import made
from histohet.encoders.base import EncoderOutOfMemory
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.networks import import_timm
from histohet.encoders.timm_model import TimmModel, read_state_dict

MODEL = "vit_tiny_patch16_224"
SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 3}
TINY = EncoderEntry(
    name="tiny", model=MODEL, width=48, normalisation="imagenet", input_px=None, arguments=SMALL
)


def build(entry: EncoderEntry) -> torch.nn.Module:
    model: torch.nn.Module = import_timm().create_model(
        entry.model, pretrained=False, num_classes=0, **entry.arguments
    )
    return model


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(build(TINY).state_dict())


@pytest.fixture(scope="module")
def checkpoint(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(weights, path)
    return path


def some_tiles(number: int, side: int = 224) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def test_embedding_is_the_models_on_normalised_tiles(checkpoint: Path, weights: dict) -> None:
    tiles = some_tiles(2)
    model = build(TINY).eval()
    model.load_state_dict(weights)
    scaled = tiles.astype(np.float32) / 255
    normalised = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        expected = model(torch.tensor(normalised.transpose(0, 3, 1, 2), dtype=torch.float32))
    found = TimmModel(TINY, checkpoint, 224).encode(tiles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_batch_does_not_matter(checkpoint: Path) -> None:
    encoder = TimmModel(TINY, checkpoint, 224)
    tiles = some_tiles(3)
    one_by_one = np.concatenate([encoder.encode(tile[None]) for tile in tiles])
    np.testing.assert_allclose(encoder.encode(tiles), one_by_one, atol=1e-5)


def test_turned_tile_has_the_same_embedding_with_symmetry(checkpoint: Path) -> None:
    config = {"kind": "timm", "name": "tiny", "model": MODEL, "width": 48, "arguments": SMALL}
    config |= {"normalisation": "imagenet", "checkpoint": str(checkpoint)}
    tiles, turned = some_tiles(2), np.rot90(some_tiles(2), axes=(1, 2))
    plain, averaged = made(config, 224), made(config | {"symmetry": "d4"}, 224)
    np.testing.assert_allclose(averaged.encode(turned), averaged.encode(tiles), atol=1e-6)
    assert np.abs(plain.encode(turned) - plain.encode(tiles)).max() > 1e-3


def test_class_token_and_mean_leaves_out_the_registers(tmp_path: Path) -> None:
    arguments = SMALL | {"reg_tokens": 4}
    changes = {"arguments": arguments, "pooling": "class_token_and_mean", "width": 96}
    entry = TINY.model_copy(update=changes)
    model = build(entry).eval()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "registers.safetensors")
    tiles = some_tiles(2)
    image = torch.from_numpy(tiles).permute(0, 3, 1, 2) / 255
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (TINY.channels.mean, TINY.channels.std)
    )
    with torch.inference_mode():
        tokens = model.forward_features((image - mean) / std)
    assert tokens.shape == (2, 1 + 4 + 14 * 14, 48)
    expected = torch.cat([tokens[:, 0], tokens[:, 5:].mean(1)], dim=1)
    found = TimmModel(entry, tmp_path / "registers.safetensors", 224).encode(tiles)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_half_precision_checkpoints_compute_in_single(
    checkpoint: Path, weights: dict, tmp_path: Path
) -> None:
    torch.save({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "half.pt")
    tiles = some_tiles(1)
    found = TimmModel(TINY, tmp_path / "half.pt", 224).encode(tiles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, TimmModel(TINY, checkpoint, 224).encode(tiles), atol=0.02)


class Full:
    """A device whose memory is full from some size of batch on."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return batch.mean(dim=(2, 3))


def test_full_memory_is_told_and_a_smaller_batch_works(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = TimmModel(TINY, checkpoint, 224)
    monkeypatch.setattr(encoder, "_model", Full(2))
    with pytest.raises(EncoderOutOfMemory, match="'tiny': 3 tiles do not fit in memory") as raised:
        encoder.encode(some_tiles(3))
    assert raised.value.__context__ is None
    assert encoder.encode(some_tiles(2)).shape == (2, 3)


def test_pth_and_classifier_head_are_read(checkpoint: Path, weights: dict, tmp_path: Path) -> None:
    with_head = OrderedDict(weights) | {
        "head.weight": torch.zeros(5, 48),
        "head.bias": torch.zeros(5),
    }
    torch.save(with_head, tmp_path / "tiny.pth")
    torch.save({"model": with_head, "epoch": 3}, tmp_path / "nested.pth")
    tiles = some_tiles(1)
    expected = TimmModel(TINY, checkpoint, 224).encode(tiles)
    for name in ("tiny.pth", "nested.pth"):
        found = TimmModel(TINY, tmp_path / name, 224).encode(tiles)
        np.testing.assert_array_equal(found, expected)


class Malicious:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("unpickled"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in ({"a": Malicious()}, {"model": {"a": Malicious()}}):
        torch.save(content, "evil.pth")
        with pytest.raises(EncoderError, match=r"evil\.pth is damaged or holds more than tensors"):
            read_state_dict(Path("evil.pth"))
    assert not Path("unpickled").exists()


def test_unusable_checkpoints(weights: dict, tmp_path: Path) -> None:
    def use(path: Path) -> TimmModel:
        return TimmModel(TINY, path, 224)

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
    torch.save({"model": {"a": "text"}}, tmp_path / "text.pth")
    with pytest.raises(EncoderError, match="does not hold a state dict"):
        use(tmp_path / "text.pth")
    fewer = {name: w for name, w in weights.items() if name != "norm.weight"}
    safetensors.torch.save_file(fewer, tmp_path / "fewer.safetensors")
    with pytest.raises(
        EncoderError, match=r"fewer\.safetensors is not a checkpoint of vit_tiny.*1"
    ):
        use(tmp_path / "fewer.safetensors")


def test_settings_are_checked(checkpoint: Path) -> None:
    def use(**changes: Any) -> TimmModel:
        return TimmModel(TINY.model_copy(update=changes), checkpoint, 224)

    with pytest.raises(EncoderError, match=r"shape \(48,\), the configuration says width 1536"):
        use(width=1536)
    with pytest.raises(EncoderError, match="no_such_model"):
        use(model="no_such_model")
    with pytest.raises(EncoderError, match="no_such_argument"):
        use(arguments={"no_such_argument": 1})
    with pytest.raises(EncoderError, match="NoSuchLayer"):
        use(arguments={"mlp_layer": "timm.layers.NoSuchLayer"})
    with pytest.raises(EncoderError, match=r"takes tiles of 448 px.*tiles\.tile_px to 448"):
        use(input_px=448)
    with pytest.raises(EncoderError, match="does not take tiles of 100 px"):
        TimmModel(TINY, checkpoint, 100)


def test_configuration_makes_the_encoder(checkpoint: Path) -> None:
    config = {
        "kind": "timm",
        "name": "tiny",
        "model": MODEL,
        "checkpoint": "from somewhere else",
        "width": 48,
        "normalisation": "imagenet",
        "arguments": SMALL,
    }
    assert made(config, 224, checkpoint).width == 48
    with pytest.raises(EncoderError, match="from somewhere else does not exist"):
        made(config, 224)
