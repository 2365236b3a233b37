"""What the configuration may say: every branch of it parses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    write_plain(tmp_path / "a.png", gradient(50, 50))
    write_plain(tmp_path / "mask.tif", np.zeros((50, 50), np.uint8))
    (tmp_path / "attention.csv").write_text("x_coord,y_coord,attention_value\n0,0,1\n")
    (tmp_path / "clinical.csv").write_text("id,months,dead\np,10,1\n")
    sheet(tmp_path, "slide\tpath\tmpp\na\ta.png\t0.5\n")
    return Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv"})


def sheet(folder: Path, text: str) -> None:
    (folder / "slides.tsv").write_text(text)


OS = {"time": "months", "unit": "months", "event": "dead", "events": [1], "censored": [0]}
CLINICAL = [{"table": "clinical.csv", "patient": "id", "endpoints": {"OS": OS}}]
TIMM = {
    "kind": "timm",
    "name": "tiny",
    "model": "vit_tiny_patch16_224",
    "checkpoint": "tiny.safetensors",
    "width": 192,
    "normalisation": "imagenet",
}


def test_slides_alone_are_enough(cohort: Cohort) -> None:
    rules = cohort.rules()
    assert rules["segment_epithelium"] == 1
    assert not {"build_cohort", "choose_tumour_threshold", "compare_variants"} & set(rules)


def test_clinical_table_brings_survival(cohort: Cohort) -> None:
    rules = cohort.rules(clinical=CLINICAL)
    assert rules["read_clinical"] == rules["build_cohort"] == rules["analyse_survival"] == 1
    assert cohort.rules("preflight", clinical=CLINICAL)["read_clinical"] == 1


def test_every_analysis_runs_under_every_variant(cohort: Cohort) -> None:
    analyses = [{"preset": "hetmap_stad"}, {"name": "mine", "grouping": {"cut": 3}}]
    found = cohort.rules(clinical=CLINICAL, analyses=analyses, variants=["full", "no_tumor_filter"])
    assert found["build_cohort"] == found["analyse_survival"] == 4
    assert found["read_clinical"] == 1


def test_patients_are_found_in_the_ids_of_slides(cohort: Cohort) -> None:
    assert cohort.rules(patient_pattern="^(.)")["check_slide"] == 1
    done = cohort.snakemake("--dry-run", patient_pattern="^(b)")
    assert done.returncode != 0
    assert "row 2: slide 'a' has no patient" in done.stdout + done.stderr


def test_mask_and_whole_tissue_need_no_segmentation(cohort: Cohort) -> None:
    assert "segment_epithelium" not in cohort.rules(epithelium={"without_mask": "whole"})
    sheet(cohort.folder, "slide\tpath\tmpp\tmask\na\ta.png\t0.5\tmask.tif\n")
    assert "segment_epithelium" not in cohort.rules()


def test_attention_brings_a_threshold(cohort: Cohort) -> None:
    sheet(cohort.folder, "slide\tpath\tmpp\tattention\na\ta.png\t0.5\tattention.csv\n")
    rules = cohort.rules()
    assert rules["score_tumour_tiles"] == rules["choose_tumour_threshold"] == 1
    assert "choose_tumour_threshold" not in cohort.rules(variants=["no_tumor_filter"])


def test_ablation_runs_all_variants_whatever_is_configured(cohort: Cohort) -> None:
    rules = cohort.rules("ablation", clinical=CLINICAL)
    assert rules["compare_variants"] == 1
    assert rules["encode_tiles"] == 2
    assert rules["cluster_tiles"] == 4
    assert rules["analyse_survival"] == 5


def test_ablation_has_the_configured_encoder_also_where_no_variant_uses_it(cohort: Cohort) -> None:
    turned = {"name": "turned", "encoder": {"name": "stain_texture", "symmetry": "d4"}}
    assert cohort.rules(variants=[turned])["encode_tiles"] == 1
    assert cohort.rules("ablation", variants=[turned])["encode_tiles"] == 3


def test_only_what_the_variants_need_is_clustered(cohort: Cohort) -> None:
    assert cohort.rules()["cluster_tiles"] == 1
    assert cohort.rules(variants=["full", "no_tumor_filter"])["cluster_tiles"] == 1
    assert cohort.rules(variants=["no_potts", "paper"])["cluster_tiles"] == 2


def test_variants_of_your_own_share_what_they_do_not_change(cohort: Cohort) -> None:
    own = [
        "full",
        {"name": "few", "clustering": {"q": 5}},
        {"name": "few_unsmoothed", "like": "no_potts", "clustering": {"q": 5}},
        {"name": "strict", "epithelium": {"min_coverage": 0.5}},
        {"name": "white", "epithelium": {"fill": "white"}},
        {"name": "turned", "encoder": {"name": "stain_texture", "symmetry": "d4"}},
        {"name": "same", "clustering": {"q": 20}},
    ]
    rules = cohort.rules(variants=own, clinical=CLINICAL)
    assert rules["encode_tiles"] == 3
    assert rules["cluster_tiles"] == 6
    assert rules["analyse_survival"] == 7


def test_slides_of_a_patient_are_clustered_together(cohort: Cohort) -> None:
    rows = "a\ta.png\t0.5\tp\nb\ta.png\t0.5\tp\nc\ta.png\t0.5\tq\n"
    sheet(cohort.folder, "slide\tpath\tmpp\tpatient\n" + rows)
    pooled = {"name": "pooled", "pooled": True}
    rules = cohort.rules(variants=["full", pooled], clinical=CLINICAL)
    assert rules["encode_tiles"] == 3
    assert rules["pool_patient"] == 2
    assert rules["cluster_tiles"] == rules["measure_slide"] == 5
    assert rules["draw_map"] == 5
    assert rules["export_qupath"] == 3
    assert "export_qupath" not in cohort.rules(variants=[pooled])


def test_a_specification_curve_measures_again_only_what_a_choice_touches(cohort: Cohort) -> None:
    curve = {
        "variants": ["full", "no_tumor_filter"],
        "q": [20, 30],
        "min_coverage": [0.25, 0.5],
        "scores": ["n_clusters", "scaled_count"],
        "groupings": ["median", "none"],
    }
    rules = cohort.rules(clinical=CLINICAL, specification_curve=curve)
    assert rules["encode_tiles"] == 1
    assert rules["cluster_tiles"] == rules["measure_slide"] == 4
    assert rules["collect_slides"] == 1 + 8
    assert rules["draw_specification_curve"] == 1
    assert rules["analyse_survival"] == 1
    assert rules["draw_map"] == 1


def test_an_embedding_has_the_tiles_of_the_configured_coverage(cohort: Cohort) -> None:
    loose = {"name": "loose", "epithelium": {"min_coverage": 0.1}}
    shown = {}
    for variants in (["full"], ["full", loose]):
        done = cohort.snakemake("--dry-run", variants=variants, slide_embeddings=["mean"])
        assert done.returncode == 0, done.stderr
        printed = done.stdout + done.stderr
        shown[len(variants)] = printed[printed.index("rule pool_slide:") :]
    assert "results/coverage/a.h5" not in shown[1].split("output:")[0]
    assert "results/coverage/a.h5" in shown[2].split("output:")[0]


def test_published_settings_can_be_configured(cohort: Cohort) -> None:
    assert cohort.rules(clustering={"procedure": "paper", "q": 30})["cluster_tiles"] == 1


def test_timm_encoder_asks_for_a_gpu(cohort: Cohort) -> None:
    (cohort.folder / TIMM["checkpoint"]).write_bytes(b"read when the job runs")
    done = cohort.snakemake("--dry-run", encoder=TIMM)
    assert "gpu=1" in done.stdout + done.stderr
    assert "results/features/tiny/masked/a.h5" in done.stdout + done.stderr


def test_a_name_of_the_catalogue_is_enough(cohort: Cohort) -> None:
    named = {"name": "lunit_dino_16", "symmetry": "d4"}
    done = cohort.snakemake("--dry-run", encoder=named)
    assert done.returncode != 0
    assert "lunit_dino: model.safetensors is not fetched yet" in done.stdout + done.stderr
    (cohort.folder / "local.safetensors").write_bytes(b"read when the job runs")
    done = cohort.snakemake("--dry-run", encoder=named | {"checkpoint": "local.safetensors"})
    assert "gpu=1" in done.stdout + done.stderr
    assert "results/features/lunit_dino_16_d4/masked/a.h5" in done.stdout + done.stderr
    assert cohort.rules(encoder={"name": "mine", "kind": "stain_texture"})["encode_tiles"] == 1


def test_a_mistake_ends_snakemake_with_its_message_alone(cohort: Cohort) -> None:
    """The many that there are: tests/bad_input."""
    sheet(cohort.folder, "slide\tpath\n../a\ta.png\n")
    done = cohort.snakemake("--dry-run")
    assert done.returncode == 1
    assert "slide sheet: slides.tsv: row 2: slide id '../a' must be" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
