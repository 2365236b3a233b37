"""Resources are found in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import ROOT
from histohet.common import resources
from histohet.common.resources import read_resource, resource_path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders of an installed package and of a checkout; the second has a resource."""
    folders = (tmp_path / "installed", tmp_path / "checkout")
    folders[1].mkdir()
    (folders[1] / "colours.yaml").write_text("pink: [1, 2]  # a comment\n")
    monkeypatch.setattr(resources, "_PLACES", folders)
    return folders


def test_a_resource_is_what_its_file_says(places: tuple[Path, Path]) -> None:
    assert read_resource("colours") == {"pink": [1, 2]}


def test_an_installed_package_reads_its_own(places: tuple[Path, Path]) -> None:
    places[0].mkdir()
    (places[0] / "colours.yaml").write_text("blue: [3]\n")
    assert read_resource("colours") == {"blue": [3]}


def test_what_a_caller_changes_is_its_own(places: tuple[Path, Path]) -> None:
    read_resource("colours")["pink"].append(3)
    assert read_resource("colours") == {"pink": [1, 2]}


def test_a_missing_resource_is_named_with_the_places(places: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"named sounds.*installed.*checkout"):
        resource_path("sounds")


def test_a_checkout_has_them_beside_the_workflow() -> None:
    assert ROOT / "resources" in resources._PLACES
