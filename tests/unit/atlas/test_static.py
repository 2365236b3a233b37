"""The page as it comes with histohet."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from histohet.atlas import static
from histohet.atlas.static import copy_pages, hash_of_pages
from histohet.common.resources import resource_folder

HOME = resource_folder("atlas")
OURS = [file for file in HOME.rglob("*") if file.is_file() and "vendor" not in file.parts]


def test_libraries_of_others_are_as_they_were_released() -> None:
    vendor = HOME / "static/vendor"
    lines = (vendor / "SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    assert set(sums) == {file.name for file in vendor.iterdir()} - {"SHA256SUMS"}
    for name, wanted in sums.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == wanted, name
    assert sum(name.startswith("LICENSE") for name in sums) == 3


class Page(HTMLParser):
    """Files that a page names, ids, tags that were not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.files += [value for name in ("src", "href") if (value := given.get(name))]
        self.ids += [value for value in [given.get("id")] if value]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag not in {"meta", "link", "input", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_names_files_that_exist() -> None:
    page = Page()
    page.feed((HOME / "index.html").read_text())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.inline == []
    assert all((HOME / file).is_file() for file in page.files if file != "data:,")
    scripts = {file.name for file in (HOME / "static").glob("*.js")}
    assert {file.removeprefix("static/") for file in page.files} >= scripts


def test_scripts_name_elements_that_the_page_has() -> None:
    page = Page()
    page.feed((HOME / "index.html").read_text())
    text = "\n".join(file.read_text() for file in (HOME / "static").glob("*.js"))
    named = set(re.findall(r"(?:getElementById|\bby)\(\"([\w-]+)\"\)", text))
    assert named
    assert named <= set(page.ids)


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_nothing_of_ours_writes_html_or_asks_elsewhere(file: Path) -> None:
    text = file.read_text()
    for name in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ):
        assert name not in text
    assert set(re.findall(r"https?://[^\s\"]+", text)) <= {
        "http://schemas.microsoft.com/deepzoom/2008"
    }


def test_it_is_copied_whole_and_what_was_there_goes(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static/old.js").write_text("old")
    copy_pages(tmp_path / "index.html", tmp_path / "static")
    copied = {file.relative_to(tmp_path): file for file in tmp_path.rglob("*") if file.is_file()}
    source = {file.relative_to(HOME): file for file in HOME.rglob("*") if file.is_file()}
    assert set(copied) == set(source)
    assert all(copied[name].read_bytes() == source[name].read_bytes() for name in source)


def test_a_changed_page_has_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "index.html").write_text("a")
    monkeypatch.setattr(static, "resource_folder", lambda name: tmp_path)
    first = hash_of_pages()
    assert hash_of_pages() == first
    (tmp_path / "static/a.js").write_text("b")
    second = hash_of_pages()
    (tmp_path / "static/a.js").rename(tmp_path / "static/b.js")
    assert len({first, second, hash_of_pages()}) == 3
