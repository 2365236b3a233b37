from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from helpers.slidefiles import gradient, write_aperio, write_plain
from histohet.slides.reader import SlideError, open_slide
from histohet.slides.staging import StagingError, staged


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("SCRATCH_OF_JOB", str(folder))
    return folder


def test_slide_is_copied_and_the_copy_is_gone_afterwards(tmp_path: Path, scratch: Path) -> None:
    slide = write_aperio(tmp_path / "a.svs", gradient(100, 100), 0.5, 20)
    with staged(slide, "$SCRATCH_OF_JOB") as copy:
        assert Path(copy).is_relative_to(scratch)
        assert Path(copy).read_bytes() == slide.read_bytes()
        with open_slide(copy) as opened:
            assert opened.info.width == 100
    with pytest.raises(RuntimeError), staged(slide, str(scratch)):
        raise RuntimeError
    assert list(scratch.iterdir()) == []


def test_without_a_folder_nothing_is_copied(tmp_path: Path) -> None:
    slide = write_plain(tmp_path / "a.png", gradient(10, 10))
    with staged(slide, "") as same:
        assert same == str(slide)


def test_mrxs_comes_with_its_folder(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("a.mrxs", "a/Slidedat.ini", "a/deep/Data0000.dat", "b.mrxs"):
        (tmp_path / name).write_text(name)
    with staged(tmp_path / "a.mrxs", str(scratch)) as copy:
        folder = Path(copy).parent
        found = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    assert found == ["a.mrxs", "a/Slidedat.ini", "a/deep/Data0000.dat"]


def test_what_cannot_be_staged_is_read_where_it_lies(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slide = write_plain(tmp_path / "a.png", gradient(10, 10))
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
    with caplog.at_level(logging.WARNING, "histohet"), staged(slide, str(scratch)) as same:
        assert same == str(slide)
    assert "is not staged: it has 0.0 GB" in caplog.text


@pytest.mark.real
def test_dicom_series_are_not_staged(
    real_data: Path, tmp_path: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slide = Path(shutil.copy(real_data / "slides/camelyon_jpeg.dcm", tmp_path))
    (tmp_path / "other.dcm").touch()
    with caplog.at_level(logging.WARNING, "histohet"), staged(slide, str(scratch)) as same:
        assert same == str(slide)
    assert "a slide of format dicom may consist of several files" in caplog.text
    alone = tmp_path / "alone"
    alone.mkdir()
    slide.rename(alone / "a.dcm")
    with staged(alone / "a.dcm", str(scratch)) as copy, open_slide(copy) as opened:
        assert opened.info.format == "dicom"


def test_mistakes_are_named(tmp_path: Path, scratch: Path) -> None:
    slide = write_plain(tmp_path / "a.png", gradient(10, 10))
    with (
        pytest.raises(StagingError, match=r"'\$NO_SUCH' names a variable"),
        staged(slide, "$NO_SUCH"),
    ):
        pass
    absent = str(scratch / "absent")
    with pytest.raises(StagingError, match="is not a folder"), staged(slide, absent):
        pass
    with pytest.raises(SlideError, match="does not exist"), staged(tmp_path / "x", str(scratch)):
        pass
