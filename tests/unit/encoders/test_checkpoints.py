"""Catalogue entries from files on disk. All of them, at full size: `make check-checkpoints`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from helpers.published_layouts import PUBLISHED, random_tensors
from histohet.encoders.catalogue import pinned_weights, read_catalogue
from histohet.encoders.entry import EncoderError
from histohet.encoders.make import make_encoder
from histohet.encoders.timm_model import load_model

CATALOGUE = read_catalogue()

TILES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["lunit_dino_16", "resnet50", "ctranspath"])
def test_small_entries_load_from_their_published_file(name: str, tmp_path: Path) -> None:
    entry = CATALOGUE[name]
    assert entry.weights is not None
    path = tmp_path / entry.weights.file
    safetensors.torch.save_file(random_tensors(PUBLISHED[name], seed=0), path)
    encoder = make_encoder(entry, 224, path)
    found = encoder.encode(TILES)
    assert (encoder.name, found.shape, found.dtype) == (name, (2, entry.width), np.float32)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 0


def test_ctranspath_and_chiefs_are_told_apart_by_their_checksums(tmp_path: Path) -> None:
    path = tmp_path / "ctranspath.pth"
    torch.save({"model": random_tensors(PUBLISHED["ctranspath"], seed=0)}, path)
    known = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "weights": str(path)}
    catalogue = CATALOGUE | {"ctranspath": CATALOGUE["ctranspath"].model_copy(update=known)}
    pinned = pinned_weights(catalogue["ctranspath"], tmp_path / "lock.json", catalogue)
    assert pinned == {"file": str(path), "sha256": known["sha256"]}
    assert load_model(catalogue["ctranspath"], path).num_features == 768
    chiefs = catalogue["ctranspath_chief"].model_copy(update={"weights": str(path)})
    with pytest.raises(EncoderError, match=r"'ctranspath_chief': .* is the checkpoint of 'ctransp"):
        pinned_weights(chiefs, tmp_path / "lock.json", catalogue)
