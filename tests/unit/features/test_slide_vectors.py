from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from helpers.tiletables import three_tiles
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv
from histohet.features.file import feature_file, open_features
from histohet.features.slide_vectors import (
    SlideEmbedding,
    pool,
    read_slide_embedding,
    softmax,
    write_embedding_tables,
    write_slide_embedding,
)
from histohet.tiles.file import TileTable

PROVENANCE = Provenance({"k": 8})
LOST = Outcome(Status.NO_TISSUE, "nothing pink")


def test_softmax_in_closed_form() -> None:
    assert softmax(np.log([1.0, 2.0, 5.0])) == pytest.approx([0.125, 0.25, 0.625], rel=1e-15)
    assert softmax(np.full(7, -3.0, np.float32)).tolist() == [1 / 7] * 7
    assert softmax(np.array([])).shape == (0,)


def test_softmax_takes_large_attention_and_ignores_an_offset() -> None:
    values = np.array([1e4, 1e4 - np.log(3), -1e4])
    assert softmax(values) == pytest.approx([0.75, 0.25, 0], abs=1e-12)
    small = np.random.default_rng(0).standard_normal(20)
    np.testing.assert_allclose(softmax(small + 64), softmax(small), rtol=1e-12)


def test_pooling_in_closed_form() -> None:
    features = np.array([[1, 10], [3, 10], [8, 10]], np.float32)
    mean = pool(features, np.ones(3))
    assert mean.dtype == np.float32
    assert mean.tolist() == [4, 10]
    # Softmax of 0, ln 2, ln 5 is 1/8, 2/8, 5/8.
    weighted = pool(features, softmax(np.log([1.0, 2.0, 5.0])))
    assert weighted == pytest.approx([(1 + 2 * 3 + 5 * 8) / 8, 10], rel=1e-7)
    assert pool(features, np.array([0, 0, 2.0])).tolist() == [8, 10]


def test_pooling_of_a_file_is_that_of_its_array_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = CHUNK_ROWS + 7
    features = rng.standard_normal((n, 3)).astype(np.float32)
    attention = rng.standard_normal(n)
    table = TileTable(np.zeros((n, 2), np.int64), three_tiles().attributes, OK)
    with feature_file(tmp_path / "a.h5", table, np.arange(n), 3, "e", PROVENANCE) as writer:
        writer.append(features)
    order = rng.permutation(n)
    for weights in (np.ones(n), softmax(attention)):
        expected = np.average(features.astype(np.float64), axis=0, weights=weights)
        with open_features(tmp_path / "a.h5") as found:
            np.testing.assert_allclose(pool(found.features, weights), expected, rtol=1e-5)
        shuffled = pool(features[order], weights[order])
        np.testing.assert_allclose(shuffled, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("features", "weights", "message"),
    [
        (np.zeros((0, 2)), np.ones(0), "0 weights for 0 tiles"),
        (np.zeros((3, 2)), np.ones(2), "2 weights for 3 tiles"),
        (np.zeros((2, 2)), np.zeros(2), "must not be negative, and not all"),
        (np.zeros((2, 2)), np.array([2.0, -1.0]), "must not be negative"),
        (np.zeros((2, 2)), np.array([1.0, np.nan]), "must not be negative"),
        (np.array([[1, np.inf], [0, 0]]), np.ones(2), "are not finite"),
    ],
)
def test_what_cannot_be_pooled_is_refused(
    features: np.ndarray, weights: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pool(features, weights)


def test_file_of_a_slide_is_tridents(tmp_path: Path) -> None:
    """FORMATS §2: slide features are ``features`` (D,) and ``coords`` (N, 2) with attributes."""
    vector = np.array([1.5, -2, 3], np.float32)
    write_slide_embedding(tmp_path / "a.h5", "a", vector, three_tiles(), "uni2h", PROVENANCE)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["features"].shape == (3,)
        assert file["features"].dtype == np.float32
        assert file["features"].attrs["name"] == "a"
        assert file["features"].attrs["encoder"] == "uni2h"
        assert file["features"].attrs["savetodir"] == str(tmp_path)
        assert file["coords"].shape == (3, 2)
        assert file["coords"].dtype == np.int64
        assert file["coords"].attrs["patch_size_level0"] == 443
        assert file.attrs["status"] == "ok"
        assert file.attrs["provenance"] == PROVENANCE.as_json()
    found = read_slide_embedding(tmp_path / "a.h5")
    assert (found.slide, found.n_tiles, found.outcome) == ("a", 3, OK)
    np.testing.assert_array_equal(found.vector, vector)


def test_file_of_a_lost_slide_says_why(tmp_path: Path) -> None:
    nothing = np.empty(0, np.float32)
    write_slide_embedding(tmp_path / "a.h5", "a", nothing, three_tiles(LOST), "uni2h", PROVENANCE)
    found = read_slide_embedding(tmp_path / "a.h5")
    assert found.vector.shape == (0,)
    assert (found.slide, found.n_tiles, found.outcome) == ("a", 0, LOST)


OWNERS = {"001": "p", "002": "p", "003": "q", "a": "r", "b": "r"}
OWNERS |= {f"s{number}": "s" for number in range(50)}


def embedding(slide: str, vector: list[float]) -> SlideEmbedding:
    return SlideEmbedding(slide, np.array(vector, np.float32), 5, OK)


def test_table_of_the_cohort_lists_every_slide_and_keeps_every_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((2, 4)) * [1e-30, 1, 1e20, 0.1]).astype(np.float32)
    lost = SlideEmbedding("002", np.empty(0, np.float32), 0, LOST)
    given = [embedding("001", vectors[0]), lost, embedding("003", vectors[1])]
    table, slides = tmp_path / "mean.tsv", tmp_path / "mean_slides.tsv"
    assert write_embedding_tables(iter(given), table, slides, OWNERS, PROVENANCE) == 2
    found = read_tsv(table)
    assert list(found.columns) == ["wsi", "feat_0", "feat_1", "feat_2", "feat_3"]
    assert found["wsi"].tolist() == ["001", "003"]
    np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(np.float32), vectors)
    listed = read_tsv(slides)
    assert listed["slide"].tolist() == ["001", "002", "003"]
    assert listed["patient"].tolist() == ["p", "p", "q"]
    assert listed["status"].tolist() == ["ok", "no_tissue", "ok"]
    assert listed["reason"].tolist() == ["", "nothing pink", ""]
    assert listed["n_tiles"].tolist() == [5, 0, 5]
    assert (tmp_path / "mean.tsv.provenance.json").is_file()
    assert (tmp_path / "mean_slides.tsv.provenance.json").is_file()


def test_table_holds_one_slide_at_a_time(tmp_path: Path) -> None:
    read: list[weakref.ref[SlideEmbedding]] = []
    held: list[int] = []

    def slides() -> Iterator[SlideEmbedding]:
        for number in range(50):
            held.append(sum(one() is not None for one in read))
            found = embedding(f"s{number}", [1, 2])
            read.append(weakref.ref(found))
            yield found

    write_embedding_tables(slides(), tmp_path / "a.tsv", tmp_path / "b.tsv", OWNERS, PROVENANCE)
    assert len(held) == 50
    assert max(held) <= 1


def test_cohort_without_any_vector_is_a_table_without_rows(tmp_path: Path) -> None:
    lost = SlideEmbedding("a", np.empty(0, np.float32), 0, LOST)
    table, slides = tmp_path / "mean.tsv", tmp_path / "mean_slides.tsv"
    assert write_embedding_tables([lost], table, slides, OWNERS, PROVENANCE) == 0
    assert table.read_text() == "wsi\n"
    assert len(read_tsv(slides)) == 1


def test_vectors_of_different_lengths_are_refused_and_leave_no_table(tmp_path: Path) -> None:
    given = [embedding("a", [1, 2]), embedding("b", [1, 2, 3])]
    with pytest.raises(ValueError, match="slide 'b' has 3 numbers, those before it 2"):
        write_embedding_tables(given, tmp_path / "a.tsv", tmp_path / "b.tsv", OWNERS, PROVENANCE)
    assert list(tmp_path.iterdir()) == []
