from __future__ import annotations

import numpy as np
import pytest

from helpers.lattices import lattice
from histohet.tumour.attention import (
    read_attention,
    tile_scores,
    write_attention,
)

# attention files


def write(tmp_path, text: str):
    path = tmp_path / "S1_patch_attention.csv"
    path.write_text(text)
    return path


def test_attention_is_read(tmp_path):
    path = write(
        tmp_path, "id,x_coord, y_coord,attention_value\na,1024,0,3.5\nb,2048.0,-1024,-1e-2\n"
    )
    xy, values = read_attention(path)
    assert xy.dtype == np.int64
    assert xy.tolist() == [[1024, 0], [2048, -1024]]
    assert values.dtype == np.float64
    assert values.tolist() == [3.5, -0.01]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("x_coord,y_coord\n1,2\n", "no column attention_value"),
        ("x,y,attention_value\n1,2,3\n", "no column x_coord, y_coord"),
        ("x_coord,y_coord,attention_value\n", "no rows"),
        ("x_coord,y_coord,attention_value\n1,2,3\n4,5,\n", "line 3: attention_value is empty"),
        ("x_coord,y_coord,attention_value\n1,2,nan\n", "line 2: attention_value is 'nan'"),
        ("x_coord,y_coord,attention_value\n1,2,inf\n", "line 2: attention_value is 'inf'"),
        (
            "x_coord,y_coord,attention_value\n1,2,1.7e38\n",
            "attention_value is '1.7e38', not",
        ),
        ("x_coord,y_coord,attention_value\n1_000,2,3\n", "line 2: x_coord is '1_000', not a whole"),
        ("x_coord,y_coord,attention_value\n1,2,０.5\n", "line 2: attention_value is '０.5'"),
        ("x_coord,y_coord,attention_value\n1,two,3\n", "line 2: y_coord is 'two', not a whole"),
        ("x_coord,y_coord,attention_value\n1.5,2,3\n", "line 2: x_coord is '1.5', not a whole"),
        ("x_coord,y_coord,attention_value\n1,nan,3\n", "line 2: y_coord is 'nan', not a whole"),
        ("x_coord,y_coord,attention_value\n1e30,2,3\n", "line 2: x_coord is '1e30', not a whole"),
        ("x_coord,y_coord,attention_value\n1,2,3\n1,2,3,4,5\n", "row 3: more cells than columns"),
    ],
)
def test_bad_attention_is_refused_with_file_and_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_attention(path)
    assert str(path) in str(caught.value)


def test_attention_goes_out_and_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    xy = rng.permutation(lattice(5, 5, 1013))
    values = rng.standard_normal(25).astype(np.float32)
    write_attention(tmp_path / "a.csv", xy, values)
    found_xy, found = read_attention(tmp_path / "a.csv")
    order = np.lexsort((xy[:, 0], xy[:, 1]))
    assert found_xy.tolist() == xy[order].tolist() == lattice(5, 5, 1013).tolist()
    assert found.astype(np.float32).tolist() == values[order].tolist()
    first = (tmp_path / "a.csv").read_text().splitlines()[0]
    assert first == "x_coord,y_coord,attention_value"


def test_attention_is_written_row_by_row(tmp_path):
    xy, values = np.array([[0, 0], [7, 0], [0, 9], [7, 9]]), np.arange(4.0)
    write_attention(tmp_path / "a.csv", xy[::-1], values[::-1])
    assert (tmp_path / "a.csv").read_text().split()[1:] == ["0,0,0", "7,0,1", "0,9,2", "7,9,3"]


def test_no_attention_is_a_table_without_rows(tmp_path):
    write_attention(tmp_path / "a.csv", np.empty((0, 2), np.int64), np.empty(0))
    with pytest.raises(ValueError, match="no rows"):
        read_attention(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0], "1 attention values for 2"), ([1.0, np.nan], "not finite")],
)
def test_attention_that_nobody_could_read_is_not_written(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        write_attention(tmp_path / "a.csv", np.zeros((2, 2), np.int64), np.array(values))
    assert not (tmp_path / "a.csv").exists()


def test_a_place_that_stands_twice_counts_once_and_never_with_two_values(tmp_path):
    head = "x_coord,y_coord,attention_value\n"
    path = write(tmp_path, head + "512,0,2\n0,0,1\n512.0,0,2.0\n512,0,2\n")
    xy, values = read_attention(path)
    assert xy.tolist() == [[512, 0], [0, 0]]
    assert values.tolist() == [2.0, 1.0]
    path = write(tmp_path, head + "512,0,2\n0,0,1\n512,0,2.5\n")
    with pytest.raises(ValueError, match=r"csv: \(512, 0\) stands twice, with different values"):
        read_attention(path)


# scores of tiles


def test_tiles_take_the_mean_of_their_nearest_attention():
    rng = np.random.default_rng(0)
    attention = lattice(12, 12, 1024)
    values = rng.standard_normal(len(attention))
    tiles = rng.integers(0, 10_000, (60, 2))
    scores = tile_scores(tiles, 448, attention, 1024, values)
    assert scores.dtype == np.float32
    for tile, score in zip(tiles, scores, strict=True):
        distance = np.linalg.norm((attention + 512) - (tile + 224), axis=1)
        expected = values[np.argsort(distance, kind="stable")[:4]].mean()
        if np.partition(distance, 4)[3] < np.partition(distance, 4)[4]:
            assert score == pytest.approx(expected, rel=1e-6)


def test_centres_are_compared_whatever_the_sizes_of_the_tiles():
    # One attention tile per 1024 px, its value its column. The tile lies in the middle of column 2.
    attention = lattice(6, 6, 1024)
    values = attention[:, 0] / 1024.0
    tile = np.array([[2 * 1024 + 288, 2 * 1024 + 288]])
    centre = tile_scores(tile, 448, attention, 1024, values, neighbours=1)
    assert centre.tolist() == [2.0]
    # By its corner it would go to the next column although its centre is still in column 2.
    further = tile + np.array([260, 0])
    assert tile_scores(further, 448, attention, 1024, values, 1).tolist() == [2.0]


def test_ties_do_not_depend_on_the_order_of_the_file():
    rng = np.random.default_rng(1)
    attention = lattice(9, 9, 448)
    values = rng.standard_normal(len(attention))
    tiles = lattice(9, 9, 448)
    order = rng.permutation(len(attention))
    given = tile_scores(tiles, 448, attention, 448, values)
    shuffled = tile_scores(tiles, 448, attention[order], 448, values[order])
    assert given.tolist() == pytest.approx(shuffled.tolist(), rel=1e-6)


def test_few_attention_tiles_are_all_averaged():
    tiles = lattice(2, 2, 448)
    scores = tile_scores(tiles, 448, tiles[:3], 448, np.array([1.0, 2.0, 6.0]))
    assert scores.tolist() == [3.0] * 4


def test_no_tiles_no_scores():
    empty = np.zeros((0, 2), np.int64)
    assert tile_scores(empty, 448, lattice(2, 2, 448), 448, np.ones(4)).shape == (0,)


def test_attention_that_cannot_belong_to_the_tiles_is_refused():
    tiles, attention = lattice(4, 4, 448), lattice(4, 4, 448)
    with pytest.raises(ValueError, match="not level-0 pixels of this slide"):
        tile_scores(tiles + 100_000, 448, attention, 448, np.ones(16))
    with pytest.raises(ValueError, match=r"448 px wide .* and 112 px apart"):
        tile_scores(tiles, 448, attention // 4, 448, np.ones(16))
    with pytest.raises(ValueError, match="15 attention values for 16"):
        tile_scores(tiles, 448, attention, 448, np.ones(15))
    with pytest.raises(ValueError, match="0 attention values"):
        tile_scores(tiles, 448, attention[:0], 448, np.ones(0))


def test_attention_tiles_may_overlap_by_half_and_stand_twice():
    tiles, attention = lattice(4, 4, 448), lattice(8, 8, 224)
    found = tile_scores(tiles, 448, np.tile(attention, (3, 1)), 448, np.full(192, 0.5))
    np.testing.assert_array_equal(found, np.full(16, 0.5, np.float32))
    assert tile_scores(tiles[:1], 448, attention[:1], 448, np.array([0.25])) == [0.25]
