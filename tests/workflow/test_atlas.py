"""`snakemake atlas` on the phantom cohort."""

from __future__ import annotations

import pytest

from helpers.cohorts import CONFIG, Cohort, copy_workflow
from histohet.atlas.data import read_call
from histohet.common.tables import read_tsv

POOLED = {"name": "pooled", "pooled": True}
ATLAS = {"exemplars": 2, "pyramids": {"first": 1, "um": 4.0}}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("atlas")
    changes = {"variants": ["full", "no_tumor_filter", POOLED], "atlas": ATLAS}
    cohort = Cohort(folder / "cohort", copy_workflow(folder), CONFIG | changes)
    cohort.run(snakefile="workflow/phantoms.smk")
    sheet = cohort.folder / "results/phantoms/slides.tsv"
    broken = cohort.folder / "broken.svs"
    broken.write_bytes(b"no slide")
    n_columns = len(sheet.read_text().splitlines()[0].split("\t"))
    cells = ["broken", "patient_01", "broken.svs"]
    row = "\t".join(cells + [""] * (n_columns - 3))
    (cohort.folder / "slides.tsv").write_text(sheet.read_text() + row + "\n")
    cohort.config["slides"] = "slides.tsv"
    cohort.run("atlas")
    return cohort


def test_the_atlas_is_complete_and_says_what_the_tables_say(cohort: Cohort) -> None:
    home = cohort.folder / "results/atlas"
    _, data = read_call(home / "cohort.js")
    assert [one["name"] for one in data["variants"]] == ["full", "no_tumor_filter", "pooled"]
    for variant in data["variants"]:
        table = read_tsv(cohort.folder / f"results/cohort/{variant['name']}/slides.tsv")
        clusters = read_tsv(cohort.folder / f"results/cohort/{variant['name']}/clusters.tsv")
        columns = {one["name"]: one["values"] for one in variant["columns"]}
        assert columns["slide"] == table["slide"].tolist()
        assert columns["n_clusters"] == [
            None if value is None else int(value)
            for value in table["n_clusters"].astype(object).where(table["n_clusters"].notna(), None)
        ]
        for slide, status in zip(columns["slide"], columns["status"], strict=True):
            folder = home / "slides" / variant["folder"] / slide
            _, page = read_call(folder / "slide.js")
            assert page["status"] == status
            assert (folder / page["picture"]).is_file()
            if status == "ok":
                kinds = page["layers"][0]["kinds"]
                own = clusters[clusters["slide"] == slide]["n_tiles"].tolist()
                assert [kind["n"] for kind in kinds if kind["label"] != "outliers"] == own
            pooled = variant["pooled"] or status != "ok"
            assert len(list(folder.glob("?_*.webp"))) == len(page["exemplars"])
            assert bool(page["exemplars"]) != pooled
            names = [layer["name"] for layer in page["layers"]]
            assert ("truth" in names) != pooled
    assert data["zoomed"] == ["phantom_01"]
    _, zoom = read_call(home / "pyramids/phantom_01/pyramid.js")
    assert zoom["Size"]["Width"] > 100


def test_nothing_is_made_again_and_a_second_time_gives_the_same_bytes(cohort: Cohort) -> None:
    assert cohort.rules("atlas") == {}
    before = cohort.digests()
    cohort.run("atlas", "--forcerun", "export_atlas_slide", "export_atlas_pyramid")
    assert cohort.digests() == before


def test_what_is_passed_on_is_decided_without_a_slide_made_again(cohort: Cohort) -> None:
    changes = {"atlas": ATLAS | {"columns": ["n_clusters"]}}
    assert cohort.rules("atlas", **changes) == {"export_atlas_cohort": 1}
    done = cohort.snakemake("--cores", "1", "atlas", atlas=ATLAS | {"columns": ["n_clustres"]})
    assert done.returncode != 0
    log = (cohort.folder / "results/logs/export_atlas_cohort.log").read_text()
    assert "no column 'n_clustres'" in log
    assert "n_clusters" in log


def test_it_is_no_part_of_all(cohort: Cohort) -> None:
    assert not {rule for rule in cohort.rules() if "atlas" in rule}
