"""The plan of a run: files by slide and variant, stages, resources, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.planning import CLINICAL, POOLED, lay_out, of
from plan import paths
from plan.interface import PlanError
from plan.plan import Plan, make_plan, one_of

SHEET = """slide\tpatient\tpath\tmask\tattention\ttruth\tfeatures
a\tp\ta.svs\tm.geojson\t\ta.tsv\t
b\tp\tb.svs\t\tb.csv\t\t
c\tq\t\t\t\t\tc.h5
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    sheets = {"slides.tsv": SHEET, "own.tsv": "slide\tpath\na\ta.svs\n"}
    lay_out(tmp_path, sheets, {"a.svs": 10, "b.svs": 0, "c.h5": 1, "m.geojson": 3, "a.tsv": 0})
    return tmp_path


def planned(**changes: Any) -> Plan:
    return make_plan({"slides": "slides.tsv"} | changes)


def test_all_combinations_are_filled_in() -> None:
    found = paths.fill("{a}/{b}", a=["1", "2"], b="x", c="ignored")
    assert found == ["1/x", "2/x"]
    assert paths.fill("{a}", a=[]) == []


def test_slides_with_features_have_paths_of_their_own() -> None:
    slides = planned().slides
    assert slides.tiles(of(slide="a")) == "results/tiles/a.h5"
    assert slides.tiles(of(slide="c")) == "results/imported/tiles/c.h5"
    assert slides.thumbnail("c") == "results/imported/thumbnails/c.jpg"
    assert slides.imported == ["c"]


def test_files_that_are_missing_are_no_inputs() -> None:
    plan = planned()
    assert set(plan.missing) == {"b.csv"}
    assert plan.slides.file("path")(of(slide="a")) == "a.svs"
    assert plan.slides.file("attention")(of(slide="b")) == []
    assert plan.slides.files("path", "attention", "mask")(of(slide="b")) == ["b.svs"]
    assert "b.csv" in plan.slides.problems_of_files(of(slide="b"))[0]
    assert planned().slides.with_truth == {"a": "a.tsv"}


def test_tissue_is_found_by_the_preset_of_the_slide(folder: Path) -> None:
    (folder / "slides.tsv").write_text(
        "slide\tpath\ttissue_preset\na\ta.svs\ttcga\nb\tb.svs\ttgca\n"
    )
    slides = planned(tissue={"overrides": {"sthresh": 20}}).slides
    assert (slides.tissue(of(slide="a"))["sthresh"], slides.tissue(of(slide="a"))["a_t"]) == (
        20,
        16,
    )
    with pytest.raises(PlanError, match=r"slide 'b', preset: .* did you mean tcga\?"):
        slides.tissue(of(slide="b"))


def test_a_slide_that_was_measured_is_not_refused_for_a_missing_file(folder: Path) -> None:
    record = folder / "results/preflight/slides/b.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"status": "ok"}')
    with pytest.raises(PlanError, match="an earlier run has measured this slide"):
        planned().slides.problems_of_files(of(slide="b"))


def test_what_may_change_beside_a_slide_is_no_value_of_it() -> None:
    values = planned().slides.values(of(slide="a"))
    assert values["path"] == "a.svs"
    assert not {key for key in ("row", "patient", "mask", "truth") if values[key]}


def test_epithelium_is_sought_where_nobody_says_where_it_is() -> None:
    slides = planned().slides
    assert slides.stain_mask(of(slide="a")) == []
    assert slides.stain_mask(of(slide="b")) == "results/epithelium/b.tif"
    assert slides.stain_mask(of(slide="c")) == []
    whole = planned(epithelium={"without_mask": "whole"}).slides
    assert whole.stain_mask(of(slide="b")) == []
    # What is no mask is not drawn: finished features without one, and whole tissue.
    assert (slides.drawn_masks, whole.drawn_masks) == (["a", "b"], ["a"])
    assert slides.mask_rules(of(slide="b")) == {
        "classes": [slides.stain_class],
        "origin": "region",
    }
    given = slides.mask_rules(of(slide="a"))
    assert (given["classes"], given["origin"]) == ([3, 12], None)
    assert given["excluded_names"] == ["Ignore*", "Necrosis"]


def test_whole_tiles_need_no_mask() -> None:
    inputs = planned().inputs
    masked = inputs.encoding(of(slide="a", masking="masked"))
    assert masked["mask"] == "m.geojson"
    assert set(inputs.encoding(of(slide="a", masking="whole"))) == {"record", "slide", "tiles"}
    assert inputs.masking(of(slide="a", masking="whole")) == {}
    assert inputs.min_coverage(of(slide="a", masking="whole")) is None


def test_a_patient_stands_where_slides_are_pooled() -> None:
    plan = planned(variants=["full", POOLED])
    inputs = plan.inputs
    wildcards = of(slide="p", encoder="stain_texture", masking="masked", procedure="potts_pooled")
    assert inputs.slides_of_patient(wildcards) == ["a", "b"]
    assert (
        inputs.clustered_features(wildcards) == "results/pooled/stain_texture/masked/p.features.h5"
    )
    # Only one of its slides has attention.
    assert inputs.clustered_tumour_scores(wildcards) == []
    assert inputs.thumbnail(of(variant="together", slide="p")).startswith("results/pooled/")
    maps = plan.maps(of())
    assert maps == [
        *(f"results/maps/full/{slide}.png" for slide in "abc"),
        *(f"results/maps/together/{patient}.png" for patient in "pq"),
    ]


def test_stages_have_what_is_configured_and_no_more() -> None:
    plan = planned()
    nothing = of()
    assert plan.survival(nothing) == plan.comparison(nothing) == plan.prognosis(nothing) == []
    assert plan.attention(nothing) == plan.vectors(nothing) == []
    assert plan.agreement(nothing) == ["results/agreement/full.tsv"]
    assert len(plan.qupath(nothing)) == 3
    assert plan.anndata(nothing) == [f"results/anndata/full/{slide}.h5ad" for slide in "abc"]
    assert not set(plan.anndata(nothing)) & set(plan.of_slides(nothing))
    more = planned(
        **CLINICAL,
        variants=["full", "no_mask"],
        slide_embeddings=["mean"],
        attention={"from": "sheet"},
        added_value={},
    )
    assert more.survival(nothing) == ["results/survival/estimates.tsv"]
    assert more.comparison(nothing) == ["results/ablation/configured_variants.tsv"]
    assert len(more.prognosis(nothing)) == len(more.vectors(nothing)) == 2
    assert more.attention(nothing) == ["results/attention/b.png", "results/attention/b.geojson"]
    assert set(more.of_slides(nothing)) >= {
        "results/measures/stain_texture/whole/potts/a.json",
        "results/slide_embeddings/stain_texture/whole/mean/a.h5",
        "results/preflight/companions/c.json",
    }


def test_the_report_shows_no_more_pictures_than_wanted() -> None:
    plan = planned(report={"max_maps": 2}, variants=["full", POOLED])
    shown = {(kind.category, kind.subcategory): kind.files for kind in plan.pictures()}
    assert shown["3 Maps", "full"] == [f"results/maps/full/{slide}.png" for slide in "ab"]
    assert len(shown["2 Tissue and tiles", None]) == 2
    assert len(shown["1 Preflight", "Masks"]) == 2
    assert all(len(files) <= 2 for files in shown.values())


def test_a_patient_whose_slides_are_pooled_has_none_to_choose_from() -> None:
    analysis = {"name": "main", "slides": "mean"}
    plan = planned(**CLINICAL, analyses=[analysis], variants=["full", POOLED])
    found = [
        plan.inputs.analysis(of(analysis="main", variant=name))["slides"]
        for name in ("full", "together")
    ]
    assert found == ["mean", "first"]
    assert "slides" not in plan.analyses.asked_of_clinical[0]


def test_the_published_clustering_has_its_own_numbers() -> None:
    inputs = planned(clustering={"q": 12, "min_tiles": 5}).inputs
    paper, ours = (inputs.clustering(of(procedure=name)) for name in ("paper", "potts"))
    assert (ours["procedure"], ours["q"], paper["q"]) == ("histohet", 12, 20)
    assert paper["min_tiles"] == ours["min_tiles"] == 5
    assert inputs.is_published(of(procedure="paper"))
    assert not inputs.is_smoothed(of(procedure="unsmoothed"))


def test_resources_grow_with_the_slide_the_cohort_and_every_attempt() -> None:
    resources = planned().resources
    # 10 MB of slide are 500 tiles, 1 MB of features 200.
    asked = resources.growing(100, per_1000_tiles=10)
    assert [asked(of(slide=slide), 1) for slide in "abc"] == [105, 100, 102]
    assert asked(of(slide="a"), 3) == 420
    # The slides of a patient count together.
    assert resources.growing(0, per_1000_tiles=1000, pooled=True)(of(slide="p"), 1) == 500
    assert resources.growing(0, per_1000_slides=1000)(of(), 1) == 3
    assert resources.growing(1, per_mb_of_geojson=2)(of(slide="a"), 1) == 7
    assert resources.growing(1, per_mb_of_geojson=2)(of(slide="a"), 1, threads=4) == 25


@pytest.mark.parametrize("name", ["m.geojson.gz", "m.zip"])
def test_packed_masks_are_larger_than_their_files(folder: Path, name: str) -> None:
    (folder / "m.geojson").rename(folder / name)
    (folder / "slides.tsv").write_text(SHEET.replace("m.geojson", name))
    asked = planned().resources.growing(1, per_mb_of_geojson=2)
    assert asked(of(slide="a"), 1) == 1 + 3 * 8 * 2


def test_what_a_job_asks_for_may_be_said_by_its_wildcards() -> None:
    plan = planned(variants=["full", "paper"])
    for_clustering = plan.inputs.by_procedure(ours=8, published=45)
    asked = plan.resources.growing(1000, for_clustering)
    found = [asked(of(slide="a", procedure=name), 1) for name in ("potts", "paper")]
    assert found == [1004, 1023]
    for_encoding = plan.encoders.by_kind(network=60, descriptors=10)
    assert plan.resources.growing(for_encoding)(of(encoder="stain_texture"), 2) == 20


def test_a_slide_called_like_another_patient_asks_for_its_own(folder: Path) -> None:
    (folder / "slides.tsv").write_text("slide\tpatient\tpath\nx\ta\ta.svs\na\tp\tb.svs\n")
    plan = planned(variants=["full", POOLED])
    asked = plan.resources.growing(1, per_1000_tiles=1000, pooled=plan.inputs.is_pooled)
    found = [asked(of(slide="a", procedure=name), 1) for name in ("potts", "potts_pooled")]
    assert found == [1, 501]


def test_tiles_that_lie_closer_are_more() -> None:
    resources = planned(tiles={"overlap_um": 56}).resources
    assert resources.growing(0, per_1000_tiles=1000)(of(slide="a"), 1) == 2000


DENSE = {"name": "resnet50", "dense": {"tokens_um": 28}}


def test_of_tokens_there_are_more(folder: Path) -> None:
    (folder / "slides.tsv").write_text("slide\tpath\na\ta.svs\n")
    plan = planned(encoder=DENSE)
    assert plan.resources.growing(0, per_1000_tiles=1000)(of(slide="a"), 1) == 16 * 500
    assert plan.encoders.entries["resnet50"].pooling == "positions"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slide_embeddings": ["attention"]}, "slide_embeddings: 'attention' weighs tiles"),
        (
            {"agreement": {"expression": [{"slide": "x", "spots": "s.tsv", "label": "l"}]}},
            r"agreement.expression\[0\]: slide 'x' is not in slides.tsv",
        ),
        (
            {"variants": [{"name": "w", "epithelium": {"fill": "white"}}]},
            "variant 'w': slide 'c' brings finished features",
        ),
        ({"slides": "absent.tsv"}, "slide sheet: absent.tsv"),
        (
            {"encoder": DENSE},
            r"encoder\.dense: slide 'c' brings finished features, which have a row for a tile",
        ),
        (
            {"slides": "own.tsv", "encoder": DENSE | {"dense": {"tokens_um": 14}}},
            "'resnet50' has a position for every 32 px, too few for 8 × 8 tokens of a tile of 224",
        ),
        (
            {"encoder": {"dense": DENSE["dense"]}},
            "'stain_texture' gives one vector for a tile .* there are no tokens: .* small tiles as",
        ),
        (
            {"encoder": {"name": "conch_v1_5"} | {"dense": {"tokens_um": 28}}},
            "'conch_v1_5' gives one vector for a tile .* there are no tokens: leave encoder.dense",
        ),
        (
            {"encoder": DENSE, "variants": ["full", {"name": "own", "encoder": "uni"}]},
            "variant 'own': its encoder has not the tokens of the others",
        ),
        (
            {"encoder": {"name": "sre_resnet18", "checkpoint": "c.pth"}, "tiles": {"tile_px": 228}},
            "'sre_resnet18' is the same for turned tiles only where .* 8 px, not of 228 px",
        ),
        ({"encoder": {"name": "absent"}}, "encoder"),
        ({"encoder": {"name": "uni", "layer": "mid"}}, "config, encoder: .* no layers to choose"),
        (
            {
                "encoder": {"name": "conch_v1_5"},
                "epithelium": {"fill": "pool"},
                "tiles": {"tile_px": 448},
            },
            "config, variant 'full': encoder 'conch_v1_5' gives one vector for a tile",
        ),
    ],
)
def test_what_does_not_go_together_is_said(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    if "slide_embeddings" in changes:
        (folder / "slides.tsv").write_text("slide\tpath\na\ta.svs\n")
    with pytest.raises(PlanError, match=message):
        planned(**changes)


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (("p/1", "q"), "patients name files .* patient 'p/1' must be letters, digits"),
        (
            ("q", "p" * 201),
            r"patient 'p{20}…' has 201 characters, names of files have room for 200",
        ),
        (("P", "p"), "patient 'p' differs from 'P' by capitals only"),
    ],
)
def test_patients_must_name_files_where_their_slides_are_pooled(
    folder: Path, patients: tuple[str, str], message: str
) -> None:
    rows = [f"{slide}\t{patient}\ta.svs\n" for slide, patient in zip("ab", patients, strict=True)]
    (folder / "slides.tsv").write_text("slide\tpatient\tpath\n" + "".join(rows))
    assert list(planned().slides.patients) == list(patients)
    with pytest.raises(PlanError, match=message):
        planned(variants=[POOLED])


CORES = """slide\tpatient\tpath\tregion\tcore_diameter_um\tfeatures
a_A-1\tp\ta.svs\t0,0,9,9\t600\t
a_A-2\tp\ta.svs\t9,0,9,9\t600\t
a_A-3\tq\ta.svs\t18,0,9,9\t600\tc.h5
whole\tq\tb.svs\t\t\t
"""


def test_cores_are_compared_where_a_patient_has_several(folder: Path) -> None:
    nothing = of()
    assert planned().core_heterogeneity(nothing) == []
    (folder / "slides.tsv").write_text(CORES)
    plan = planned(variants=["full", POOLED])
    assert plan.slides.cores == ["a_A-1", "a_A-2", "a_A-3"]
    assert plan.core_heterogeneity(nothing) == ["results/cores/full/heterogeneity.tsv"]
    assert plan.pooled_cores(of(variant="full")) == ["results/cohort/together/slides.tsv"]
    assert planned().pooled_cores(of(variant="full")) == []
    (folder / "slides.tsv").write_text(CORES.replace("a_A-2\tp", "a_A-2\tr"))
    assert planned().core_heterogeneity(nothing) == []


def test_only_a_variant_that_pools_and_changes_nothing_else_is_the_pool_of_another() -> None:
    other = POOLED | {"clustering": {"q": 5}}
    assert planned(variants=["full", other]).variants.pooled_twin("full") is None
    unmasked = POOLED | {"like": "no_mask"}
    twins = planned(variants=["full", "no_mask", unmasked]).variants
    assert (twins.pooled_twin("full"), twins.pooled_twin("no_mask")) == (None, "together")


def test_masks_are_of_cores_whose_tissue_is_found_here(folder: Path) -> None:
    with pytest.raises(PlanError, match=r"no slide of .* is a core: give it a core_diam"):
        planned().core_masks(of())
    (folder / "slides.tsv").write_text(CORES)
    assert planned().masked_cores == ["a_A-1", "a_A-2"]
    assert planned().core_masks(of()) == "results/cores/masks.csv"


def test_a_sheet_that_is_made_of_arrays_is_asked_for_in_words(folder: Path) -> None:
    (folder / "tma.tsv").write_text("array\tpath\nx\ta.svs\n")
    arrays = {"tma": {"sheet": "tma.tsv", "diameter_um": 600}}
    plan = planned(slides="later.tsv", **arrays)
    assert plan.arrays.names(of()) == ["x"]
    stages = (plan.of_slides, plan.maps, plan.qupath, plan.anndata, plan.core_masks)
    for stage in (plan.slides.sheet, *stages):
        with pytest.raises(PlanError, match=r"is not there yet.* `snakemake dearray`"):
            stage(of())
    assert planned(**arrays).slides.sheet(of()) == "slides.tsv"


def test_a_slide_that_is_not_in_the_sheet_is_named() -> None:
    with pytest.raises(PlanError, match="slide 'x' is not in"):
        planned().slides.row(of(slide="x"))


def test_a_wildcard_is_one_of_the_known_names() -> None:
    assert one_of(["a.b", "c"]) == r"a\.b|c"
    assert planned().wildcards["masking"] == "masked|whole"
