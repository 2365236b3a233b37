from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.tiletables import tile_table
from histohet.common.arrays import Float32
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.features.file import FeatureTable, feature_file, open_features, write_no_features
from histohet.rotation.consistency import (
    COLUMNS,
    compare_core,
    labels_by_angle,
    labels_table,
    means_of_core,
)
from histohet.rotation.settings import ComparisonSettings
from histohet.rotation.shared import compare_across_patients, deal_patients, fit_shared
from histohet.rotation.turning import views_of

PROVENANCE = Provenance({}, {})
SIDE_PX = 100
SETTINGS = ComparisonSettings(angles=(30, 90), clusters=2, folds=2)
N = 64


def coords() -> np.ndarray:
    y, x = np.divmod(np.arange(N), 8)
    return np.stack([x, y], axis=1) * SIDE_PX


def planted(seed: int = 0) -> Float32:
    """Vectors of two halves of a core: views 0°, 30°, 90° and 30° and back."""
    rng = np.random.default_rng(seed)
    half = coords()[:, 0] >= 4 * SIDE_PX
    at_rest = np.where(half[:, None], [1.0, 0.1, 0], [0.1, 1, 0]) + rng.normal(0, 0.05, (N, 3))
    views = [at_rest, at_rest.copy(), at_rest, at_rest]
    views[1][:8] = [[1, 0.1, 0]] * 4 + [[0.1, 1, 0]] * 4
    return np.concatenate(views, axis=1).astype(np.float32)


def write(path: Path, vectors: Float32, outcome: Outcome = OK) -> Path:
    table = tile_table(coords(), 1.0, (800, 800), tile_um=SIDE_PX, outcome=outcome)
    if not outcome.ok:
        write_no_features(path, table, outcome, "e", PROVENANCE)
        return path
    rows = np.arange(len(vectors))
    with feature_file(path, table, rows, vectors.shape[1], "e", PROVENANCE) as file:
        file.append(vectors)
    return path


@contextmanager
def opened(path: Path, vectors: Float32, outcome: Outcome = OK) -> Iterator[FeatureTable]:
    with open_features(write(path, vectors, outcome)) as table:
        yield table


def compared(
    table: FeatureTable, truth: Path | None = None, settings: ComparisonSettings = SETTINGS
) -> pd.DataFrame:
    means = partial(means_of_core, "a", table, settings, 1)
    return compare_core("a", "e", table, means, settings, 1, truth)[0]


def test_labels_that_move_are_counted(tmp_path: Path) -> None:
    with opened(tmp_path / "a.h5", planted()) as table:
        found = compared(table)
    assert list(found) == list(COLUMNS)
    raw = found[found["smoothing"] == "none"].set_index("angle")
    assert raw.index.tolist() == [0, 30, 90]
    assert raw["agreement"].tolist() == [1, 1 - 8 / N, 1]
    assert raw.loc[[0, 90], "ari"].tolist() == [1, 1]
    assert 0 < raw.loc[30, "ari"] < 0.8
    assert raw["dice"].tolist() == [1, pytest.approx(1 - 8 / N), 1]
    assert (raw["ceiling_ari"] == 1).all()
    assert raw["chance_agreement"].tolist() == pytest.approx([0.5] * 3, abs=0.03)
    assert raw["chance_ari"].abs().max() < 0.03
    assert raw["moved_by_potts"].isna().all()
    assert (found["n_tiles"] == N).all()
    assert (found["n_clusters"] == 2).all()
    assert (found["status"] == "ok").all()


def test_smoothing_is_shown_apart(tmp_path: Path) -> None:
    vectors = planted()
    # One tile amid its half, just on the other side.
    vectors[27, 3:6] = [0.551, 0.55, 0]
    with opened(tmp_path / "a.h5", vectors) as table:
        found = compared(table).set_index(["smoothing", "angle"])
    assert found.loc[("none", 30.0), "agreement"] == 1 - 9 / N
    assert found.loc[("potts", 30.0), "agreement"] > 1 - 9 / N
    assert found.loc[("potts", 30.0), "moved_by_potts"] > 0
    assert found.loc[("potts", 0.0), "moved_by_potts"] == 0


def test_a_constant_encoder_has_no_index(tmp_path: Path) -> None:
    with opened(tmp_path / "a.h5", np.ones((N, 12), np.float32)) as table:
        found = compared(table)
    assert (found["agreement"] == 1).all()
    assert (found["chance_agreement"] == 1).all()
    assert found[["ari", "dice", "ceiling_ari", "chance_ari"]].isna().all(axis=None)
    assert (found["n_clusters"] == 1).all()


def test_known_labels_are_compared_where_they_are_known(tmp_path: Path) -> None:
    half = 1 + (coords()[:, 0] >= 4 * SIDE_PX)
    known = pd.DataFrame({"x": coords()[:, 0], "y": coords()[:, 1], "subclone": half})
    known.loc[:15, "subclone"] = 0
    known.to_csv(tmp_path / "truth.tsv", sep="\t", index=False)
    with opened(tmp_path / "a.h5", planted()) as table:
        found = compared(table, tmp_path / "truth.tsv")
        without = compared(table)
    assert (found["n_labelled"] == N - 16).all()
    assert (found["label_ari"] == 1).all()
    assert without["label_ari"].isna().all()
    assert (without["n_labelled"] == 0).all()
    with opened(tmp_path / "b.h5", np.ones((N, 12), np.float32)) as table:
        assert compared(table, tmp_path / "truth.tsv")["label_ari"].isna().all()
    (tmp_path / "bad.tsv").write_text("x\ty\n1\t1\n")
    with opened(tmp_path / "c.h5", planted()) as table, pytest.raises(ValueError, match="subclone"):
        compared(table, tmp_path / "bad.tsv")


@pytest.mark.parametrize(
    ("vectors", "outcome", "status", "reason"),
    [
        (planted(), Outcome(Status.NO_TISSUE, "nothing there"), "no_tissue", "nothing there"),
        (planted()[:2], OK, "too_few_tiles", "2 tiles: 2 clusters need more"),
    ],
)
def test_a_core_without_clusters_says_why(
    tmp_path: Path, vectors: Float32, outcome: Outcome, status: str, reason: str
) -> None:
    with opened(tmp_path / "a.h5", vectors, outcome) as table:
        means = partial(means_of_core, "a", table, SETTINGS, 1)
        found, labels = compare_core("a", "e", table, means, SETTINGS, 1)
        assert len(labels_table(table, labels)) == 0
    assert found[["slide", "encoder", "status", "reason"]].values.tolist() == [
        ["a", "e", status, reason]
    ]
    assert found["ari"].isna().all()
    write_tsv(tmp_path / "t.tsv", found, PROVENANCE)
    assert read_tsv(tmp_path / "t.tsv")["reason"].tolist() == [reason]


def test_labels_are_written_by_angle_and_read_again(tmp_path: Path) -> None:
    with opened(tmp_path / "a.h5", planted()) as table:
        means = partial(means_of_core, "a", table, SETTINGS, 1)
        _, labels = compare_core("a", "e", table, means, SETTINGS, 1)
        assert labels is not None
        written = labels_table(table, labels)
    assert list(written) == [
        *("tile", "x", "y", "none_0", "none_30", "none_90", "potts_0", "potts_30", "potts_90"),
    ]
    assert written["none_0"].min() == 1
    by_angle = labels_by_angle(written)
    assert list(by_angle) == [0, 30, 90]
    np.testing.assert_array_equal(by_angle[30], labels.by_smoothing["none"][1])
    np.testing.assert_array_equal(written[["x", "y"]], coords())


def test_blocks_of_tiles_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "a.h5", planted()) as table:
        expected = compared(table)
        monkeypatch.setattr("histohet.rotation.consistency.TILES_PER_BLOCK", 7)
        pd.testing.assert_frame_equal(compared(table), expected)


# Clusters that are shared


@given(st.lists(st.sampled_from("abcdefghij"), min_size=2), st.integers(2, 12), st.integers(0, 9))
def test_no_patient_is_on_both_sides(patients: list[str], folds: int, seed: int) -> None:
    if len(set(patients)) < 2:
        with pytest.raises(ValueError, match="need two at least"):
            deal_patients(patients, folds, seed)
        return
    fold_of = deal_patients(patients, folds, seed)
    assert set(fold_of) == set(patients)
    numbers = sorted(set(fold_of.values()))
    assert numbers == list(range(1, 1 + min(folds, len(fold_of))))
    for fold in numbers:
        assert any(other != fold for other in fold_of.values())
    assert deal_patients(reversed(patients), folds, seed) == fold_of


def cohort(folder: Path, names: str, lost: str = "") -> dict[str, Path]:
    gone = Outcome(Status.NO_TISSUE, "nothing there")
    return {
        name: write(folder / f"{name}.h5", planted(n), gone if name in lost else OK)
        for n, name in enumerate(names)
    }


def test_clusters_of_others_are_applied_to_every_core(tmp_path: Path) -> None:
    patients = dict(zip("abcd", ("p", "p", "q", "r"), strict=True))
    found = compare_across_patients("e", cohort(tmp_path, "abcd"), patients, {}, SETTINGS, 1)
    assert sorted(set(found["slide"])) == list("abcd")
    assert len(found) == 4 * 2 * 3
    by_patient = found.groupby("patient")["fold"].nunique()
    assert (by_patient == 1).all()
    assert found["fold"].nunique() == 2
    raw = found[found["smoothing"] == "none"]
    assert raw.loc[raw["angle"] == 30, "agreement"].tolist() == [1 - 8 / N] * 4
    again = compare_across_patients("e", cohort(tmp_path, "abcd"), patients, {}, SETTINGS, 1)
    pd.testing.assert_frame_equal(again, found)


def test_what_is_tested_does_not_change_the_fit(tmp_path: Path) -> None:
    """Whichever cores are beside the training ones, and in whatever order those come."""
    drawn = {name: planted(n)[:, :3] for n, name in enumerate("abc")}
    expected = fit_shared(drawn, 2, 1)
    reordered = fit_shared({**dict(reversed(drawn.items())), "lost": np.empty((0, 1))}, 2, 1)
    assert expected is not None
    assert reordered is not None
    np.testing.assert_array_equal(reordered.centres, expected.centres)
    patients = {"a": "p", "b": "q", "c": "q"}
    few = compare_across_patients(
        "e", cohort(tmp_path, "ab"), {"a": "p", "b": "q"}, {}, SETTINGS, 1
    )
    more = compare_across_patients("e", cohort(tmp_path, "abc"), patients, {}, SETTINGS, 1)
    both = [one[one["slide"] == "b"].drop(columns="fold") for one in (few, more)]
    pd.testing.assert_frame_equal(*(one.reset_index(drop=True) for one in both))


def test_lost_cores_are_listed_and_teach_nothing(tmp_path: Path) -> None:
    patients = {"a": "p", "b": "q"}
    found = compare_across_patients("e", cohort(tmp_path, "ab", "b"), patients, {}, SETTINGS, 1)
    said = found.set_index("slide")["reason"].to_dict()
    assert said == {"a": "no core of another patient gives any clusters", "b": "nothing there"}


def test_without_folds_nothing_is_shared() -> None:
    whole = ComparisonSettings(folds=None)
    with pytest.raises(ValueError, match="there are none"):
        compare_across_patients("e", {}, {}, {}, whole, 1)


def test_settings_always_look_at_0_degrees() -> None:
    assert ComparisonSettings(angles=(90, 30)).views == [0, 30, 90]
    assert len(views_of(ComparisonSettings().views)) == 12 + 2
    for wrong in ((360,), (-1,), (30, 30), ()):
        with pytest.raises(ValueError, match="angles"):
            ComparisonSettings(angles=wrong)
