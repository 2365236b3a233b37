"""Tables of expression: both layouts, samples of a patient, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histohet.traits.expression import TraitError, read_expression
from histohet.traits.settings import ExpressionTable

ROWS = "sample\tMKI67|4288\tmiR\nP-1-01A\t5.5\tNA\nP-2-01A\t1e3\t7\nP-2-11A\t3\t3\n"
COLUMNS = "gene,P-1-01A,P-2-01A,P-2-11A\nESR1|2099,9,9,9\nMKI67|4288,5.5,1e3,3\nmiR,,7,3\n"
PATTERN = r"^(P-\d)-01A"
WANTED = {"MKI67": "MKI67|4288", "miR": "miR"}


def table(folder: Path, text: str, name: str = "t.tsv", **keys: Any) -> ExpressionTable:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return ExpressionTable(**{"table": str(path), "id": "sample", **keys})


def test_both_layouts_give_the_same(tmp_path: Path) -> None:
    rows = table(tmp_path, ROWS, sample_pattern=PATTERN)
    columns = table(
        *(tmp_path, COLUMNS, "t.csv.gz"),
        layout="traits_in_rows",
        id="gene",
        sample_pattern=PATTERN,
    )
    expected = [[5.5, np.nan], [1000, 7]]
    for one in (rows, columns):
        found = read_expression([one], WANTED)
        np.testing.assert_array_equal(found.values.to_numpy(), expected)
        assert list(found.values.index) == ["P-1", "P-2"]
        assert [problem[3] for problem in found.problems] == [
            "1 samples that do not match sample_pattern, 'P-2-11A'"
        ]


def test_traits_of_several_tables_are_joined_by_patient(tmp_path: Path) -> None:
    first = table(tmp_path, "sample\tA\nx\t1\ny\t2\n")
    second = table(tmp_path, "id,B\nz,3\ny,4\n", "u.csv", id="id")
    found = read_expression([first, second], {"b": "B", "a": "A"})
    assert list(found.values) == ["b", "a"]
    expected = [[np.nan, 1], [4, 2], [3, np.nan]]
    np.testing.assert_array_equal(found.values.loc[["x", "y", "z"]], expected)


def test_samples_that_differ_give_no_value_or_their_mean(tmp_path: Path) -> None:
    text = "sample\tA\nP-1-01A\t1\nP-1-01B\t2\nP-2-01A\t4\nP-2-01B\t4.0\n"
    keys = {"sample_pattern": r"^(P-\d)"}
    found = read_expression([table(tmp_path, text, **keys)], {"A": "A"})
    assert list(found.values["A"]) == [4]
    ((_, patient, trait, problem, consequence),) = found.problems
    assert (patient, trait, consequence) == ("P-1", "A", "no value")
    assert "2 samples that differ" in problem
    assert "row 3, A: 2" in problem
    mean = table(tmp_path, text, several="mean", **keys)
    found = read_expression([mean], {"A": "A"})
    assert list(found.values["A"]) == [1.5, 4]
    assert not found.problems


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("sample\tA\nx\thigh\n", {}, "row 2, A: 'high' is not a number"),
        ("sample\tA\nx\tinf\n", {}, "row 2, A: 'inf' is not a number"),
        ("sample\tA\nx\t1e300\n", {}, "too large to be measured"),
        ("sample\tA\nx\t-1\n", {"counts": True}, "-1 is negative, and `counts`"),
        ("sample\tA\nx\t\n", {}, "no value of 'A'"),
        ("sample\tA\nx\t1\n", {"id": "patient"}, "no column 'patient'; there are sample, A"),
        ("", {}, "no column 'sample'; it is empty"),
        ("sample\tA\nx\t1\n", {"sample_pattern": "^(TCGA)"}, "no sample matches.*are 'x'"),
        ("sample\tA1\nx\t1\n", {}, "trait 'A': 'A' is in none of .*such as 'A1'"),
        ("sample\tx\nA\t1\nA\t2\n", {"layout": "traits_in_rows"}, "row 3: 'A' stands in an earl"),
    ],
)
def test_bad_tables_are_named(
    tmp_path: Path, text: str, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(TraitError, match=message):
        read_expression([table(tmp_path, text, **keys)], {"A": "A"})


def test_the_nearest_name_is_shown_and_a_trait_in_two_tables_refused(tmp_path: Path) -> None:
    one = table(tmp_path, "sample\tMKI67|4288\nx\t1\n")
    with pytest.raises(TraitError, match=r"did you mean MKI67\|4288"):
        read_expression([one], {"MKI67": "MKI67|4228"})
    two = table(tmp_path, "sample\tMKI67|4288\nx\t1\n", "u.tsv")
    with pytest.raises(TraitError, match=r"stands in .*t\.tsv and in .*u\.tsv"):
        read_expression([one, two], {"MKI67": "MKI67|4288"})
