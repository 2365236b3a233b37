"""Spots of spatial transcriptomics: tables, two tables, AnnData; every way they can be wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from histohet.agreement.settings import SpotColumns, SpotPlaces
from histohet.agreement.spots import read_positions, read_spots
from histohet.common.anndata import AnnDataError

COLUMNS = SpotColumns(label="cluster")
TABLE = "spot\tx\ty\tcluster\na\t10.5\t20\tT1\nb\t30\t40\t\nc\t5e1\t60\tNA\nd\t70\t80\tT2\n"
CENTRES = [[10.5, 20], [30, 40], [50, 60], [70, 80]]
LABELS = ["T1", "", "", "T2"]


def written(folder: Path, text: str, name: str = "spots.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_table_gives_positions_and_labels(tmp_path: Path) -> None:
    spots = read_spots(written(tmp_path, TABLE), COLUMNS)
    assert spots.centres.tolist() == CENTRES
    assert spots.labels.tolist() == LABELS


def test_commas_and_gzip_read_the_same(tmp_path: Path) -> None:
    commas = written(tmp_path, TABLE.replace("\t", ","), "spots.csv")
    packed = tmp_path / "spots.tsv.gz"
    packed.write_bytes(gzip.compress(TABLE.encode()))
    for path in (commas, packed):
        spots = read_spots(path, COLUMNS)
        assert spots.centres.tolist() == CENTRES
        assert spots.labels.tolist() == LABELS


def test_what_is_called_gzip_must_be_gzip(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"spots\.tsv\.gz is not sound gzip"):
        read_spots(written(tmp_path, TABLE, "spots.tsv.gz"), COLUMNS)
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(TABLE.encode())[:-9])
    with pytest.raises(ValueError, match=r"cut\.tsv\.gz is not sound gzip"):
        read_spots(cut, COLUMNS)


def test_labels_may_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    labels = written(tmp_path, "spot,cluster\nd,T2\na,T1\n", "labels.csv")
    positions = written(tmp_path, "y\tspot\tx\n20\ta\t10.5\n40\tb\t30\n60\tc\t50\n80\td\t70\n")
    spots = read_spots(positions, COLUMNS, labels)
    assert spots.centres.tolist() == CENTRES
    assert spots.labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("positions", "labels", "message"),
    [
        (TABLE.replace("\tx\t", "\tu\t"), None, r"no column 'x'; there are spot, u, y, cluster"),
        (TABLE.replace("cluster", "kind"), None, "no column 'cluster'"),
        (TABLE.replace("30", "left"), None, r"spots\.tsv, row 3: x is 'left', not a number"),
        (TABLE.replace("30", "inf"), None, "row 3: x is 'inf'"),
        (TABLE.replace("30", "3_0"), None, "row 3: x is '3_0', not a number"),
        (TABLE.replace("30", "8.99e307"), None, "row 3: x is '8.99e307', too large"),
        (TABLE.replace("\t", ";"), None, "no column 'x'; cells are separated by ';'"),
        (TABLE.replace("\nb", "\na"), "spot,cluster\n", "row 3: spot 'a' stands in row 2"),
        (TABLE, "spot,cluster\na,T1\ne,T1\n", r"labels\.csv, row 3: .*spots\.tsv has no spot 'e'"),
        (TABLE, "spot,kind\na,T1\n", "labels.csv has no column 'cluster'"),
        (TABLE, "", "labels.csv is empty"),
    ],
)
def test_mistakes_name_file_and_row(
    tmp_path: Path, positions: str, labels: str | None, message: str
) -> None:
    path = written(tmp_path, positions)
    second = None if labels is None else written(tmp_path, labels, "labels.csv")
    with pytest.raises(ValueError, match=message):
        read_spots(path, COLUMNS, second)


POSITIONS = (
    "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n"
    "AAAC-1,1,0,0,20,10.5\nAAAG-1,0,0,1,40,30\n"
)
CLUSTERS = "Barcode,Cluster\nAAAC-1,2\n"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("spot", ["barcode", "Barcode", "BARCODE"])
def test_space_rangers_own_files_are_read(tmp_path: Path, header: bool, spot: str) -> None:
    """Its two tables disagree on capital letters; version 1 writes positions without header."""
    text = POSITIONS if header else POSITIONS.split("\n", 1)[1]
    positions = written(tmp_path, text, "tissue_positions_list.csv")
    columns = SpotColumns(
        label="Cluster", x="pxl_col_in_fullres", y="pxl_row_in_fullres", spot=spot
    )
    spots = read_spots(positions, columns, written(tmp_path, CLUSTERS, "clusters.csv"))
    assert spots.centres.tolist() == [[10.5, 20], [30, 40]]
    assert spots.labels.tolist() == ["2", ""]


ARRAY = "x\ty\tpixel_x\tpixel_y\n9\t13\t10.5\t20\n8\t13\t30\t40\n"
BY_PLACE = SpotPlaces(x="pixel_x", y="pixel_y", spot=("x", "y"))


def test_the_place_on_the_array_can_be_the_id(tmp_path: Path) -> None:
    path = written(tmp_path, ARRAY)
    names, centres = read_positions(path, BY_PLACE)
    assert (names.tolist(), centres.tolist()) == (["9x13", "8x13"], [[10.5, 20], [30, 40]])
    labels = written(tmp_path, "x,y,cluster\n8,13,T1\n", "labels.csv")
    columns = SpotColumns(label="cluster", **BY_PLACE.canonical() | {"spot": ("x", "y")})
    assert read_spots(path, columns, labels).labels.tolist() == ["", "T1"]
    with pytest.raises(ValueError, match="row 3: spot '9x13' stands in row 2"):
        read_positions(written(tmp_path, ARRAY.replace("8", "9")), BY_PLACE)


def test_positions_are_read_by_id(tmp_path: Path) -> None:
    names, centres = read_positions(written(tmp_path, TABLE), SpotPlaces())
    assert (names.tolist(), centres.tolist()) == (list("abcd"), CENTRES)
    names, centres = read_positions(h5ad(tmp_path, text), SpotPlaces())
    assert (names.tolist(), centres.tolist()) == (list("abcd"), CENTRES)
    message = r"no column 'spot' with the ids of its spots; there are x, y"
    with pytest.raises(ValueError, match=message):
        read_positions(written(tmp_path, "x\ty\n1\t2\n"), SpotPlaces())
    with h5py.File(tmp_path / "section.h5ad", "a") as file:
        replace(file, "obs/barcode", np.array([b"a", b"b", b"a", b"c"]))
    with pytest.raises(ValueError, match=r"section\.h5ad: spot 'a' comes twice"):
        read_positions(tmp_path / "section.h5ad", SpotPlaces())


def test_ids_under_two_names_are_refused(tmp_path: Path) -> None:
    labels = written(tmp_path, "id,cluster\na,T1\n", "labels.csv")
    with pytest.raises(ValueError, match=r"no column 'spot', as in the other table; there are id"):
        read_spots(written(tmp_path, TABLE), COLUMNS, labels)
    twice = written(tmp_path, "Spot,SPOT,cluster\na,a,T1\n", "labels.csv")
    with pytest.raises(ValueError, match="no column 'spot'"):
        read_spots(written(tmp_path, TABLE), COLUMNS, twice)


@pytest.mark.parametrize("text", ["10.5,20,T1\n30,40,T2\n", "a,10,10,T1\nb,30,30,T2\n"])
def test_a_table_without_header_is_told_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"spots\.csv, row 1: .*T1 are no names of columns: add"):
        read_spots(written(tmp_path, text, "spots.csv"), COLUMNS)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"spots: .*none\.tsv does not exist"):
        read_spots(tmp_path / "none.tsv", COLUMNS)


TEXT = h5py.string_dtype()


def categorical(obs: h5py.Group) -> None:
    group = obs.create_group("cluster")
    group["codes"] = np.array([0, -1, -1, 1], np.int8)
    group.create_dataset("categories", data=["T1", "T2"], dtype=TEXT)


def older_categorical(obs: h5py.Group) -> None:
    obs["cluster"] = np.array([0, -1, -1, 1], np.int8)
    obs.create_dataset("__categories/cluster", data=["T1", "T2"], dtype=TEXT)


def text(obs: h5py.Group) -> None:
    obs.create_dataset("cluster", data=LABELS, dtype=TEXT)


def nullable(obs: h5py.Group) -> None:
    group = obs.create_group("cluster")
    group.create_dataset("values", data=["T1", "x", "y", "T2"], dtype=TEXT)
    group["mask"] = np.array([False, True, True, False])


def h5ad(folder: Path, column: Callable[[h5py.Group], None], **changes: Any) -> Path:
    """Write what anndata writes of an object with four observations."""
    path = folder / "section.h5ad"
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs["_index"] = "barcode"
        obs.create_dataset("barcode", data=list("abcd"), dtype=TEXT)
        column(obs)
        file["obsm/spatial"] = np.array(changes.get("spatial", CENTRES))
    return path


@pytest.mark.parametrize("column", [categorical, older_categorical, text, nullable])
def test_anndata_in_any_of_its_layouts(
    tmp_path: Path, column: Callable[[h5py.Group], None]
) -> None:
    spots = read_spots(h5ad(tmp_path, column), COLUMNS)
    assert spots.centres.tolist() == CENTRES
    assert spots.labels.tolist() == LABELS


def test_categories_and_columns_may_be_numbers(tmp_path: Path) -> None:
    def numbers(obs: h5py.Group) -> None:
        obs["cluster/codes"] = np.array([1, 0, -1, 1], np.int8)
        obs["cluster/categories"] = np.array([3, 12])
        obs["score"] = np.array([1.5, np.nan, 2.0, 3.0])

    path = h5ad(tmp_path, numbers)
    assert read_spots(path, COLUMNS).labels.tolist() == ["12", "3", "", "12"]
    assert read_spots(path, SpotColumns(label="score")).labels.tolist() == ["1.5", "", "2.0", "3.0"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda f: replace(f, "obs/cluster/codes", np.array([0, 7, 1, 1])), "out of bounds"),
        (lambda f: replace(f, "obs/cluster/codes", np.zeros(3, np.int8)), r"\(3,\), not \(4,\)"),
        (lambda f: f.__delitem__("obs/cluster/categories"), "categories"),
        (lambda f: f.__delitem__("obs/barcode"), "barcode"),
        (lambda f: f["obs"].attrs.__setitem__("_index", 3), "'3'"),
        (lambda f: replace(f, "obs/cluster/codes", list("abcd")), "cannot be read as AnnData"),
    ],
)
def test_damaged_anndata_is_named(
    tmp_path: Path, edit: Callable[[h5py.File], None], message: str
) -> None:
    path = h5ad(tmp_path, categorical)
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(AnnDataError, match=message) as caught:
        read_spots(path, COLUMNS)
    assert str(caught.value).startswith(f"{path} cannot be read as AnnData")


def replace(file: h5py.File, name: str, data: object) -> None:
    del file[name]
    file[name] = data


def test_a_small_file_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = h5ad(tmp_path, text)
    with h5py.File(path, "a") as file:
        del file["obs/barcode"]
        file.create_dataset("obs/barcode", (10**12,), "f8", chunks=(1024,))
    with pytest.raises(AnnDataError, match="claims 1000000000000 observations"):
        read_spots(path, COLUMNS)


def test_mistakes_in_anndata_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="obs has no column 'leiden'; there are barcode, cluster"):
        read_spots(h5ad(tmp_path, text), SpotColumns(label="leiden"))
    with pytest.raises(ValueError, match=r"obsm/spatial has shape \(3, 2\), not \(4, 2\)"):
        read_spots(h5ad(tmp_path, text, spatial=CENTRES[:3]), COLUMNS)
    with pytest.raises(ValueError, match="spot 2 has no finite position"):
        read_spots(h5ad(tmp_path, text, spatial=[[0, 0], [np.nan, 1], [1, 1], [2, 2]]), COLUMNS)
    with pytest.raises(ValueError, match="brings its labels"):
        read_spots(h5ad(tmp_path, text), COLUMNS, tmp_path / "labels.csv")
    path = h5ad(tmp_path, text)
    with h5py.File(path, "a") as file:
        file.move("obsm/spatial", "obsm/X_pca")
    with pytest.raises(ValueError, match="has no obsm/spatial, the positions; obsm has X_pca"):
        read_spots(path, COLUMNS)
    with h5py.File(path, "w") as file:
        file["obs"] = np.zeros(4, [("index", "S1"), ("cluster", "S2")])
    with pytest.raises(ValueError, match="has no group 'obs'"):
        read_spots(path, COLUMNS)
    path.write_text("no HDF5")
    with pytest.raises(ValueError, match="cannot be read as AnnData"):
        read_spots(path, COLUMNS)


@pytest.mark.real
def test_real_spots_lie_on_a_lattice_of_200_um(real_data: Path) -> None:
    section = real_data / "spatial/her2st_C2"
    columns = SpotColumns(label="label", x="pixel_x", y="pixel_y")
    spots = read_spots(section / "expression_clusters.tsv.gz", columns)
    assert spots.centres.shape == (185, 2)
    numbers = dict(zip(*np.unique(spots.labels, return_counts=True), strict=True))
    assert numbers == {"0": 36, "1": 34, "2": 34, "3": 25, "4": 24, "5": 18, "6": 14}
