"""What is computed again after a change: what it touches, and nothing else."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.cohorts import CONFIG, MAIN_ANALYSIS, Cohort, Job, copy_workflow, in_another_form
from histohet.config import read_config
from histohet.slides.sheet import read_slide_sheet

PER_SLIDE = (
    "check_slide",
    "check_companions",
    "segment_tissue",
    "tile_slide",
    "measure_coverage",
    "draw_mask",
    "score_tumour_tiles",
)
COHORT_STEPS = {
    "collect_preflight": 1,
    "list_problems": 1,
    "choose_tumour_threshold": 4,
    "collect_slides": 5,
    "check_failures": 5,
    "draw_map": 20,
    "build_cohort": 5,
    "analyse_survival": 5,
    "collect_estimates": 1,
    "compare_variants": 1,
    "compare_with_truth": 5,
    "summarise": 1,
}
"""Steps that come after all slides, and how often they run with all variants."""
PREFLIGHT = {"collect_preflight", "list_problems"}


def slides_of(jobs: Iterable[Job]) -> set[str]:
    """Slides of the steps of single slides. The threshold of the cohort may recolour any map."""
    found = (re.search(r"slide=(\w+)", job.wildcards) for job in jobs if job.rule != "draw_map")
    return {slide[1] for slide in found if slide}


def test_rerunning_does_nothing(finished: Cohort) -> None:
    assert finished.jobs() == []


def test_another_form_of_the_same_configuration_reruns_nothing(finished: Cohort) -> None:
    """Keys in another order, whole numbers as floats; then also all defaults written out."""
    for same in (CONFIG, read_config(CONFIG).canonical()):
        assert finished.jobs(**in_another_form(same)) == []


def test_changing_k_reruns_clustering_and_what_follows(finished: Cohort) -> None:
    jobs = finished.jobs(clustering=CONFIG["clustering"] | {"k": 6})
    found = Counter(job.rule for job in jobs)
    # Masked tiles with and without smoothing, whole tiles; QuPath shows the first variant.
    expected = {"cluster_tiles": 12, "measure_slide": 12, "export_qupath": 4}
    steps = {rule: n for rule, n in COHORT_STEPS.items() if rule not in PREFLIGHT}
    # The published clustering stays as it is.
    of_variants = {rule: n * 4 // 5 if n % 5 == 0 else n for rule, n in steps.items()}
    of_variants["choose_tumour_threshold"] = 3
    assert found == expected | of_variants
    assert not [job for job in jobs if "paper" in job.wildcards]


def test_changing_the_grouping_reruns_survival_only(finished: Cohort) -> None:
    found = finished.rules(analyses=[MAIN_ANALYSIS | {"grouping": "quartiles"}])
    assert set(found) == {
        "build_cohort",
        "analyse_survival",
        "collect_estimates",
        "compare_variants",
        "summarise",
    }


def test_changing_the_fill_leaves_whole_tiles_alone(finished: Cohort) -> None:
    jobs = finished.jobs(epithelium={"fill": "white"})
    encoded = [job.wildcards for job in jobs if job.rule == "encode_tiles"]
    assert len(encoded) == 4
    assert all("masking=masked" in wildcards for wildcards in encoded)
    assert not {job.rule for job in jobs} & {"segment_tissue", "tile_slide", "measure_coverage"}


def test_adding_a_slide_computes_that_slide_and_the_cohort(
    finished: Cohort, tmp_path: Path
) -> None:
    sheet = finished.folder / CONFIG["slides"]
    rows = sheet.read_text().splitlines()
    longer = tmp_path / "slides.tsv"
    extra = rows[1].replace("phantom_01", "extra", 1)
    longer.write_text("\n".join([rows[0], extra, *rows[1:]]) + "\n")
    jobs = finished.jobs(slides=str(longer))
    assert slides_of(jobs) == {"extra"}
    counts = {rule: sum(job.rule == rule for job in jobs) for rule in {job.rule for job in jobs}}
    assert counts == dict.fromkeys(PER_SLIDE, 1) | {
        "encode_tiles": 2,
        "cluster_tiles": 4,
        "measure_slide": 4,
        "export_qupath": 1,
    } | COHORT_STEPS | {"draw_map": 25}


@pytest.fixture
def editable(finished: Cohort, tmp_path: Path) -> Cohort:
    """The finished cohort with a copy of the workflow that may be edited."""
    return Cohort(finished.folder, copy_workflow(tmp_path), CONFIG)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_editing_the_library_reruns_the_steps_that_use_it(editable: Cohort) -> None:
    edit(
        editable.workflow / "histohet/clustering/published/annealing.py",
        "rise < 0 or",
        "rise <= 0 or",
    )
    found = editable.rules()
    assert found["cluster_tiles"] == 16
    assert found["draw_map"] == 20
    upstream = {"check_slide", "segment_tissue", "tile_slide", "measure_coverage", "encode_tiles"}
    assert not upstream & set(found)


def test_editing_a_comment_reruns_nothing(editable: Cohort) -> None:
    edit(
        editable.workflow / "histohet/clustering/published/annealing.py",
        "from numba",
        "# Compiled.\nfrom numba",
    )
    assert editable.jobs() == []


def touch_everything(cohort: Cohort) -> None:
    """As in a fresh clone, or after a branch and back."""
    for file in cohort.workflow.rglob("*.*"):
        file.touch()


def test_a_fresh_clone_reruns_nothing(editable: Cohort) -> None:
    edit(editable.workflow / "scripts/encode_tiles.py", "from histohet", "# Ours.\nfrom histohet")
    touch_everything(editable)
    assert editable.jobs() == []


def test_a_fresh_clone_reruns_nothing_beside_the_profile_of_a_cluster(editable: Cohort) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="requirements/slurm.txt")
    touch_everything(editable)
    assert editable.jobs("--profile", str(ROOT / "slurm")) == []


@pytest.fixture
def copied(finished: Cohort, tmp_path: Path) -> Cohort:
    """The finished cohort in a folder of its own, whose files may be changed."""
    folder = Path(shutil.copytree(finished.folder, tmp_path / "cohort", symlinks=True))
    return Cohort(folder, finished.workflow, CONFIG)


@pytest.mark.parametrize(
    ("column", "first", "untouched"),
    [
        ("mask", {"check_companions", "measure_coverage", "encode_tiles"}, {"segment_tissue"}),
        ("attention", {"check_companions", "score_tumour_tiles"}, {"encode_tiles"}),
        ("path", {"check_slide", "segment_tissue", "encode_tiles"}, set()),
    ],
)
def test_a_changed_file_reruns_its_slide(
    copied: Cohort, column: str, first: set[str], untouched: set[str]
) -> None:
    row = read_slide_sheet(copied.folder / CONFIG["slides"]).slides["phantom_02"]
    file = copied.folder / row.files[column]
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    jobs = copied.jobs()
    found = {job.rule for job in jobs}
    assert first <= found
    assert not untouched & found
    assert slides_of(jobs) == {"phantom_02"}
    assert set(COHORT_STEPS) - PREFLIGHT - {"compare_with_truth"} <= found


def test_what_the_sheet_says_beside_a_slide_does_not_encode_it_again(copied: Cohort) -> None:
    """A patient corrected, attention or a truth taken out, rows in another order."""
    sheet = copied.folder / CONFIG["slides"]
    header, first, second, *others = (line.split("\t") for line in sheet.read_text().splitlines())
    column = {name: header.index(name) for name in ("patient", "attention", "truth")}
    first[column["patient"]] = "another"
    for name in ("attention", "truth"):
        second[column[name]] = ""
    sheet.write_text("".join("\t".join(row) + "\n" for row in (header, second, first, *others)))
    found = copied.rules()
    assert {"check_companions", "build_cohort", "collect_preflight"} <= set(found)
    assert not {"check_slide", "segment_tissue", "encode_tiles"} & set(found)


@pytest.mark.parametrize("rule", ["check_slide", "measure_coverage", "encode_tiles"])
def test_a_job_that_does_not_see_a_disk_fails_and_refuses_nothing(
    copied: Cohort, rule: str
) -> None:
    """On a node of a cluster, whose Snakemake reads sheet and files anew."""
    row = read_slide_sheet(copied.folder / CONFIG["slides"]).slides["phantom_02"]
    file = row.files["mask" if rule == "measure_coverage" else "path"]
    (copied.folder / file).unlink()
    before = copied.digests()
    job = f"{rule}:slide=phantom_02,encoder=stain_texture,masking=masked"
    if rule != "encode_tiles":
        job = job.split(",")[0]
    on_node = ("--mode", "remote", "--cores", "1", "--force", "--nolock", "--latency-wait", "1")
    done = copied.snakemake(*on_node, "--target-jobs", job, "--allowed-rules", rule)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert re.search(rf"Missing files after 1 seconds.*\n{file} \(missing", said), said
    # Of a job that runs anew Snakemake takes away what it had made.
    assert copied.digests().items() < before.items()


def test_a_clinical_number_reruns_what_is_clinical(copied: Cohort) -> None:
    table = copied.folder / CONFIG["clinical"][0]["table"]
    header, first, *others = (line.split("\t") for line in table.read_text().splitlines())
    first[header.index("os_months")] = "12.5"
    table.write_text("".join("\t".join(row) + "\n" for row in (header, first, *others)))
    assert set(copied.rules()) == {
        "read_clinical",
        "list_problems",
        "build_cohort",
        "analyse_survival",
        "collect_estimates",
        "compare_variants",
        "summarise",
    }


def test_a_file_that_is_only_newer_reruns_nothing(copied: Cohort) -> None:
    row = read_slide_sheet(copied.folder / CONFIG["slides"]).slides["phantom_02"]
    (copied.folder / row.files["attention"]).touch()
    assert copied.jobs() == []
