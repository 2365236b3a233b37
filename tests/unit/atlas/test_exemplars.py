"""Typical tiles are those nearest to the mean of their cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.atlases import Cohort, data_of
from histohet.atlas.data import read_call
from histohet.atlas.exemplars import Exemplar, typical_tiles, write_exemplars
from histohet.slides.reader import SlideError


def test_typical_tiles_are_found_one_by_one() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(60, 5))
    labels = rng.integers(-1, 4, 60)
    found = typical_tiles(features, labels, 3)
    for cluster in range(4):
        rows = [row for row in range(60) if labels[row] == cluster]
        mean = sum(features[row] for row in rows) / len(rows)
        nearest = sorted(rows, key=lambda row: float(np.linalg.norm(features[row] - mean)))
        assert [one.row for one in found if one.cluster == cluster] == nearest[:3]
    assert len(found) == 12


def test_a_cluster_gives_what_it_has_and_equal_tiles_in_their_order() -> None:
    same = np.ones((5, 2))
    assert typical_tiles(same, np.array([0, 0, 1, -1, 0]), 2) == [
        Exemplar(0, 0),
        Exemplar(0, 1),
        Exemplar(1, 2),
    ]
    assert typical_tiles(same[:0], np.empty(0, np.int64), 2) == []


def test_files_hold_the_pixels_of_their_tiles(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=6, rows=5, n_clusters=2)
    cohort.write_slides(exemplars=3)
    _, data = read_call(data_of(cohort, "a"))
    slide = np.asarray(Image.open(cohort.file("slide", "a")).convert("RGB"))
    assert [one["file"] for one in data["exemplars"]] == [
        f"{cluster}_{number}.webp" for cluster in (1, 2) for number in (1, 2, 3)
    ]
    for one in data["exemplars"]:
        x, y = (np.array([one["tile"] % 6, one["tile"] // 6]) + 1) * 224
        shown = np.asarray(Image.open(data_of(cohort, "a").parent / one["file"]).convert("RGB"))
        assert shown.shape == (224, 224, 3)
        difference = shown.astype(int) - slide[y : y + 224, x : x + 224]
        assert np.abs(difference).mean() < 3


def test_a_tile_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=4, rows=3, n_clusters=1)

    def broken(*_: object) -> None:
        raise SlideError("a.png: region at (1, 2) cannot be read")

    monkeypatch.setattr("histohet.atlas.exemplars.read_tile", broken)
    found = list(
        write_exemplars(
            tmp_path, cohort.file("slide", "a"), None, np.zeros((1, 2), int), 224, [Exemplar(0, 0)]
        )
    )
    assert found == [(Exemplar(0, 0), None, "a.png: region at (1, 2) cannot be read")]
    cohort.write_slides()
    _, data = read_call(data_of(cohort, "a"))
    assert data["exemplars"] == []
    assert data["notes"][0] == "no typical tile: a.png: region at (1, 2) cannot be read"
