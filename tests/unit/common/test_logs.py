from __future__ import annotations

import logging
from pathlib import Path

import pytest

from histohet.common import logs
from histohet.common.logs import log_to, track


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
