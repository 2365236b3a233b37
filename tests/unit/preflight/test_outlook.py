from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from histohet.common.arrays import Float32
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.preflight.outlook import MeasuredMask, Outlook, foresee, read_outlooks, slide_table
from histohet.slides.record import SlideRecord
from histohet.slides.sheet import read_slide_sheet
from histohet.tiles.file import TileTable, lay_tiles, no_tiles
from histohet.tiles.settings import TileSpec
from histohet.tissue.share import leave_out_glass

SIZE = (2000, 2000)
SQUARE = shapely.box(0, 0, 2000, 2000)


def tiles_on(*pieces: shapely.Polygon) -> TileTable:
    return lay_tiles("a", TileSpec(), 0.5, SIZE, list(pieces), "tiles")


def foreseen(
    tiles: TileTable,
    coverage: Float32 | None = None,
    *,
    opened: SlideRecord | None = None,
    beside: SlideRecord | None = None,
    tissue: Outcome = OK,
    mask: Outcome = OK,
    on_tissue: float | None = 1.0,
    by_stain: bool = False,
) -> Outlook:
    record = opened or SlideRecord("a", "a.svs", mpp=0.5, width=2000, height=2000)
    return foresee(
        record,
        beside or record,
        tissue,
        tiles,
        None if coverage is None else MeasuredMask(coverage, mask, on_tissue),
        min_tiles=20,
        min_coverage=0.25,
        by_stain=by_stain,
        tolerance=0.1,
    )


def test_what_becomes_of_a_slide_is_foreseen_from_its_tiles() -> None:
    sound = foreseen(tiles_on(SQUARE))
    assert (sound.record.status, sound.consequence, sound.n_tissue_tiles) == ("ok", "", 64)
    small = foreseen(tiles_on(shapely.box(0, 0, 900, 900)))
    assert small.record.status == "too_few_tiles"
    assert small.record.reason == (
        "16 tiles on tissue, at least 20 are needed (clustering.min_tiles)"
    )
    assert small.consequence == "no result"
    rim = leave_out_glass(tiles_on(SQUARE), np.float32([1] * 12 + [0] * 52), 0.25).tiles
    assert foreseen(rim).record.reason == (
        "12 tiles on tissue, at least 20 are needed (clustering.min_tiles); 52 more are mostly "
        "glass (tiles.min_tissue_share)"
    )
    assert (foreseen(rim).n_tissue_tiles, foreseen(rim).n_glass_tiles) == (12, 52)
    assert sound.n_glass_tiles is None
    lost = Outcome(Status.NO_TISSUE, "no piece of tissue is large enough: …")
    nothing = foreseen(no_tiles("a", lost), tissue=lost)
    assert (nothing.record.outcome, nothing.consequence) == (lost, "no result")
    stained = foreseen(tiles_on(SQUARE), by_stain=True)
    assert stained.record.outcome.ok
    assert stained.consequence == "used if 20 of its 64 tiles are epithelium by the stain"
    pink = foreseen(tiles_on(SQUARE), tissue=Outcome(Status.OK, "98% is taken for tissue"))
    assert (pink.record.status, pink.record.notes) == ("ok", "98% is taken for tissue")


def test_a_core_that_is_small_for_its_tiles_is_told_which_settings_it_needs() -> None:
    def of_core(mpp: float) -> str:
        core = SlideRecord("a", "a.svs", mpp=mpp, width=2000, height=2000, core_diameter_um=500)
        return foreseen(tiles_on(shapely.box(0, 0, 900, 900)), opened=core).record.reason

    assert of_core(0.25) == (
        "16 tiles on tissue, at least 20 are needed (clustering.min_tiles); a whole core of 500 "
        "µm has some 15 tiles of 112 µm: set tiles.tile_um to 56, or clustering.min_tiles to 7"
    )
    # Its slide has no pixels for smaller tiles.
    assert of_core(0.5).endswith("112 µm: set clustering.min_tiles to 7")


def test_tiles_of_the_rim_are_foreseen_where_too_few_others_are_left() -> None:
    shares = np.float32([0.5] * 64)
    tiles = leave_out_glass(tiles_on(SQUARE), shares, 0.25, 0.75).tiles
    assert foreseen(tiles).record.notes == ""
    few = leave_out_glass(tiles_on(shapely.box(0, 0, 1000, 1000)), shares[:25], 0.25, 0.75).tiles
    found = foreseen(few)
    assert (found.record.status, found.consequence) == ("ok", "")
    assert found.record.notes == (
        "16 of 25 tiles are at the rim (tiles.rim_tissue_share): where whole tiles are clustered, "
        "9 are left, at least 20 are needed (clustering.min_tiles)"
    )


def test_what_becomes_of_a_slide_is_foreseen_from_its_mask() -> None:
    tiles = tiles_on(SQUARE)
    n_tiles = len(tiles.coords)
    half, few = np.float32([0.25, 0.3] * (n_tiles // 2)), np.float32([0.9] * 8 + [0.1] * 56)
    masked = foreseen(tiles, half, by_stain=True)
    assert (masked.record.status, masked.consequence) == ("ok", "")
    foretold = foreseen(tiles, few)
    assert foretold.record.status == "too_few_tiles"
    assert foretold.record.reason.startswith("8 tiles are more than 25% epithelium, at least 20")
    assert foretold.consequence == "no result where it is used"
    none = foreseen(tiles, np.zeros(n_tiles, np.float32))
    assert none.record.status == "no_epithelium"
    shifted = Outcome(Status.REFUSED, "only 30% of …")
    refused = foreseen(tiles, np.zeros(n_tiles, np.float32), mask=shifted, on_tissue=None)
    assert (refused.record.outcome, refused.consequence) == (shifted, "refused where it is used")


def test_the_share_of_a_mask_on_tissue_is_listed_below_nine_tenths() -> None:
    tiles = tiles_on(SQUARE)
    for share, note in ((0.9, ""), (0.62, "62% of the epithelium of the mask lies on tissue")):
        found = foreseen(tiles, np.ones(len(tiles.coords), np.float32), on_tissue=share)
        assert (found.mask_on_tissue, found.record.notes) == (share, note)


def test_what_is_refused_before_stays_refused() -> None:
    bad = SlideRecord("a", "a.svs", status="refused", reason="a.svs is empty")
    found = foreseen(no_tiles("a", bad.outcome), opened=bad)
    assert (found.record.reason, found.consequence) == ("a.svs is empty", "refused")
    beside = SlideRecord("a", "a.svs", mpp=0.5, status="refused", reason="attention: …")
    beside_bad = foreseen(tiles_on(SQUARE), beside=beside)
    assert beside_bad.consequence == "refused where it is used"


def test_all_that_is_wrong_is_told_once() -> None:
    tiles = tiles_on(SQUARE)
    nothing = np.zeros(len(tiles.coords), np.float32)
    mask_bad = Outcome(Status.REFUSED, "mask m.tif is too coarse")
    both = SlideRecord("a", "a.svs", mpp=0.5, status="refused", reason=f"{mask_bad.reason}; traits")
    found = foreseen(tiles, nothing, beside=both, mask=mask_bad)
    assert found.record.reason == "mask m.tif is too coarse; traits"
    traits = replace(both, reason="traits: …")
    found = foreseen(tiles, nothing, beside=traits, mask=mask_bad)
    assert found.record.reason == "traits: …; mask m.tif is too coarse"
    few = foreseen(tiles_on(shapely.box(0, 0, 900, 900)), nothing[:16], beside=traits)
    assert few.record.reason.endswith("needed (clustering.min_tiles); traits: …")
    assert (few.record.status, few.consequence) == ("too_few_tiles", "no result")


def test_outlooks_are_read_from_their_table(tmp_path: Path) -> None:
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.svs\nb\tb.svs\nc\tc.svs\n")
    sheet = read_slide_sheet(tmp_path / "slides.tsv")
    outlooks = [
        foreseen(tiles_on(SQUARE), np.ones(64, np.float32), on_tissue=0.7),
        Outlook(SlideRecord("b", "b.svs", status="refused", reason="no"), "refused"),
        Outlook(SlideRecord("c", "c.svs", mpp=0.5), "", 40, None, 3),
    ]
    write_tsv(tmp_path / "t.tsv", slide_table(outlooks, sheet), Provenance())
    assert read_outlooks(read_tsv(tmp_path / "t.tsv")) == outlooks
