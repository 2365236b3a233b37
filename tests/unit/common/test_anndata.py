"""AnnData read in every encoding that anndata writes, and written so that anndata reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from histohet.common.anndata import (
    AnnDataError,
    Categories,
    new_anndata,
    new_rows,
    read_observations,
    write_element,
    write_frame,
)
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance

TEXT = h5py.string_dtype()
NAMES = [f"AAAC{i}-1" for i in range(4)]
XY = [[10.5, 20.0], [30.0, 40.0], [50.0, 60.0], [70.0, 80.0]]
LABELS = ["T1", "", "T2", "T1"]

Write = Callable[[h5py.Group, str], None]


def marked(entry: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    entry.attrs["encoding-type"], entry.attrs["encoding-version"] = kind, version


def texts(group: h5py.Group, name: str, values: list[str]) -> None:
    marked(group.create_dataset(name, data=values, dtype=TEXT), "string-array", "0.2.0")


def nullable(group: h5py.Group, name: str, values: object, kind: str = "string-array") -> None:
    """A column whose second value is missing."""
    entry = group.create_group(name)
    marked(entry, f"nullable-{kind}", "0.1.0")
    entry["mask"] = np.arange(len(values)) == 1  # type: ignore[arg-type]
    if kind == "string-array":
        entry.create_dataset("values", data=values, dtype=TEXT)
    else:
        entry["values"] = values


def whole(group: h5py.Group, name: str, values: list[str]) -> None:
    """Text as anndata 0.13 writes it of pandas 3."""
    nullable(group, name, values)
    group[name]["mask"][...] = False


def categorical(group: h5py.Group, name: str, write_categories: Write = whole) -> None:
    entry = group.create_group(name)
    marked(entry, "categorical", "0.2.0")
    entry["codes"] = np.array([0, -1, 1, 0], np.int8)
    write_categories(entry, "categories")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "section.h5ad"


def h5ad(
    path: Path,
    column: Write,
    index: Write = lambda obs, name: texts(obs, name, NAMES),
    spatial: Write = lambda obsm, name: obsm.__setitem__(name, np.array(XY)),
) -> Path:
    with h5py.File(path, "w") as opened:
        obs = opened.create_group("obs")
        obs.attrs["_index"] = "_index"
        index(obs, "_index")
        column(obs, "cluster")
        spatial(opened.create_group("obsm"), "spatial")
    return path


def names(group: h5py.Group, name: str) -> None:
    whole(group, name, ["T1", "T2"])


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (lambda obs, name: categorical(obs, name, names), LABELS),
        (
            lambda obs, name: categorical(obs, name, lambda g, n: texts(g, n, ["T1", "T2"])),
            LABELS,
        ),
        (
            lambda obs, name: categorical(
                obs, name, lambda g, n: g.__setitem__(n, np.array([3, 12]))
            ),
            ["3", "", "12", "3"],
        ),
        (lambda obs, name: nullable(obs, name, ["T1", "x", "T2", "T1"]), LABELS),
        (lambda obs, name: texts(obs, name, ["T1", "nan", "T2", "T1"]), ["T1", "nan", "T2", "T1"]),
        (
            lambda obs, name: nullable(obs, name, np.array([3, 1, 0, 3]), "integer"),
            ["3", "", "0", "3"],
        ),
        (
            lambda obs, name: nullable(obs, name, np.array([1, 1, 0, 1], bool), "boolean"),
            ["True", "", "False", "True"],
        ),
        (
            lambda obs, name: obs.__setitem__(name, np.array([True, False, False, True])),
            ["True", "False", "False", "True"],
        ),
        (
            lambda obs, name: obs.__setitem__(name, np.array([2, 0, 1, 2], np.int64)),
            ["2", "0", "1", "2"],
        ),
    ],
)
def test_a_column_may_be_in_any_encoding(file: Path, column: Write, labels: list[str]) -> None:
    found = read_observations(h5ad(file, column), "cluster")
    assert found[0].tolist() == NAMES
    assert found[1].tolist() == XY
    assert found[2].tolist() == labels


def labels_of_four(obs: h5py.Group, name: str) -> None:
    texts(obs, name, LABELS)


@pytest.mark.parametrize(
    "index",
    [
        lambda obs, name: whole(obs, name, NAMES),
        lambda obs, name: obs.create_dataset(name, data=np.array(NAMES, "S")),
        lambda obs, name: (
            obs.__setitem__(f"{name}/codes", np.array([3, 2, 1, 0], np.int8)),
            whole(obs[name], "categories", NAMES[::-1]),
        ),
    ],
)
def test_the_index_may_be_nullable_text_or_categories(file: Path, index: Write) -> None:
    found = read_observations(h5ad(file, labels_of_four, index), "cluster")
    assert found[0].tolist() == NAMES


def frame(obsm: h5py.Group, name: str, **columns: object) -> None:
    group = obsm.create_group(name)
    marked(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array(list(columns), TEXT)
    texts(group, "_index", NAMES)
    for column, values in columns.items():
        group[column] = values


X, Y = np.array(XY).T


@pytest.mark.parametrize(
    "spatial",
    [
        lambda obsm, name: frame(obsm, name, x=X, y=Y),
        lambda obsm, name: frame(obsm, name, Y=Y, X=X),
        lambda obsm, name: frame(obsm, name, first=X, second=Y),
        lambda obsm, name: frame(
            obsm, name, in_tissue=Y > 0, pxl_row_in_fullres=Y, pxl_col_in_fullres=X
        ),
        lambda obsm, name: obsm.__setitem__(name, np.column_stack([X, Y, X]).astype(np.float32)),
        lambda obsm, name: obsm.create_dataset(name, data=np.array(XY).astype("S")),
    ],
)
def test_positions_may_be_an_array_or_a_data_frame(file: Path, spatial: Write) -> None:
    found = read_observations(h5ad(file, labels_of_four, spatial=spatial), "cluster")
    assert found[1].tolist() == XY


def test_positions_may_be_nullable(file: Path) -> None:
    def columns(obsm: h5py.Group, name: str) -> None:
        frame(obsm, name, y=Y)
        obsm[name].attrs["column-order"] = np.array(["x", "y"], TEXT)
        nullable(obsm[name], "x", X, "float")

    positions = read_observations(h5ad(file, labels_of_four, spatial=columns), "cluster")[1]
    assert np.isnan(positions[1, 0])
    np.testing.assert_array_equal(np.delete(positions, 1, axis=0), np.delete(XY, 1, axis=0))


@pytest.mark.parametrize(
    ("spatial", "message"),
    [
        (
            lambda obsm, name: frame(obsm, name, x=X, second=Y),
            r"which columns of obsm/spatial are x and y\? There are x, second: call them 'x'",
        ),
        (lambda obsm, name: frame(obsm, name, a=X, b=Y, c=X), "There are a, b, c"),
        (lambda obsm, name: frame(obsm, name, x=X[:3], y=Y), r"has shape \(3,\), not \(4,\)"),
        (
            lambda obsm, name: marked(obsm.create_group(name), "csr_matrix", "0.1.0"),
            "of the kind 'csr_matrix', not an array or a data frame",
        ),
    ],
)
def test_other_positions_are_refused(file: Path, spatial: Write, message: str) -> None:
    with pytest.raises(AnnDataError, match=message) as caught:
        read_observations(h5ad(file, labels_of_four, spatial=spatial), "cluster")
    assert str(caught.value).startswith(str(file))


def test_a_column_that_has_no_value_per_spot_is_named(file: Path) -> None:
    def awkward(obs: h5py.Group, name: str) -> None:
        marked(obs.create_group(name), "awkward-array", "0.1.0")

    with pytest.raises(AnnDataError, match="/obs/cluster is of the kind 'awkward-array'"):
        read_observations(h5ad(file, awkward), "cluster")


def test_what_is_written_is_read(file: Path) -> None:
    with new_anndata(file, OK, Provenance()) as opened:
        rows = new_rows(opened, "X", (4, 2))
        rows[:] = np.arange(8).reshape(4, 2)
        write_frame(
            opened, "obs", NAMES, {"cluster": Categories(np.array([1, 0, 0, 1]), list("ab"))}
        )
        write_frame(opened, "var", ["f", "g"], {})
        write_element(opened["obsm"], "spatial", np.array(XY))
        write_element(opened["uns"], "about", {"text": "µ", "number": 2.5, "list": np.array(["c"])})
    found = read_observations(file, "cluster")
    assert found[0].tolist() == NAMES
    assert found[1].tolist() == XY
    assert found[2].tolist() == list("baab")


def kinds(group: h5py.Group) -> dict[str, str]:
    found: dict[str, str] = {}
    group.visititems(lambda name, entry: found.update({name: entry.attrs["encoding-type"]}))
    return found


def test_every_element_says_what_it_is(file: Path) -> None:
    test_what_is_written_is_read(file)
    with h5py.File(file) as opened:
        assert opened.attrs["encoding-type"] == "anndata"
        found = kinds(opened)
        assert opened["var"].attrs["column-order"].shape == (0,)
        assert opened["obs"].attrs["column-order"].tolist() == ["cluster"]
    assert found == {
        "X": "array",
        "layers": "dict",
        "obs": "dataframe",
        "obs/_index": "string-array",
        "obs/cluster": "categorical",
        "obs/cluster/categories": "string-array",
        "obs/cluster/codes": "array",
        "obsm": "dict",
        "obsm/spatial": "array",
        "obsp": "dict",
        "uns": "dict",
        "uns/about": "dict",
        "uns/about/list": "string-array",
        "uns/about/number": "numeric-scalar",
        "uns/about/text": "string",
        "var": "dataframe",
        "var/_index": "string-array",
        "varm": "dict",
        "varp": "dict",
    }
