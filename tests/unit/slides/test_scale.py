from __future__ import annotations

from dataclasses import replace

import pytest

from histohet.slides.reader import SlideInfo
from histohet.slides.scale import ScaleUnknownError, resolve_scale, resolve_scale_of_features

INFO = SlideInfo("aperio", ((100, 100),), 0.5, 0.5, 20.0, (0, 0, 100, 100))
SILENT = replace(INFO, mpp_x=None, mpp_y=None, objective_power=None)


def test_file_counts_first_then_the_sheet() -> None:
    assert resolve_scale(INFO, None).source == "file"
    assert resolve_scale(INFO, 0.51).mpp == 0.5
    assert resolve_scale(SILENT, 0.78).source == "sheet"
    assert resolve_scale(SILENT, 0.78).mpp == 0.78


def test_without_a_source_there_is_no_default() -> None:
    with pytest.raises(ScaleUnknownError, match="give `mpp` in the slide sheet"):
        resolve_scale(SILENT, None)


def test_objective_alone_gives_no_scale() -> None:
    with pytest.raises(ScaleUnknownError):
        resolve_scale(replace(SILENT, objective_power=40.0), None)


def test_disagreement_is_reported_and_the_preferred_source_counts() -> None:
    of_file = resolve_scale(INFO, 0.25)
    assert of_file.mpp == 0.5
    assert any(
        "0.5 in the file and 0.25 in the sheet; the file counts" in c for c in of_file.conflicts
    )
    of_sheet = resolve_scale(INFO, 0.25, prefer="sheet")
    assert of_sheet.mpp == 0.25
    assert any("the sheet counts" in c for c in of_sheet.conflicts)
    assert resolve_scale(INFO, 0.51).conflicts == ()


@pytest.mark.parametrize("absurd", [0.0, -0.25, 1000.0, 0.001])
def test_absurd_values_are_ignored_aloud(absurd: float) -> None:
    scale = resolve_scale(replace(INFO, mpp_x=absurd, mpp_y=absurd), 0.5)
    assert scale.source == "sheet"
    assert any("not credible" in c for c in scale.conflicts)
    with pytest.raises(ScaleUnknownError, match="not credible"):
        resolve_scale(replace(INFO, mpp_x=absurd, mpp_y=absurd), None)


@pytest.mark.parametrize(
    ("power", "mpp", "sound"),
    [(40, 0.2527, True), (20, 0.499, True), (40, 0.5, False), (20, 0.25, False), (10, 1.0, True)],
)
def test_objective_is_checked_against_mpp(power: float, mpp: float, sound: bool) -> None:
    info = replace(INFO, mpp_x=mpp, mpp_y=mpp, objective_power=power)
    assert (resolve_scale(info, None).conflicts == ()) is sound


def test_oblong_pixels_are_refused_unless_the_sheet_is_to_be_believed() -> None:
    oblong = replace(INFO, mpp_x=0.4, mpp_y=0.6)
    for sheet_mpp in (None, 0.5):
        with pytest.raises(ScaleUnknownError, match=r"not square: mpp 0\.4 × 0\.6.*resample"):
            resolve_scale(oblong, sheet_mpp)
    scale = resolve_scale(oblong, 0.5, prefer="sheet")
    assert (scale.mpp, scale.source) == (0.5, "sheet")
    assert any("not square" in c for c in scale.conflicts)
    assert resolve_scale(replace(INFO, mpp_x=0.4990, mpp_y=0.5025), None).conflicts == ()
    assert resolve_scale(replace(INFO, mpp_y=None), None).mpp == 0.5


def test_features_of_another_scale_are_told_what_file_and_sheet_say() -> None:
    with pytest.raises(
        ScaleUnknownError, match=r"0\.5 in the file and 0\.25 in the sheet.*0\.25 in"
    ):
        resolve_scale_of_features(0.25, INFO, 0.25)
