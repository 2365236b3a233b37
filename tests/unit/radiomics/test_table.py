"""Features of scans, draw by draw, and the tables of a cohort."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histohet.common.outcome import OK, Outcome, SlideLost, Status
from histohet.common.provenance import Provenance
from histohet.ct.file import ScanImage
from histohet.ct.settings import CtSettings
from histohet.radiomics.engine import Identity, RegionError, RegionImage, make_engine
from histohet.radiomics.extract import (
    Draw,
    Extraction,
    extract,
    read_extraction,
    write_extraction,
)
from histohet.radiomics.names import TAGS, family_of, tag_of
from histohet.radiomics.settings import RadiomicsSettings
from histohet.radiomics.stability import measure_stability
from histohet.radiomics.table import (
    DifferentEnginesError,
    check_same,
    collect,
    phases_in_words,
    read_draws,
    read_features,
    write_table,
)

OURS = Identity("z-rad 26.9.0", {"bin_width_hu": 25.0, "spacing_mm": 2.0})
THEIRS = Identity("pyradiomics 3.0.1", {"bins": 32, "spacing_mm": 2.0})


class Counting:
    """An engine that counts voxels; it has no features of less than 30."""

    identity = OURS

    def extract(self, region: RegionImage) -> dict[str, float]:
        n = int(region.inside.sum())
        if n < 30:
            raise RegionError(f"region: {n} voxels")
        return {"morph_volume": float(n), "stat_mean": float(region.image[region.inside].mean())}


def image(*sides: int, outcome: Outcome = OK) -> ScanImage:
    """Cubes in a volume of 30³."""
    regions = {}
    for number, side in enumerate(sides):
        inside = np.zeros((30, 30, 30), bool)
        inside[10 : 10 + side, 10 : 10 + side, 10 : 10 + side] = True
        regions[f"r{number}"] = inside
    return ScanImage(np.full((30, 30, 30), 40, np.int16), (2.0, 2.0, 2.0), regions, outcome)


def drawn(scan: str, one: ScanImage, seed: int = 1, **settings: object) -> list[Draw]:
    return extract(scan, one, Counting(), RadiomicsSettings(**settings), seed)


def test_the_first_mask_counts_and_the_others_are_draws() -> None:
    found = drawn("a", image(6, 7, 5), perturbations=2)
    assert [(one.source, one.number) for one in found] == [
        ("mask", 0),
        ("reader", 1),
        ("reader", 2),
        ("perturbation", 1),
        ("perturbation", 2),
    ]
    assert [one.features["morph_volume"] for one in found[:3]] == [216, 343, 125]
    assert len({one.features["morph_volume"] for one in found}) == 5


def test_draws_depend_on_seed_and_scan_and_nothing_else() -> None:
    one = image(8)
    first = drawn("a", one)
    assert drawn("a", one) == first
    assert drawn("a", one, perturbations=2) == first[:3]
    assert drawn("b", one)[1:] != first[1:]
    assert drawn("a", one, seed=2)[1:] != first[1:]


def test_a_region_that_is_all_of_the_scan_has_no_boundary_to_move() -> None:
    everything = image(6)
    everything.regions["r0"][:] = True
    assert [one.source for one in drawn("a", everything)] == ["mask"]


def test_a_draw_without_features_is_left_out() -> None:
    assert [one.source for one in drawn("a", image(6, 2), perturbations=0)] == ["mask"]
    with pytest.raises(RegionError, match="8 voxels"):
        drawn("a", image(2, 6))
    lost = Outcome(Status.REFUSED, "mask: it is empty")
    with pytest.raises(SlideLost, match="mask: it is empty"):
        drawn("a", image(outcome=lost))


def extraction(scan: str, volume: float, identity: Identity = OURS) -> Extraction:
    draws = (
        Draw("mask", 0, {"morph_volume": volume, "stat_mean": math.nan}),
        Draw("perturbation", 1, {"morph_volume": volume + 1, "stat_mean": 3.0}),
    )
    return Extraction(scan, identity, draws, OK)


REFUSED = Extraction("b", OURS, (), Outcome(Status.REFUSED, "mask: it is empty"))
ABOUT = [
    {"patient": patient, "phase": phase, "batch": None, "scan_day": None}
    for patient, phase in (("p", "portal"), ("q", None), ("p", "arterial"))
]


def test_files_hold_what_was_extracted(tmp_path: Path) -> None:
    for one in (extraction("a", 3.5), REFUSED):
        write_extraction(tmp_path / "a.json", one, Provenance())
        found = read_extraction(tmp_path / "a.json")
        assert repr(found) == repr(one)


def test_every_scan_has_a_row_whatever_happened_to_it(tmp_path: Path) -> None:
    features, draws = collect([extraction("a", 10), REFUSED, extraction("c", 20)], ABOUT)
    write_table(tmp_path / "f.tsv", features.scans, OURS, Provenance({"seed": 1}))
    write_table(tmp_path / "d.tsv", draws, OURS, Provenance())
    found = read_features(tmp_path / "f.tsv")
    assert found.names == ("morph_volume", "stat_mean")
    assert found.identity == OURS
    assert found.scans["scan"].tolist() == ["a", "b", "c"]
    assert found.scans["status"].tolist() == ["ok", "refused", "ok"]
    assert found.scans["reason"].tolist()[1:] == [
        "mask: it is empty",
        "of patient 'p' scan 'a' counts, of phase 'portal', this one of 'arterial'",
    ]
    np.testing.assert_array_equal(found.scans["morph_volume"], [10, np.nan, 20])
    table, names = read_draws(tmp_path / "d.tsv")
    assert names == found.names
    assert table["source"].tolist() == ["mask", "perturbation"] * 2


def test_several_contrast_phases_are_said() -> None:
    scans = [extraction("a", 10), extraction("b", 20), extraction("c", 30)]
    features, _ = collect(scans, ABOUT)
    assert phases_in_words(features.scans) == (
        "scans of several contrast phases: arterial (1), not said (1), portal (1); what depends on "
        "the contrast medium does not compare between them"
    )
    same = [{**row, "phase": "portal"} for row in ABOUT]
    features, _ = collect(scans, same)
    assert phases_in_words(features.scans) == ""
    assert features.scans["reason"].tolist() == ["", "", "of patient 'p' scan 'a' counts"]
    assert phases_in_words(collect([REFUSED], ABOUT[:1])[0].scans) == ""


def test_a_cohort_without_any_features_has_its_reasons() -> None:
    features, draws = collect([REFUSED], ABOUT[1:2])
    assert features.names == ()
    assert features.scans["reason"].tolist() == ["mask: it is empty"]
    assert draws.empty
    assert measure_stability(draws, ()).empty


def test_features_of_two_engines_are_not_put_together() -> None:
    with pytest.raises(DifferentEnginesError) as error:
        collect([extraction("a", 1), extraction("s7", 2, THEIRS)], ABOUT[:2])
    assert str(error.value) == (
        "features of scan 's7' come from pyradiomics 3.0.1, 32 bins, spacing_mm 2; those of scan "
        "'a' from z-rad 26.9.0, bins 25 HU, spacing_mm 2: take one of them for all"
    )
    check_same(OURS, replace(OURS), "a", "b")
    with pytest.raises(DifferentEnginesError):
        check_same(OURS, Identity(OURS.engine, {**OURS.settings, "spacing_mm": 1.0}), "a", "b")


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "radiomics.featureextractor", None)
    with pytest.raises(ModuleNotFoundError, match="needs PyRadiomics"):
        make_engine(RadiomicsSettings(engine="paper"), CtSettings())


def test_names_have_families_and_tags() -> None:
    assert family_of("cm_inv_diff_mom_3D_comb") == family_of("original_glcm_Idm") == "GLCM"
    assert tag_of("original_glcm_Idm") == "cm_inv_diff_mom_3D_avg"
    assert tag_of("original_glcm_MCC") == ""
    assert tag_of("morph_volume") == "morph_volume"
    assert len(TAGS) == len(set(TAGS.values())) == 102
    assert family_of("stage") == family_of("original_odd_Thing") == "other"
    assert {family_of(tag) for tag in TAGS.values()} == {family_of(name) for name in TAGS}
