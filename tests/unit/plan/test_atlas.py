"""What the atlas is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.planning import CLINICAL, POOLED, lay_out
from helpers.planning import of as wildcards_of
from plan import paths
from plan.interface import PlanError
from plan.plan import Plan, make_plan

SHEET = """slide\tpatient\tpath\tattention\ttruth\tfeatures
a\tp\ta.svs\ta.csv\ta.tsv\t
b\tp\tb.svs\t\t\t
c\tq\t\t\t\tc.h5
"""
FACTORS = {"encoder": "stain_texture", "masking": "masked"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = ("a.svs", "b.svs", "c.h5", "a.csv", "a.tsv")
    lay_out(tmp_path, {"slides.tsv": SHEET}, dict.fromkeys(files, 0))
    return tmp_path


def planned(**changes: Any) -> Plan:
    return make_plan({"slides": "slides.tsv"} | changes)


def of(**wildcards: str) -> Any:
    return wildcards_of(**FACTORS, **wildcards)


def test_a_slide_is_shown_with_all_that_there_is() -> None:
    found = planned().atlas.slide(of(procedure="potts", slide="a"))
    assert found == {
        "clusters": "results/clusters/stain_texture/masked/potts/a.h5",
        "coverage": "results/coverage/a.h5",
        "tumour": "results/tumour/a.h5",
        "traits": [],
        "thumbnail": "results/thumbnails/a.jpg",
        "tiles": "results/tiles/a.h5",
        "record": "results/preflight/slides/a.json",
        "truth": "a.tsv",
        "features": "results/features/stain_texture/masked/a.h5",
        "slide": "a.svs",
    }
    found = planned().atlas.slide(of(procedure="potts", slide="c"))
    assert (found["thumbnail"], found["slide"]) == ("results/imported/thumbnails/c.jpg", [])


def test_without_typical_tiles_neither_pixels_nor_features_are_read() -> None:
    found = planned(atlas={"exemplars": 0}).atlas.slide(of(procedure="potts", slide="a"))
    assert not {"slide", "features"} & set(found)


def test_pooled_slides_are_shown_by_their_pool() -> None:
    plan = planned(variants=["full", POOLED])
    found = plan.atlas.slide(of(procedure="potts_pooled", slide="p"))
    assert set(found) == {"clusters", "coverage", "tumour", "traits", "thumbnail"}
    assert found["thumbnail"] == "results/pooled/stain_texture/masked/p.jpg"
    folders = plan.atlas.folders(of())
    assert folders == [
        *(f"results/atlas/slides/stain_texture/masked/potts/{slide}" for slide in "abc"),
        *(f"results/atlas/slides/stain_texture/masked/potts_pooled/{one}" for one in "pq"),
    ]


def test_scans_are_shown_with_slides_of_their_patient(folder: Path) -> None:
    (folder / "scans.tsv").write_text(
        "scan\tpatient\tct\tmask\ns2\tp\ta.nii\tm.nii\ns1\tp\ta.nii\tm.nii\ns3\tr\ta.nii\tm.nii\n"
    )
    plan = planned(variants=["full", POOLED], scans="scans.tsv")
    wanted = ["results/ct/s2.png", "results/ct/s1.png"]
    assert plan.atlas.slide(of(procedure="potts", slide="a"))["scans"] == wanted
    assert plan.atlas.slide(of(procedure="potts_pooled", slide="p"))["scans"] == wanted
    assert "scans" not in plan.atlas.slide(of(procedure="potts", slide="c"))


def test_variants_that_cluster_alike_share_their_folders() -> None:
    plan = planned(variants=["full", "no_tumor_filter"])
    assert len(plan.atlas.folders(of())) == 3
    first, second = plan.atlas.variants
    assert first["folder"] == second["folder"] == "stain_texture/masked/potts"
    assert (first["in_qupath"], second["in_qupath"]) == (True, False)


def test_analyses_stand_variant_by_variant() -> None:
    plan = planned(
        **CLINICAL, variants=["full", "no_potts"], analyses=[{"name": "x"}, {"name": "y"}]
    )
    wanted = [("x", "full"), ("y", "full"), ("x", "no_potts"), ("y", "no_potts")]
    assert plan.atlas.of_analyses(paths.PATIENTS) == [
        f"results/survival/{analysis}/{variant}/patients.tsv" for analysis, variant in wanted
    ]
    assert [one["name"] for one in plan.atlas.analyses] == ["x", "y"]
    assert planned().atlas.of_analyses(paths.PATIENTS) == planned().atlas.analyses == []


def test_slides_to_zoom_into_are_named_or_the_first_with_pixels() -> None:
    assert planned().atlas.zoomed == []
    assert planned(atlas={"pyramids": {"first": 5}}).atlas.zoomed == ["a", "b"]
    plan = planned(atlas={"pyramids": {"slides": ["b"], "um": 0.5}})
    assert plan.atlas.pyramids(of()) == ["results/atlas/pyramids/b"]
    assert plan.atlas.um_per_px == 0.5


@pytest.mark.parametrize(
    ("pyramids", "message"),
    [
        ({"slides": ["aa"]}, r"slide 'aa' is not in slides.tsv"),
        ({"slides": ["c"]}, "slide 'c' brings no pixels"),
    ],
)
def test_slides_that_cannot_be_zoomed_into_are_named(
    pyramids: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        planned(atlas={"pyramids": pyramids})


@pytest.mark.parametrize("pyramids", [{}, {"first": 1, "slides": ["a"]}])
def test_pyramids_are_asked_for_in_one_way(pyramids: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give either `slides` or `first`"):
        planned(atlas={"pyramids": pyramids})
