from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from histohet.common.files import StorageError, atomic_path, read_json, why_no_file, write_json


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_path(path) as partial:
        partial.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"


def test_a_file_system_that_fails_is_no_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that vanishes must stop the run, not turn its slides into missing ones."""

    def gone(path: Path) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    monkeypatch.setattr(Path, "stat", gone)
    with pytest.raises(OSError, match="Stale"):
        why_no_file("a.svs")


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="disk"), atomic_path(path) as partial:
        partial.write_text("ne")
        raise RuntimeError("disk")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_jobs_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(SystemExit), atomic_path(path) as partial:
        leftover = partial
        raise SystemExit
    for name in ("half", "other"):
        leftover.parent.mkdir(exist_ok=True)
        leftover.with_name(name).write_text("half of somethi")
    with atomic_path(path) as partial:
        partial.write_text("y")
    assert path.read_text() == "y"
    assert list(tmp_path.iterdir()) == [path]


def test_an_attempt_that_is_late_neither_gives_its_file_the_name_nor_disturbs(
    tmp_path: Path,
) -> None:
    """Its Snakemake was killed, it was not, and the next one is already at work."""
    path = tmp_path / "a.txt"
    with ExitStack() as next_one:
        with (
            pytest.raises(StorageError, match=r"a.txt cannot be written"),
            atomic_path(path) as late,
        ):
            late.write_text("late")
            new = next_one.enter_context(atomic_path(path))
            new.write_text("ne")
        assert new.read_text() == "ne"
        assert not path.exists()
        new.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()
    write_json(tmp_path / "a.json", {"x": "µm"})
    assert read_json(tmp_path / "a.json") == {"x": "µm"}
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ValueError, match=r"b\.json is not valid JSON"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ValueError, match=r"c\.json does not hold a JSON object"):
        read_json(tmp_path / "c.json")
