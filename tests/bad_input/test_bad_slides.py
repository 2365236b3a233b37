"""One cohort of sound slides and of every kind of bad one, run through the workflow once."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from bad_input.cases import Case
from bad_input.companion_cases import bad_masks, bad_tables, tissue_mask
from bad_input.feature_cases import bad_features
from bad_input.slide_cases import absurd_scales, broken_files, other_pictures
from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.pictures import section
from helpers.slidefiles import write_jpeg_tiff, write_plain
from histohet.common.tables import read_tsv
from histohet.epithelium.base import MaskRules
from histohet.preflight.companions import check_companions
from histohet.preflight.outlook import Outlook
from histohet.preflight.problems import list_problems
from histohet.preflight.slide import check_slide
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import COMPANIONS, missing_files, read_slide_sheet
from histohet.tiles.settings import TileSpec

CONFIG = {
    "slides": "slides.tsv",
    "tissue": {"preset": "bwh_biopsy"},
    "clustering": {"q": 4, "restarts": 0, "min_tiles": 10},
    "max_failed_fraction": 0.95,
}

SHARED = "the same file as of slide"
"""Said of most slides here: they lie beside one sound one."""

REFUSED_IN_THE_RUN = (
    "zero_bytes",
    "truncated_svs",
    "folder",
    "file_mpp_1000",
    "sheet_mpp_comma",
    "mask_of_other_shape",
    "attention_nan",
    "traits_of_two",
    "coords_nan",
)
"""Of the slides that preflight refuses, one of each kind goes through the whole workflow: after it
all of them are alike."""


@dataclass
class Run:
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


def is_refused_by_preflight(case: Case) -> bool:
    """Whether preflight refuses something of the slide: a bad truth refuses the comparison only."""
    return bool(case.told_by) and (case.status == "refused" or "truth" in case.cells)


def write_sheet(folder: Path, cases: dict[str, Case]) -> Path:
    path = folder / "slides.tsv"
    rows = [{"slide": slide, **case.cells} for slide, case in cases.items()]
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Sound slides, then the bad ones."""
    folder = tmp_path_factory.mktemp("input")
    slide = write_jpeg_tiff(folder / "sound.svs", section(1700, 150), 256)
    mask = write_plain(folder / "sound.tif", tissue_mask(), tile=True)
    return {
        "sound_stain": Case({"path": slide}),
        "sound_mask": Case({"path": slide, "mask": mask}),
        **bad_features(folder),
        **broken_files(folder, slide),
        **absurd_scales(folder, slide),
        **other_pictures(folder, mask),
        **bad_masks(folder, slide),
        **bad_tables(folder, slide, mask),
    }


@pytest.fixture(scope="module")
def run(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("bad")
    chosen = {
        slide: case
        for slide, case in cases.items()
        if slide in REFUSED_IN_THE_RUN or case.status == "ok" or case.told_by != "files"
    }
    write_sheet(folder, chosen)
    cohort = Cohort(folder, ROOT / "workflow", CONFIG)
    done = cohort.run()
    return Run(chosen, cohort, done.stdout + done.stderr)


def test_preflight_refuses_what_it_can_tell_and_nothing_else(
    cases: dict[str, Case], tmp_path: Path
) -> None:
    path = write_sheet(tmp_path, cases)
    sheet = read_slide_sheet(path)
    missing = missing_files(sheet.slides.values())
    opened = [
        check_slide(
            row,
            tiles=TileSpec(),
            scale=ScaleSettings(),
            problems_of_files=row.problems_of_files(missing),
        )
        for row in sheet.slides.values()
    ]
    rules = MaskRules([3, 12], ["Tumor", "Epithelium"], ["Ignore*", "Necrosis"])
    outlooks = []
    for before in opened:
        files = sheet.slides[before.slide].files
        files = {column: file for column, file in files.items() if column in COMPANIONS}
        record = check_companions(before, files, TileSpec(), rules)
        used = " where it is used" if before.outcome.ok else ""
        outlooks.append(Outlook(record, "" if record.outcome.ok else f"refused{used}"))
    sound = {record.slide for record in opened if record.outcome.ok}
    refused = {one.record.slide for one in outlooks if not one.record.outcome.ok}
    told = {slide for slide, case in cases.items() if case.told_by == "files" and case.message}
    assert refused == {slide for slide in told if is_refused_by_preflight(cases[slide])}
    problems = {
        problem.subject: problem
        for problem in list_problems(outlooks, sheet, "", None)
        if SHARED not in problem.problem
    }
    assert set(problems) == told
    for number, (slide, case) in enumerate(cases.items(), start=2):
        if slide in told:
            found = problems[slide]
            assert case.message in found.problem, slide
            assert found.row == number
            beside = " where it is used" if slide in sound else ""
            assert (found.consequence == f"refused{beside}") == (slide in refused)
            assert "\n" not in found.problem


def test_every_slide_has_its_status_and_the_excluded_ones_their_reason(run: Run) -> None:
    slides = run.table("cohort/full/slides.tsv").set_index("slide").fillna({"reason": ""})
    assert list(slides.index) == list(run.cases)
    assert slides["status"].to_dict() == {slide: case.status for slide, case in run.cases.items()}
    for slide, reason in slides["reason"].items():
        case = run.cases[slide]
        expected = case.message if slide in run.excluded or not case.told_by else ""
        assert expected in reason, slide
        assert bool(reason) == bool(expected), slide
        assert "\n" not in reason


def test_used_slides_are_measured(run: Run) -> None:
    slides = run.table("cohort/full/slides.tsv").set_index("slide")
    used = slides[slides["status"] == "ok"]
    assert (used["n_clusters"] >= 1).all()
    assert slides.loc[list(run.excluded), "n_clusters"].isna().all()
    maps = run.cohort.folder / "results/maps/full"
    assert {path.stem for path in maps.glob("*.png")} == set(run.cases)


def test_list_of_problems_is_what_preflight_told(run: Run) -> None:
    problems = run.table("preflight/problems.tsv")
    shared = problems["problem"].str.contains(SHARED)
    assert shared.any()
    problems = problems[~shared]
    told = {slide for slide, case in run.cases.items() if case.told_by and case.message}
    assert set(problems["subject"]) == told
    by_slide = problems.groupby("subject")["problem"].agg("; ".join)
    for slide in told:
        assert run.cases[slide].message in by_slide[slide], slide
    refused = problems["consequence"].str.startswith("refused")
    expected = {slide for slide in told if is_refused_by_preflight(run.cases[slide])}
    assert set(problems["subject"][refused]) == expected


def test_preflight_promises_what_the_run_keeps(run: Run) -> None:
    """But for pixels and embeddings, which only the run reads; a truth is no matter of the run."""
    foretold = run.table("preflight/slides.tsv").set_index("slide")["status"]
    came = run.table("cohort/full/slides.tsv").set_index("slide")["status"]
    for slide, case in run.cases.items():
        expected = "refused" if is_refused_by_preflight(case) else came[slide]
        assert foretold[slide] == (expected if case.told_by else "ok"), slide


def test_tables_of_failures_and_the_pages_name_every_excluded_slide(run: Run) -> None:
    failures = run.table("cohort/full/failures.tsv").set_index("slide")
    assert set(failures.index) == set(run.excluded)
    pages = [
        (run.cohort.folder / "results" / page).read_text()
        for page in ("cohort/full/slides.html", "preflight/preflight.html")
    ]
    for slide, case in run.excluded.items():
        reason = failures.loc[slide, "reason"]
        assert reason in html.unescape(pages[0]), slide
        assert not case.told_by or case.message in html.unescape(pages[1]), slide


def test_nothing_crashed_and_nothing_is_half_written(run: Run) -> None:
    assert "Traceback" not in run.output
    assert "Error in rule" not in run.output
    assert [log for log in run.files("*.log") if "Traceback" in log.read_text()] == []
    assert list(run.files(".partial-*")) == []
    assert run.cohort.jobs() == []


def test_a_giant_of_one_level_is_read_in_strips(run: Run) -> None:
    benchmark = pd.read_csv(
        run.cohort.folder / "results/benchmarks/segment_tissue/giant.tsv", sep="\t"
    )
    assert benchmark["max_rss"].item() < 900


def test_too_many_failures_stop_the_cohort_with_a_table(run: Run) -> None:
    done = run.cohort.snakemake("--cores", "2", max_failed_fraction=0.5)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    n_slides, n_bad = len(run.cases), len(run.excluded)
    assert f"{n_bad} of {n_slides} slides gave no result" in text
    assert "max_failed_fraction allows (50%)" in text
    for slide, case in run.excluded.items():
        assert f"full: {slide}: {case.status}, " in text, slide
    assert "Traceback" not in text
    run.cohort.run()
