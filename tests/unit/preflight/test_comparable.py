from __future__ import annotations

from histohet.preflight.comparable import disagreeing_features, refuse_disagreeing
from histohet.preflight.outlook import Outlook
from histohet.slides.record import INCOMPARABLE, SlideRecord


def record_of(slide: str, encoder: str | None = None, width: int | None = None) -> SlideRecord:
    imported = None if width is None else "TRIDENT"
    return SlideRecord(slide, None, imported=imported, encoder=encoder, feature_width=width)


def test_features_of_one_encoder_agree_however_it_is_spelt() -> None:
    same = [
        record_of("a", "uni_v2", 1536),
        record_of("b", "mahmood-uni2", 1536),
        record_of("c", None, 1536),
        record_of("d"),
        SlideRecord("e", None, imported="STAMP"),
    ]
    assert disagreeing_features(same, "uni2h", 1536) == {}
    assert disagreeing_features(same, "uni2h", None) == {}
    assert disagreeing_features(same[:3], "stain_texture", 97) == {}
    assert disagreeing_features([], "x", 3) == {}


def test_the_slides_whose_features_are_others_are_named() -> None:
    many = [record_of(f"u{i}", "uni_v2", 1536) for i in range(3)]
    odd = record_of("v", "virchow2", 1280)
    found = disagreeing_features([odd, *many], "x", None)
    assert found == {
        "v": "features are of virchow2 with 1280 numbers per tile, those of 3 other slides of "
        "uni_v2 with 1536 numbers per tile: one cohort needs features of one encoder"
    }
    # Slides that are encoded here are the measure of the others, however many these are.
    assert set(disagreeing_features([*many, record_of("b")], "uni", 1024)) == {"u0", "u1", "u2"}
    assert set(disagreeing_features([*many, record_of("b")], "uni", None)) == {"u0", "u1", "u2"}
    unnamed = [record_of("a", None, 1024), record_of("b", None, 1000)]
    assert set(disagreeing_features(unnamed, "x", 1)) == {"b"}
    refused = SlideRecord("r", None, "a", status="refused", reason="no", encoder="z")
    assert disagreeing_features([refused, record_of("b")], "uni", None) == {}
    outlooks = refuse_disagreeing([Outlook(odd), Outlook(many[0])], found)
    assert [one.record.status for one in outlooks] == ["refused", "ok"]
    assert [one.consequence for one in outlooks] == [INCOMPARABLE, ""]
