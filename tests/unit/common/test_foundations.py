"""Outcome, atomic files, logs and provenance."""

from __future__ import annotations

import errno
import json
import logging
import os
import pickle
from contextlib import ExitStack
from pathlib import Path

import pytest

from histohet.common import logs
from histohet.common.files import StorageError, atomic_path, read_json, why_no_file, write_json
from histohet.common.logs import log_to, track
from histohet.common.outcome import OK, Outcome, SlideLost, Status, attempt
from histohet.common.provenance import Provenance


def test_every_outcome_but_ok_needs_a_reason() -> None:
    assert OK.ok
    assert not Outcome(Status.REFUSED, "too coarse").ok
    for status in set(Status) - {Status.OK}:
        with pytest.raises(ValueError, match=f"'{status}' needs a reason"):
            Outcome(status)


class Unreadable(SlideLost):
    status = Status.UNREADABLE


def test_a_lost_slide_becomes_an_outcome_and_a_bug_does_not() -> None:
    def lose(error: Exception) -> int:
        raise error

    assert attempt(lambda: 3, 0) == (3, OK)
    refused = attempt(lambda: lose(SlideLost("too coarse")), 0)
    assert refused == (0, Outcome(Status.REFUSED, "too coarse"))
    empty = attempt(lambda: lose(SlideLost("glass", Status.NO_TISSUE)), 0)
    assert empty == (0, Outcome(Status.NO_TISSUE, "glass"))
    assert attempt(lambda: lose(Unreadable("a.svs")), 0)[1] == Outcome(Status.UNREADABLE, "a.svs")
    with pytest.raises(ValueError, match=r"^a bug$"):
        attempt(lambda: lose(ValueError("a bug")), 0)


def test_an_outcome_is_handed_on() -> None:
    OK.raise_if_lost()
    before = Outcome(Status.NO_TILES, "none")
    assert attempt(before.raise_if_lost, None) == (None, before)


def test_a_lost_slide_crosses_processes() -> None:
    lost = pickle.loads(pickle.dumps(SlideLost("glass", Status.NO_TISSUE)))
    assert lost.outcome == Outcome(Status.NO_TISSUE, "glass")


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


def test_log_keeps_the_traceback(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "job.log"
    with pytest.raises(ZeroDivisionError), log_to(path) as log:
        log.info("slide %s", "a")
        raise ZeroDivisionError("slide a: no tiles")
    text = path.read_text()
    assert "slide a" in text
    assert "Traceback" in text
    assert "ZeroDivisionError: slide a: no tiles" in text
    assert logging.getLogger("histohet").handlers == []


def test_a_deliberate_stop_is_logged_without_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), log_to(tmp_path / "job.log"):
        raise SystemExit("too many slides failed")
    text = (tmp_path / "job.log").read_text()
    assert "too many slides failed" in text
    assert "Traceback" not in text
    assert capsys.readouterr().err == ""


def test_track_yields_everything_and_tells_the_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(logs.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="histohet"):
        assert list(track("abcdefgh", 8, "tiles")) == list("abcdefgh")
    messages = [record.getMessage() for record in caplog.records]
    # Two seconds a tile, a message every five: after tiles 3 (6 s of 2 s each) and 6.
    assert messages == ["tiles 2/8, 0.3/s, 18 s left", "tiles 5/8, 0.4/s, 7 s left"]


def test_provenance_is_sorted_json() -> None:
    text = Provenance({"b": 1, "a": [2]}, {"slide": "x.svs"}).as_json()
    data = json.loads(text)
    assert data["parameters"] == {"a": [2], "b": 1}
    assert data["software"].startswith("histohet ")
    assert text == Provenance({"a": [2], "b": 1}, {"slide": "x.svs"}).as_json()
