"""Catalogue entries from files on disk. All of them, at full size: `make check-checkpoints`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from helpers.published_layouts import PUBLISHED, random_tensors
from histohet.encoders import catalogue
from histohet.encoders.base import EncoderError
from histohet.encoders.catalogue import CATALOGUE
from histohet.encoders.make import make_encoder
from histohet.encoders.timm_model import load_model

TILES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["lunit_dino_16", "resnet50", "ctranspath"])
def test_small_entries_load_from_their_published_file(name: str, tmp_path: Path) -> None:
    entry = CATALOGUE[name]
    assert entry.weights is not None
    path = tmp_path / entry.weights.file
    safetensors.torch.save_file(random_tensors(PUBLISHED[name], seed=0), path)
    encoder = make_encoder({"name": name}, 224, path)
    found = encoder.encode(TILES)
    assert (encoder.name, found.shape, found.dtype) == (name, (2, entry.width), np.float32)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 0


def test_ctranspath_and_chiefs_are_told_apart_by_their_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ctranspath.pth"
    torch.save({"model": random_tensors(PUBLISHED["ctranspath"], seed=0)}, path)
    original = replace(
        CATALOGUE["ctranspath"], sha256=hashlib.sha256(path.read_bytes()).hexdigest()
    )
    monkeypatch.setitem(vars(catalogue)["CATALOGUE"], "ctranspath", original)
    assert load_model(original, path).num_features == 768
    with pytest.raises(EncoderError, match=r"'ctranspath_chief': .* is the checkpoint of 'ctransp"):
        load_model(CATALOGUE["ctranspath_chief"], path)
