"""The slides of a patient as one: positions, rows, what is left out and what refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from helpers.lattices import lattice
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file, open_features
from histohet.features.patients import Pool, PooledPart, pool_slides, pooled_thumbnail
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.neighbours import knn_edges
from histohet.tiles.settings import TileSpec

PROVENANCE = Provenance({}, {})
NO_TISSUE = Outcome(Status.NO_TISSUE, "white")
N_TILES = 12
GAP_UM = 1200.0


class Slides:
    """Feature files that stay open for the length of a test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack

    def part(
        self,
        slide: str,
        mpp: float = 0.5,
        width: int = 3,
        outcome: Outcome = OK,
        spec: TileSpec | None = None,
        attention: bool = True,
        sees_rim: bool = True,
    ) -> PooledPart:
        """Return a slide of 4 x 3 tiles, of which every second is encoded."""
        spec = spec or TileSpec()
        side = spec.side_px(mpp)
        places = lattice(4, 3)
        coords = np.floor(places * side).astype(np.int64)
        attributes = tile_attributes(slide, spec, mpp, (round(5 * side), round(3 * side)), "tiles")
        index = np.arange(0, N_TILES, 2) if outcome.ok else np.empty(0, np.int64)
        more = {"tissue_mm2": 1.5, "n_glass_tiles": 4}
        at_rim = places[:, 0] == 0 if sees_rim else None
        tiles = TileTable(coords, attributes | more, outcome, at_rim)
        vectors = np.random.default_rng(len(slide)).normal(size=(len(index), width))
        path = self.folder / f"{slide}.h5"
        with feature_file(path, tiles, index, width, "enc", PROVENANCE, np.array([1])) as file:
            file.append(vectors.astype(np.float32))
        coverage = np.linspace(0, 1, N_TILES, dtype=np.float32)
        scores = coverage + mpp if attention else None
        return PooledPart(
            slide, self.stack.enter_context(open_features(path)), coverage, scores, OK
        )


@pytest.fixture
def slides(tmp_path: Path) -> Iterator[Slides]:
    with ExitStack() as stack:
        yield Slides(tmp_path, stack)


def rows_of(pool: Pool) -> np.ndarray:
    return np.concatenate(list(pool.features()))


def test_rows_follow_the_slides_one_after_the_other(slides: Slides) -> None:
    parts = [slides.part("a"), slides.part("bb")]
    pool = pool_slides("p", parts, GAP_UM)
    assert len(pool.tiles.coords) == len(pool.coverage) == 2 * N_TILES
    own = np.arange(0, N_TILES, 2)
    np.testing.assert_array_equal(pool.tile_index, np.concatenate([own, own + N_TILES]))
    np.testing.assert_array_equal(pool.unreadable_index, [1, 1 + N_TILES])
    np.testing.assert_array_equal(
        rows_of(pool), np.concatenate([part.features.features[:] for part in parts])
    )
    np.testing.assert_array_equal(pool.coverage[N_TILES:], parts[1].coverage)
    assert pool.tumour is not None
    np.testing.assert_array_equal(pool.tumour[:N_TILES], parts[0].tumour)
    assert pool.tiles.attributes["tissue_mm2"] == 3.0
    assert pool.tiles.n_glass == 8
    at_rim = np.zeros((2, N_TILES), np.bool_)
    at_rim[:, own] = lattice(4, 3)[own, 0] == 0
    np.testing.assert_array_equal(pool.tiles.at_rim, at_rim.ravel())
    assert pool.tiles.attributes["tiles_from"] == "slides a, bb"


def test_a_slide_without_a_rim_has_none_among_others(slides: Slides) -> None:
    pool = pool_slides("p", [slides.part("a", sees_rim=False), slides.part("b")], GAP_UM)
    assert pool.tiles.at_rim is not None
    assert not pool.tiles.at_rim[:N_TILES].any()
    assert pool.tiles.at_rim[N_TILES:].any()


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.25, 0.5), (0.5, 0.2527)])
def test_slides_keep_their_shape_at_one_scale_and_are_no_neighbours(
    slides: Slides, first: float, second: float
) -> None:
    pool = pool_slides("p", [slides.part("a", first), slides.part("b", second)], GAP_UM)
    coords = pool.tiles.coords[pool.tile_index]
    half = len(coords) // 2
    um = coords * first
    np.testing.assert_allclose(um[half:] - um[half], um[:half] - um[0], atol=2 * max(first, second))
    assert um[half:, 0].min() >= um[:half, 0].max() + GAP_UM
    edges = knn_edges(coords, 8, 1.5 * pool.tiles.pitch_px)
    assert len(edges)
    assert ((edges < half).all(axis=1) | (edges >= half).all(axis=1)).all()
    assert coords.max() < max(
        int(pool.tiles.attributes[name]) for name in ("level0_width", "level0_height")
    )


def test_a_slide_without_result_is_named_and_left_out(slides: Slides) -> None:
    parts = [slides.part("lost", outcome=NO_TISSUE), slides.part("kept")]
    pool = pool_slides("p", parts, GAP_UM)
    assert [part.slide for part in pool.parts] == ["kept"]
    assert pool.tiles.attributes["tiles_from"] == "slides kept; without lost (no_tissue)"
    np.testing.assert_array_equal(rows_of(pool), parts[1].features.features[:])


def test_a_slide_whose_attention_failed_is_left_out(slides: Slides) -> None:
    part = slides.part("a")
    failed = PooledPart("a", part.features, part.coverage, part.tumour, NO_TISSUE)
    pool = pool_slides("p", [failed, slides.part("b")], GAP_UM)
    assert [part.slide for part in pool.parts] == ["b"]


def test_a_patient_without_results_says_why(slides: Slides) -> None:
    pool = pool_slides("p", [slides.part(name, outcome=NO_TISSUE) for name in ("a", "b")], GAP_UM)
    assert pool.tiles.outcome == Outcome(Status.NO_TISSUE, "a: white; b: white")
    assert len(pool.tile_index) == len(pool.coverage) == 0


def test_attention_counts_if_all_slides_have_it(slides: Slides) -> None:
    assert (
        pool_slides("p", [slides.part("a"), slides.part("b", attention=False)], GAP_UM).tumour
        is None
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"width": 4}, "embeddings of 3 and of 4"),
        ({"spec": TileSpec(tile_um=256, tile_px=256)}, "tiles of "),
    ],
)
def test_slides_of_different_kinds_refuse_the_patient(
    slides: Slides, other: dict[str, object], message: str
) -> None:
    parts = [slides.part("a"), slides.part("b", **other)]  # type: ignore[arg-type]
    pool = pool_slides("p", parts, GAP_UM)
    assert pool.tiles.outcome.status is Status.REFUSED
    assert "slides 'a' and 'b' cannot be pooled" in pool.tiles.outcome.reason
    assert message in pool.tiles.outcome.reason


def test_thumbnail_has_every_slide_where_its_tiles_are(slides: Slides) -> None:
    pool = pool_slides("p", [slides.part("a", 0.5), slides.part("b", 0.25)], GAP_UM)
    red, blue = (np.zeros((30, 50, 3), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = 255, 255
    whole = pooled_thumbnail(pool, [red, blue])
    scale = whole.shape[1] / int(pool.tiles.attributes["level0_width"])
    for row, colour in ((0, (255, 0, 0)), (len(pool.tile_index) - 1, (0, 0, 255))):
        centre = (pool.tiles.coords[pool.tile_index[row]] + pool.tiles.side_px / 2) * scale
        x, y = centre.astype(int)
        assert tuple(whole[y, x]) == colour
    assert (whole == 255).all(axis=2).any()
