"""One cohort of sound slides and of every kind of bad one, run through the workflow once."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from cases import Case
from companion_cases import bad_masks, bad_tables, tissue_mask
from feature_cases import bad_features
from slide_cases import absurd_scales, broken_files, other_pictures

from cohorts import REPOSITORY, Cohort
from histohet.formats.tables import read_tsv
from pictures import section
from slidefiles import write_jpeg_tiff, write_plain

CONFIG = {
    "slides": "slides.tsv",
    "tissue": {"preset": "bwh_biopsy"},
    "clustering": {"q": 4, "restarts": 0, "min_tiles": 10},
    "measures": {"hta_permutations": 9},
    "max_failed_fraction": 0.95,
}


@dataclass
class Bad:
    """The cohort after its run, and what was expected of it."""

    cases: dict[str, Case]
    cohort: Cohort
    output: str

    @property
    def excluded(self) -> dict[str, Case]:
        return {slide: case for slide, case in self.cases.items() if case.status != "ok"}

    def table(self, name: str) -> pd.DataFrame:
        return read_tsv(self.cohort.folder / "results" / name)

    def files(self, pattern: str) -> Iterator[Path]:
        return (path for path in (self.cohort.folder / "results").rglob(pattern) if path.is_file())


def all_cases(folder: Path) -> dict[str, Case]:
    """Return three sound slides, then the bad ones."""
    slide = write_jpeg_tiff(folder / "sound.svs", section(1700, 150), 256)
    mask = write_plain(folder / "sound.tif", tissue_mask(), tile=True)
    return {
        "sound_stain": Case({"path": slide}),
        "sound_mask": Case({"path": slide, "mask": mask}),
        **bad_features(folder),
        **broken_files(folder, slide, mask),
        **absurd_scales(folder, slide),
        **other_pictures(folder, mask),
        **bad_masks(folder, slide),
        **bad_tables(folder, slide, mask),
    }


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Bad:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "input").mkdir()
    cases = all_cases(folder / "input")
    rows = [{"slide": slide, **case.cells} for slide, case in cases.items()]
    pd.DataFrame(rows).to_csv(folder / "slides.tsv", sep="\t", index=False)
    cohort = Cohort(folder, REPOSITORY / "workflow", CONFIG)
    done = cohort.run()
    return Bad(cases, cohort, done.stdout + done.stderr)


def test_every_slide_has_its_status_and_the_excluded_ones_the_reason(bad: Bad) -> None:
    slides = bad.table("cohort/full/slides.tsv").set_index("slide")
    assert list(slides.index) == list(bad.cases)
    found = {slide: (row["status"], row["reason"]) for slide, row in slides.fillna("").iterrows()}
    wrong = {
        slide: found[slide]
        for slide, case in bad.cases.items()
        if found[slide][0] != case.status
        or (case.message not in found[slide][1] if case.status != "ok" else found[slide][1])
    }
    assert wrong == {}


def test_used_slides_are_measured(bad: Bad) -> None:
    slides = bad.table("cohort/full/slides.tsv").set_index("slide")
    used = slides[slides["status"] == "ok"]
    assert (used["n_clusters"] >= 1).all()
    assert slides.loc[list(bad.excluded), "n_clusters"].isna().all()
    maps = bad.cohort.folder / "results/maps/full"
    assert {path.stem for path in maps.glob("*.png")} == set(bad.cases)


def test_preflight_names_what_it_can_tell(bad: Bad) -> None:
    problems = bad.table("preflight/problems.tsv").set_index("subject")
    named = {slide for slide, case in bad.cases.items() if case.preflight and case.message}
    assert set(problems.index) == named
    for slide in named:
        assert bad.cases[slide].message in problems.loc[slide, "problem"], slide
        refused = problems.loc[slide, "consequence"] == "refused"
        assert refused == (slide in bad.excluded), slide
    # Rows as an editor shows them: the header is row 1.
    rows = {slide: number for number, slide in enumerate(bad.cases, start=2)}
    assert problems["row"].to_dict() == {slide: rows[slide] for slide in named}


def test_tables_of_failures_and_the_pages_name_every_excluded_slide(bad: Bad) -> None:
    failures = bad.table("cohort/full/failures.tsv").set_index("slide")
    assert set(failures.index) == set(bad.excluded)
    pages = [
        (bad.cohort.folder / "results" / page).read_text()
        for page in ("cohort/full/slides.html", "preflight/preflight.html")
    ]
    for slide, case in bad.excluded.items():
        reason = failures.loc[slide, "reason"]
        assert reason in html.unescape(pages[0]), slide
        assert (reason in html.unescape(pages[1])) == case.preflight, slide


def test_messages_are_one_line_and_name_the_file(bad: Bad) -> None:
    failures = bad.table("cohort/full/failures.tsv").set_index("slide")
    for slide, reason in failures["reason"].items():
        assert "\n" not in reason, slide
        assert not any(word in reason for word in ("Traceback", "Error(", "object has no")), slide


def test_nothing_crashed_and_nothing_is_half_written(bad: Bad) -> None:
    assert "Traceback" not in bad.output
    assert "Error in rule" not in bad.output
    assert [log for log in bad.files("*.log") if "Traceback" in log.read_text()] == []
    assert list(bad.files(".partial-*")) == []
    assert bad.cohort.jobs() == []


def test_a_giant_of_one_level_is_read_in_strips(bad: Bad) -> None:
    """Its pixels alone are 1.7 GB."""
    for rule in ("check_slide", "segment_tissue"):
        used = bad.table(f"benchmarks/{rule}/giant.tsv")["max_rss"].iloc[0]
        assert used < 700, rule


def test_too_many_failures_stop_the_cohort_with_a_table(bad: Bad) -> None:
    done = bad.cohort.snakemake("--cores", "2", max_failed_fraction=0.5)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    n_slides, n_bad = len(bad.cases), len(bad.excluded)
    assert f"{n_bad} of {n_slides} slides gave no result" in text
    assert "max_failed_fraction allows (50%)" in text
    for slide, case in bad.excluded.items():
        assert f"full: {slide}: {case.status}, " in text, slide
    assert "Traceback" not in text
    bad.cohort.run()
