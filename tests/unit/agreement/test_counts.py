"""Counts at spots: tables read line by line, joined by ids; every way they can be wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.agreement.counts import (
    GeneCounts,
    at_positions,
    normalised,
    read_gene_counts,
    read_measured_spots,
)
from histohet.agreement.settings import SpotPlaces

TABLE = "\tERBB2\tFASN\tMKI67\na\t3\t0\t1\nb\t0\t0\t0\nc\t12\t1e3\t2.0\n"


def written(folder: Path, text: str, name: str = "counts.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_wanted_genes_and_the_total_of_all_are_read(tmp_path: Path) -> None:
    counts = read_gene_counts(written(tmp_path, TABLE), ["MKI67", "ERBB2", "MKI67"])
    assert counts.names.tolist() == ["a", "b", "c"]
    assert counts.genes == ("MKI67", "ERBB2")
    assert counts.counts.tolist() == [[1, 3], [0, 0], [2, 12]]
    assert counts.totals.tolist() == [4, 0, 1014]
    assert counts.of("ERBB2").tolist() == [3, 0, 12]
    with pytest.raises(ValueError, match="gene 'FASN' was not read; there are 'MKI67', 'ERBB2'"):
        counts.of("FASN")


def test_commas_gzip_and_a_named_first_column_read_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "counts.csv.gz"
    packed.write_bytes(gzip.compress(("spot" + TABLE).replace("\t", ",").encode()))
    counts = read_gene_counts(packed, ["FASN"])
    assert (counts.of("FASN").tolist(), counts.totals.tolist()) == ([0, 0, 1000], [4, 0, 1014])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("a\t3", "a\t-3"), "row 2: ERBB2 is '-3', not a count: whole numbers of 0"),
        (TABLE.replace("a\t3", "a\t2.5"), "row 2: ERBB2 is '2.5', not a count: .*not normalised"),
        (TABLE.replace("a\t3", "a\tNA"), "row 2: ERBB2 is 'NA', not a number: counts are whole"),
        (TABLE.replace("a\t3", "a\t"), "row 2: ERBB2 is '', not a number"),
        (TABLE.replace("a\t3", "a\tinf"), "row 2: ERBB2 is 'inf', not a number"),
        (TABLE.replace("a\t3", "a\t1_0"), "row 2: ERBB2 is '1_0', not a number"),
        (TABLE.replace("a\t3", "a\t2e9"), "row 2: ERBB2 is '2e9', not a count"),
        (TABLE.replace("\nb\t0", "\na\t0"), "row 3: spot 'a' stands in row 2"),
        (TABLE.replace("\nb\t0", "\nb"), "row 3: 3 cells, but 4 in the header"),
        (TABLE.replace("FASN", "ERBB2"), "column 'ERBB2' comes twice"),
        (TABLE.replace("ERBB2", "ERRB2"), "no column for the gene 'ERBB2'; did you mean ERRB2?"),
        (TABLE.replace("ERBB2", "x"), "'ERBB2'; its 3 other columns begin with 'x', 'FASN', 'MKI"),
        (TABLE.replace("\t", ","), "gene 'ERBB2'; cells are separated by ','"),
        ("", "is empty"),
    ],
)
def test_mistakes_name_file_and_row(tmp_path: Path, table: str, message: str) -> None:
    path = written(tmp_path, table)
    with pytest.raises(ValueError, match=message) as caught:
        read_gene_counts(path, ["ERBB2"])
    assert str(caught.value).startswith(str(path))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.tsv does not exist"):
        read_gene_counts(tmp_path / "none.tsv", ["ERBB2"])


def some_counts() -> GeneCounts:
    counts = np.array([[3, 1], [0, 0], [12, 2], [5, 5]])
    return GeneCounts(np.array(["a", "b", "c", "z"]), ("G", "H"), counts, counts.sum(axis=1))


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_spots_are_joined_by_their_ids_in_any_order(places: list[int], rows: list[int]) -> None:
    counts = some_counts()
    names, centres = np.array(["a", "b", "c", "d"])[places], np.arange(8.0).reshape(4, 2)[places]
    mixed = GeneCounts(counts.names[rows], counts.genes, counts.counts[rows], counts.totals[rows])
    found = at_positions(names, centres, mixed)
    of_name = dict(zip(found.counts.names.tolist(), range(2), strict=True))
    assert sorted(of_name) == ["a", "c"]
    order = [of_name["a"], of_name["c"]]
    assert found.centres[order].tolist() == [[0, 1], [4, 5]]
    assert found.counts.counts[order].tolist() == [[3, 1], [12, 2]]
    assert found.counts.totals[order].tolist() == [4, 14]
    # b has no molecule at all, d is not in the table, z has no position.
    assert (found.n_spots, found.n_without_counts, found.n_without_position) == (4, 2, 1)


def test_spots_that_do_not_join_show_both_spellings(tmp_path: Path) -> None:
    spots = written(tmp_path, "spot\tx\ty\na-1\t1\t2\nb-1\t3\t4\n", "spots.tsv")
    counts = written(tmp_path, TABLE)
    message = (
        r"spots\.tsv and .*counts\.tsv: no spot has both a position and counts: positions are of "
        r"'a-1', 'b-1', counts of 'a', 'b', 'c'; is 'spot' the column with the same ids\?"
    )
    with pytest.raises(ValueError, match=message):
        read_measured_spots(spots, SpotPlaces(), counts, ["ERBB2"])
    empty = written(tmp_path, "spot\tx\ty\n", "empty.tsv")
    with pytest.raises(ValueError, match="positions are of none, counts of 'a'"):
        read_measured_spots(empty, SpotPlaces(), counts, ["ERBB2"])


@pytest.mark.parametrize(
    ("counts", "totals"), [([0, 1, 2], [5, 10_000, 3]), ([7, 7, 7], [7, 70, 700])]
)
def test_counts_per_ten_thousand_as_a_logarithm(counts: list[int], totals: list[int]) -> None:
    found = normalised(np.array(counts), np.array(totals))
    expected = [np.log(1 + 10_000 * c / t) for c, t in zip(counts, totals, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # So deep a spot was sequenced, so many counts it has: only shares count.
    np.testing.assert_allclose(normalised(3 * np.array(counts), 3 * np.array(totals)), expected)


@pytest.mark.real
@pytest.mark.parametrize(
    ("section", "n_spots", "n_joined", "depth"),
    [
        ("C2", 187, 187, 8508),
        ("C5", 183, 181, 10015),
        ("C6", 179, 178, 12427),
        ("B4", 284, 283, 648),
    ],
)
def test_real_counts_are_those_that_pandas_reads(
    real_data: Path, section: str, n_spots: int, n_joined: int, depth: int
) -> None:
    folder = real_data / f"spatial/her2st_{section}"
    columns = SpotPlaces(x="pixel_x", y="pixel_y", spot=("x", "y"))
    genes = ["ERBB2", "MKI67", "IGKC"]
    found = read_measured_spots(folder / "spots.tsv", columns, folder / "counts.tsv.gz", genes)
    table = pd.read_csv(folder / "counts.tsv.gz", sep="\t", index_col=0)
    same = table.loc[found.counts.names]
    np.testing.assert_array_equal(found.counts.counts, same[genes])
    np.testing.assert_array_equal(found.counts.totals, same.sum(axis=1))
    places = pd.read_csv(folder / "spots.tsv", sep="\t", dtype={"x": str, "y": str})
    places.index = places["x"] + "x" + places["y"]
    expected = places.loc[found.counts.names, ["pixel_x", "pixel_y"]]
    np.testing.assert_array_equal(found.centres, expected)
    assert (found.n_spots, len(found.centres)) == (n_spots, n_joined)
    assert found.n_without_counts == n_spots - n_joined
    assert found.n_without_position == 0
    assert int(np.median(found.counts.totals)) == depth
