"""Names that a shell, a browser or Snakemake would take for something else."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain

NAMES = {
    "command": "$(touch owned).png",
    "backticks": "`touch owned`.png",
    "second_command": "; touch owned; .png",
    "option": "-rf.png",
    "quotes": 'it\'s "quoted".png',
    "glob": "*[a-z]?.png",
    "tilde": "~root.png",
    "spaces": "  my  slide .png".strip(),
    "letters": "Größe 大 é̂.png",
}
PATIENT = "<img src=x onerror=owned()>"
COLUMN = "age \"years\" <b> $\\q$ 'x'"
SHEET = "slides $(touch owned).csv"
CLINICAL = "clinical $(touch owned).csv"


class Tags(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def write_table(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_names_are_names_everywhere(tmp_path: Path) -> None:
    """Every slide is opened, nothing is run, and nothing is written beside the results."""
    for name in NAMES.values():
        write_plain(tmp_path / "plain.png", gradient(50, 50))
        (tmp_path / "plain.png").rename(tmp_path / name)
    rows = [(slide, PATIENT, name, "0.5") for slide, name in NAMES.items()]
    rows += [("absent", PATIENT, 'gone &lt; "away".png', "0.5")]
    write_table(tmp_path / SHEET, [("slide", "patient", "path", "mpp"), *rows])
    values = [
        (PATIENT, "<i>soon</i>", "1", "60"),
        ("<u>p</u>", "7", "<s>dead</s>", "old"),
        ("q", "9", "0", "50"),
    ]
    write_table(tmp_path / CLINICAL, [("id", "months", "dead", COLUMN), *values])
    os = {"time": "months", "unit": "months", "event": "dead", "events": ["1"], "censored": ["0"]}
    covariate = {"column": COLUMN, "kind": "numeric"}
    cohort = Cohort(
        tmp_path,
        ROOT / "workflow",
        {
            "slides": SHEET,
            "patient_pattern": "^(.{3})",
            "clinical": [{"table": CLINICAL, "patient": "id", "endpoints": {"OS": os}}],
            "analyses": [{"name": "main", "covariates": [covariate]}],
        },
    )
    before = {path.name for path in tmp_path.iterdir()}
    cohort.run("preflight")

    after = {path.name for path in tmp_path.iterdir()}
    assert {name for name in after - before if not name.startswith("config_")} == {
        "results",
        ".snakemake",
    }
    assert not list(tmp_path.rglob("owned"))
    with (tmp_path / "results/preflight/slides.tsv").open(newline="", encoding="utf-8") as file:
        found = {row["slide"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert {slide: row["path"] for slide, row in found.items()} == {
        slide: path for slide, _, path, _ in rows
    }
    refused = [slide for slide, row in found.items() if row["status"] == "refused"]
    assert refused == ["absent"]

    page = (tmp_path / "results/preflight/preflight.html").read_text(encoding="utf-8")
    plain = {"html", "head", "meta", "title", "style", "body", "h2", "footer"}
    assert Tags(page).found == plain | {"table", "tr", "th", "td"}
    for text in ("gone &amp;lt; &quot;away&quot;.png", "&lt;i&gt;soon&lt;/i&gt;"):
        assert text in page
