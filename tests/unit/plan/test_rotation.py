"""Which cores are turned, by which encoders, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.planning import lay_out, of
from plan.interface import PlanError
from plan.plan import Plan, make_plan

SHEET = """slide\tpatient\tpath\ttruth\tfeatures
a\tp\ta.svs\ta.tsv\t
b\tp\tb.svs\t\t
c\tq\tc.svs\t\t
d\tr\t\t\td.h5
"""
D4 = {"name": "efficientnet_lite0", "symmetry": "d4"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = ("a.svs", "b.svs", "c.svs", "d.h5", "a.tsv")
    lay_out(tmp_path, {"slides.tsv": SHEET}, dict.fromkeys(files, 0))
    return tmp_path


def planned(**rotation: Any) -> Plan:
    section = {"encoders": ["stain_texture"], "cores": ["a", "b", "c"]} | rotation
    return make_plan({"slides": "slides.tsv", "rotation": section})


def test_without_the_section_nothing_is_turned() -> None:
    plan = make_plan({"slides": "slides.tsv"})
    rotation = plan.rotation
    assert rotation.wanted(of()) == []
    assert (rotation.cores, rotation.encoders, rotation.angles, rotation.comparison) == (
        *([], [], []),
        {},
    )
    assert list(plan.encoders.entries) == ["stain_texture"]


def test_a_network_that_turns_tiles_does_not_change_how_others_are_encoded() -> None:
    plan = planned(encoders=["stain_texture", D4])
    assert not plan.encoders.any_needs_torch(plan.variants.encoders)
    assert plan.encoders.any_needs_torch(plan.rotation.encoders)


def test_files_of_every_core_and_encoder() -> None:
    plan = planned(encoders=["stain_texture", D4], angles=[90, 45])
    rotation = plan.rotation
    assert rotation.encoders == ["stain_texture", "efficientnet_lite0_d4"]
    assert plan.encoders.parameters(of(encoder="efficientnet_lite0_d4"))["symmetry"] == "d4"
    assert rotation.angles == [0, 45, 90]
    assert rotation.wanted(of()) == [
        "results/rotation/consistency.tsv",
        *(f"results/rotation/pictures/{slide}.png" for slide in "abc"),
    ]
    assert rotation.labels(of(slide="b")) == [
        f"results/rotation/cores/{name}/b.labels.tsv" for name in rotation.encoders
    ]
    assert len(rotation.tables(of())) == 6
    assert rotation.shared(of()) == [
        f"results/rotation/shared/{name}.tsv" for name in rotation.encoders
    ]
    assert rotation.turned(of(encoder="stain_texture")) == [
        f"results/rotation/tiles/stain_texture/{slide}.h5" for slide in "abc"
    ]
    assert rotation.patients == {"a": "p", "b": "p", "c": "q"}
    assert rotation.truth(of(slide="a")) == "a.tsv"
    assert rotation.truth(of(slide="b")) == []
    assert rotation.truths == {"a": "a.tsv"}


def test_encoders_and_cores_do_not_matter_to_a_comparison() -> None:
    comparison = planned().rotation.comparison
    assert comparison == planned(encoders=[D4], cores=["a", "c"]).rotation.comparison
    assert set(comparison) == {"angles", "clusters", "smooth", "folds"}


def test_cores_are_the_first_of_each_patient_all_or_named(folder: Path) -> None:
    (folder / "slides.tsv").write_text("\n".join(SHEET.splitlines()[:-1]) + "\n")
    assert planned(cores="first").rotation.cores == ["a", "c"]
    assert planned(cores="all").rotation.cores == ["a", "b", "c"]
    assert planned(cores=["c", "a"]).rotation.cores == ["c", "a"]


def test_without_folds_a_single_patient_will_do() -> None:
    plan = planned(cores=["a", "b"], folds=None)
    assert plan.rotation.shared(of()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cores": ["x"]}, r"rotation.cores: slide 'x' is not in slides.tsv"),
        ({"cores": "all"}, r"rotation.cores: slide 'd' brings finished features, and pixels are"),
        ({"cores": ["a", "b"]}, r"rotation.folds: .* need two patients, and all cores are of 'p'"),
        (
            {"encoders": ["stain_texture", "stain_texture"]},
            r"rotation.encoders: 'stain_texture' comes",
        ),
        (
            {"encoders": ["stain_texture", {"name": "stain_texture", "kind": "stain_texture"}]},
            r"rotation.encoders: 'stain_texture' comes twice",
        ),
        ({"encoders": ["nobody"]}, r"rotation.encoders: encoder 'nobody' is not in the catalogue"),
        ({"encoders": ["conch_v1_5"]}, r"rotation.encoders: .*conch_v1_5' takes tiles of 448 px"),
    ],
)
def test_what_cannot_be_turned_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        planned(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": []}, "rotation.encoders"),
        ({"angles": [360]}, r"rotation.angles\[0\]"),
        ({"angles": [-30]}, r"rotation.angles\[0\]"),
        ({"angles": [30, 30.0]}, "rotation.angles"),
        ({"clusters": 1}, "rotation.clusters"),
        ({"folds": 1}, "rotation.folds"),
        ({"smooth": ["median"]}, "rotation.smooth"),
        ({"cores": "some"}, "rotation.cores"),
        ({"angels": [30]}, "angels"),
    ],
)
def test_mistakes_of_the_section_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planned(**changes)


def test_tokens_are_not_turned() -> None:
    dense = {"name": "efficientnet_lite0", "dense": {"tokens_um": 28, "margin": 0}}
    section = {"encoders": ["stain_texture"], "cores": ["a", "c"]}
    config = {"slides": "slides.tsv", "rotation": section}
    for changes in ({"rotation": section | {"encoders": [dense]}}, {"encoder": dense}):
        with pytest.raises(PlanError, match="whole tiles are turned"):
            make_plan(config | changes)


def test_an_encoder_of_another_section_keeps_its_name() -> None:
    own = {"kind": "timm", "name": "mine", "model": "resnet18", "width": 512}
    own |= {"normalisation": "half", "checkpoint": "one.safetensors"}
    section = {"encoders": [own | {"checkpoint": "two.safetensors"}], "cores": ["a", "c"]}
    config = {"slides": "slides.tsv", "encoder": own, "rotation": section}
    with pytest.raises(PlanError, match="'mine' has the name of another encoder"):
        make_plan(config)
    section["encoders"] = [own]
    assert make_plan(config).rotation.encoders == ["mine"]
