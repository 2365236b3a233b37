"""Generated slides: what is planted is what the files hold."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import openslide
import pandas as pd
import pytest
import pyvips
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_score

from histohet.phantoms.cells import Discs, Nuclei, make_mucin, make_nuclei
from histohet.phantoms.colour import _density, _light_table, _transmit
from histohet.phantoms.fields import (
    nearest_seed,
    periodic_noise,
    sample,
    smooth_noise,
    throw_darts,
)
from histohet.phantoms.layout import PITCH_UM, Layout, _join, make_layout
from histohet.phantoms.paint import paint_block
from histohet.phantoms.phenotype import (
    ARCHITECTURAL,
    CELLULAR,
    NAMES,
    PATTERNS,
    TRAITS,
    Scores,
    subclone_scores,
    value,
)
from histohet.phantoms.plan import MAX_SUBCLONES, PhantomPlan, plan_cohort
from histohet.phantoms.render import (
    Phantom,
    design_phantom,
    generators,
    make_canvas,
    render_phantom,
    write_phantom,
)
from histohet.phantoms.settings import PhantomSettings
from histohet.phantoms.territory import TUMOUR, Territory
from histohet.phantoms.truth import count_per_tile

TILES = 60
FILES = ("slide", "labels", "attention", "truth")


class Made(NamedTuple):
    plan: PhantomPlan
    phantom: Phantom
    files: dict[str, Path]


def small_plan(
    *, objective: int = 20, n_subclones: int = 3, seed: int = 5, **changes: object
) -> PhantomPlan:
    settings = PhantomSettings(
        n_slides=1, epithelial_tiles=TILES, seed=seed, share_40x=float(objective == 40)
    )
    (plan,) = plan_cohort(settings)
    plain = {"n_subclones": n_subclones, "pen": None, "blurred_patches": 0}
    return dataclasses.replace(plan, **(plain | changes))


def make(plan: PhantomPlan, folder: Path) -> Made:
    phantom = render_phantom(plan)
    suffixes = (".svs", "_labels.tif", "_attention.csv", "_truth.tsv")
    files = {
        role: folder / f"{plan.slide}{suffix}" for role, suffix in zip(FILES, suffixes, strict=True)
    }
    write_phantom(phantom, plan, **files)
    return Made(plan, phantom, files)


@pytest.fixture(scope="module")
def at_20x(tmp_path_factory) -> Made:
    return make(small_plan(), tmp_path_factory.mktemp("x20"))


@pytest.fixture(scope="module")
def at_40x(tmp_path_factory) -> Made:
    return make(small_plan(objective=40), tmp_path_factory.mktemp("x40"))


@pytest.fixture(scope="module", params=["at_20x", "at_40x"])
def made(request) -> Made:
    return request.getfixturevalue(request.param)


def read_labels(made: Made) -> np.ndarray:
    picture = pyvips.Image.new_from_file(str(made.files["labels"]))
    assert (picture.bands, picture.format) == (1, "uchar")
    return picture.numpy()


# Files


def test_openslide_takes_the_slide_for_aperio(made):
    with openslide.OpenSlide(made.files["slide"]) as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == made.plan.mpp
        assert float(slide.properties["openslide.mpp-y"]) == made.plan.mpp
        assert int(slide.properties["openslide.objective-power"]) == made.plan.objective
        assert slide.level_count >= 4
        assert slide.level_downsamples == pytest.approx(
            [2.0**level for level in range(slide.level_count)], rel=0.02
        )
        height, width = made.phantom.image.shape[:2]
        assert slide.dimensions == (width, height)
        corner = (width // 2 - 256, height // 2 - 256)
        seen = np.asarray(slide.read_region(corner, 0, (512, 512)).convert("RGB"), float)
    painted = made.phantom.image[corner[1] : corner[1] + 512, corner[0] : corner[0] + 512]
    assert np.abs(seen - painted).mean() < 6, "more than JPEG compression loses"


def test_same_plan_same_bytes(at_20x, tmp_path):
    again = make(at_20x.plan, tmp_path)
    for role in FILES:
        assert again.files[role].read_bytes() == at_20x.files[role].read_bytes(), role


def test_another_seed_makes_another_slide(at_20x):
    other = design_phantom(dataclasses.replace(at_20x.plan, seed=at_20x.plan.seed + 1))
    assert not other.truth.equals(at_20x.phantom.truth)


def test_label_image_holds_the_classes_at_its_scale(made):
    labels = read_labels(made)
    assert np.array_equal(labels, made.phantom.labels)
    assert set(np.unique(labels)) == {0, 1, 3, 12}
    height, width = made.phantom.image.shape[:2]
    assert labels.shape == (
        round(height / made.plan.label_downsample),
        round(width / made.plan.label_downsample),
    )


def test_tables_are_written_as_they_were_made(made):
    truth = pd.read_csv(made.files["truth"], sep="\t")
    pd.testing.assert_frame_equal(truth, made.phantom.truth)
    assert list(truth) == ["x", "y", "epithelium_fraction", "tumour_fraction", "subclone"]
    attention = pd.read_csv(made.files["attention"])
    pd.testing.assert_frame_equal(attention, made.phantom.attention)
    assert list(attention) == ["x_coord", "y_coord", "attention_value"]


# Truth


def test_truth_agrees_with_a_recount_of_the_label_image(made):
    labels, truth = read_labels(made), made.phantom.truth
    height, width = made.phantom.image.shape[:2]
    step = round(112 / made.plan.mpp)
    centre_x = (np.arange(labels.shape[1]) + 0.5) * width / labels.shape[1]
    centre_y = (np.arange(labels.shape[0]) + 0.5) * height / labels.shape[0]
    listed = {(tile.x, tile.y): tile for tile in truth.itertuples()}
    for y in range(0, height - step + 1, step):
        for x in range(0, width - step + 1, step):
            rows = (centre_y >= y) & (centre_y < y + step)
            columns = (centre_x >= x) & (centre_x < x + step)
            tile = labels[np.ix_(rows, columns)]
            if not tile.any():
                assert (x, y) not in listed
                continue
            expected = listed.pop((x, y))
            assert np.isin(tile, (3, 12)).mean() == pytest.approx(
                expected.epithelium_fraction, abs=6e-5
            )
            assert (tile == 12).mean() == pytest.approx(expected.tumour_fraction, abs=6e-5)
            normal, tumour = (tile == 3).sum(), (tile == 12).sum()
            if normal + tumour == 0:
                assert expected.subclone == -1
            elif normal > tumour:
                assert expected.subclone == 0
            else:
                assert 1 <= expected.subclone <= made.plan.n_subclones
    assert not listed, "truth lists tiles that the slide does not hold"


def test_counting_per_tile_against_brute_force():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 9, (37, 53), dtype=np.uint8)
    shape, mpp, tile_um = (101, 149), 0.37, 7.0
    counts, y, x = count_per_tile(codes, shape, tile_um, mpp)
    starts_y = [round(row * tile_um / mpp) for row in range(20)]
    starts_x = [round(column * tile_um / mpp) for column in range(20)]
    assert y.tolist() == [s for s, e in pairwise(starts_y) if e <= 101]
    assert x.tolist() == [s for s, e in pairwise(starts_x) if e <= 149]
    expected = np.zeros_like(counts)
    for (i, j), code in np.ndenumerate(codes):
        centre_y, centre_x = (i + 0.5) * 101 / 37, (j + 0.5) * 149 / 53
        row = max(k for k, start in enumerate(starts_y) if start <= centre_y)
        column = max(k for k, start in enumerate(starts_x) if start <= centre_x)
        if row < len(y) and column < len(x):
            expected[row, column, code] += 1
    assert np.array_equal(counts, expected)


@pytest.mark.parametrize("n_subclones", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_subclones_are_contiguous_and_the_tiles_suffice(n_subclones, seed):
    plan = small_plan(n_subclones=n_subclones, seed=seed)
    truth = design_phantom(plan).truth
    assert (truth["epithelium_fraction"] > 0.25).sum() >= TILES
    tumour = truth[truth["subclone"] > 0]
    assert set(tumour["subclone"]) == set(range(1, n_subclones + 1))
    step = round(112 / plan.mpp)
    lattice = np.zeros((truth["y"].max() // step + 1, truth["x"].max() // step + 1), int)
    lattice[tumour["y"] // step, tumour["x"] // step] = tumour["subclone"]
    for subclone in range(1, n_subclones + 1):
        region = lattice == subclone
        pieces, _ = ndimage.label(region, np.ones((3, 3)))
        assert np.bincount(pieces[region]).max() >= 0.8 * region.sum()
    assert (truth["subclone"] == 0).sum() >= 3, "no normal epithelium"


def test_attention_is_high_over_tumour_only(made):
    attention, labels = made.phantom.attention, made.phantom.labels
    step = round(256 / made.plan.mpp)
    height, width = made.phantom.image.shape[:2]
    assert (attention[["x_coord", "y_coord"]] % step == 0).all(axis=None)
    assert (attention["x_coord"] + step <= width).all()
    assert (attention["y_coord"] + step <= height).all()
    scale = height / labels.shape[0]
    shares = []
    for x, y in attention[["x_coord", "y_coord"]].itertuples(index=False):
        top, bottom, left, right = (int(n / scale) for n in (y, y + step, x, x + step))
        tile = labels[top:bottom, left:right]
        shares.append(((tile == 12).mean(), (tile > 0).mean()))
    tumour, tissue = np.array(shares).T
    assert tissue.min() > 0.03
    score = attention["attention_value"].to_numpy()
    assert score[tumour > 0.3].min() > score[tumour < 0.01].max()
    assert np.corrcoef(tumour, score)[0, 1] > 0.7
    assert score[tumour > 0.3].std() > 0.3, "a tumour score without noise"


# Picture


def test_glass_is_white_and_tissue_is_not(made):
    scale = made.plan.label_downsample
    labels = made.phantom.labels
    image = cv2.resize(made.phantom.image, labels.shape[::-1], interpolation=cv2.INTER_AREA).astype(
        float
    )
    clear = ndimage.distance_transform_edt(labels == 0) * scale * made.plan.mpp > 60
    white = np.array(made.plan.scanner.white)
    assert np.abs(np.median(image[clear], axis=0) - white).max() < 1.5
    epithelium = image[np.isin(labels, (3, 12))].mean(0)
    # Purple: least light in green, and much less than the glass.
    assert epithelium[1] < epithelium[0] - 20
    assert epithelium[1] < epithelium[2] - 20
    assert (epithelium < white - 20).all()


def test_both_magnifications_show_the_same_tissue():
    plan = small_plan(objective=40)
    design = design_phantom(plan)
    canvas = make_canvas(design.layout, design.scores, generators(plan)[1])
    at_40x = paint_block(canvas, 2000, 2000, (512, 512), 0.25)
    at_20x = paint_block(canvas, 1000, 1000, (256, 256), 0.5)
    for sharp, small in zip(at_40x, at_20x, strict=True):
        halved = cv2.resize(sharp, (256, 256), interpolation=cv2.INTER_AREA)
        assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.9
    detail = [cv2.Laplacian(picture, cv2.CV_32F).std() for picture in (at_40x[0], at_20x[0])]
    assert detail[0] > 0.2 * detail[1], "40x is not painted natively"


def test_blocks_join_without_seams():
    plan = small_plan()
    design = design_phantom(plan)
    canvas = make_canvas(design.layout, design.scores, generators(plan)[1])
    whole = paint_block(canvas, 300, 300, (600, 600), plan.mpp)
    for x0, y0 in ((300, 300), (461, 387), (700, 500)):
        part = paint_block(canvas, x0, y0, (200, 200), plan.mpp)
        for dye, piece in zip(whole, part, strict=True):
            assert np.array_equal(dye[y0 - 300 : y0 - 100, x0 - 300 : x0 - 100], piece)
    assert whole[0].max() > 1, "no nucleus in the block"


def test_light_follows_beer_and_lambert():
    plan = small_plan()
    shape = (3, 5)
    dyes = np.full(shape, 0.8, np.float32), np.full(shape, 0.5, np.float32)
    no_ink = np.zeros((1, 1), np.float32)
    seen = _transmit(*dyes, no_ink, _density(plan), _light_table(plan))
    stain = plan.stain
    density = 0.8 * stain.hematoxylin_strength * np.array(stain.hematoxylin)
    density += 0.5 * stain.eosin_strength * np.array(stain.eosin)
    expected = np.array(plan.scanner.white) * np.exp(-plan.scanner.gamma * density)
    assert np.abs(seen - expected).max() < 1


def test_pen_marks_colour_the_slide_and_leave_the_rest_alone(at_20x):
    marked = render_phantom(dataclasses.replace(at_20x.plan, pen="green"))
    assert np.array_equal(marked.labels, at_20x.phantom.labels)
    assert marked.truth.equals(at_20x.phantom.truth)
    change = marked.image.astype(int) - at_20x.phantom.image
    inked = change.min(axis=2) < -40
    assert 0.001 < inked.mean() < 0.2
    mean = marked.image[inked].mean(axis=0)
    assert mean[1] > mean[0] + 30
    assert mean[1] > mean[2] + 15
    thumbnail = cv2.resize(inked.astype(np.float32), marked.labels.shape[::-1])
    assert (thumbnail[marked.labels > 0] > 0.5).any(), "no ink on tissue"
    assert (thumbnail[marked.labels == 0] > 0.5).any(), "no ink on glass"


def test_defocus_blurs_patches_only(at_20x):
    plan = dataclasses.replace(at_20x.plan, blurred_patches=2)
    blurred = render_phantom(plan).image[..., 1].astype(np.float32)
    sharp = at_20x.phantom.image[..., 1].astype(np.float32)
    tiles = [
        (cv2.Laplacian(blurred[y : y + 224, x : x + 224], cv2.CV_32F).std()
         / cv2.Laplacian(sharp[y : y + 224, x : x + 224], cv2.CV_32F).std())
        for x, y in at_20x.phantom.truth.query("epithelium_fraction > 0.25")[["x", "y"]].values
    ]  # fmt: skip
    assert min(tiles) < 0.5, "nothing is out of focus"
    assert np.median(tiles) > 0.95, "everything is out of focus"


# Subclones


def test_separation_scales_what_tells_subclones_apart():
    alike, one, two = (
        subclone_scores(5, separation, np.random.default_rng(0)) for separation in (0.0, 1.0, 2.0)
    )
    assert one.shape == (6, len(NAMES))
    assert np.ptp(alike[1:], axis=0).max() == 0
    np.testing.assert_allclose(two[1:] - alike[1:], 2 * (one[1:] - alike[1:]))
    np.testing.assert_array_equal(two[0], alike[0])


@pytest.mark.parametrize("seed", range(5))
def test_every_subclone_of_a_slide_grows_in_a_pattern_of_its_own(seed):
    alike, scores = (
        subclone_scores(MAX_SUBCLONES, separation, np.random.default_rng(seed))[1:]
        for separation in (0.0, 1.0)
    )
    grown = (scores - alike)[:, len(CELLULAR) :]
    patterns = np.array(
        [[pattern.get(name, 0.0) for name in ARCHITECTURAL] for pattern in PATTERNS.values()]
    )
    away = np.linalg.norm(grown[:, None] - patterns, axis=2)
    assert len(set(away.argmin(axis=1))) == MAX_SUBCLONES
    # Their own variation has a root mean square of 0.5 in each of ten traits.
    assert away.min(axis=1).max() < 2 * 0.5 * np.sqrt(len(ARCHITECTURAL))


def test_subclones_differ_in_architecture_and_not_in_their_cells():
    """Little of what the encoder `stain_texture` measures one by one tells subclones apart."""
    scores = np.array(
        [subclone_scores(5, 1.0, np.random.default_rng(seed))[1:] for seed in range(200)]
    )
    variance = scores.var(axis=1, ddof=1).mean(axis=0)
    cellular, architectural = variance[: len(CELLULAR)], variance[len(CELLULAR) :]
    np.testing.assert_allclose(cellular, 0.25, rtol=0.2)
    assert cellular.sum() < 0.1 * architectural.sum()
    # From patient to patient they vary as much.
    np.testing.assert_allclose(scores.mean(axis=1)[:, : len(CELLULAR)].var(), 0.3, rtol=0.2)


def test_patterns_name_traits_of_architecture_only():
    assert len(PATTERNS) >= MAX_SUBCLONES
    for name, pattern in PATTERNS.items():
        assert set(pattern) <= set(ARCHITECTURAL), name


def grow(name: str, score: float) -> tuple[Layout, Scores]:
    """A square of tumour with one trait off its typical value."""
    shape = (150, 150)
    land = Territory(
        np.full(shape, 500, np.float32), np.full(shape, TUMOUR, np.uint8), np.ones(shape, np.uint8)
    )
    scores = np.zeros((2, len(NAMES)))
    scores[1, NAMES.index(name)] = score
    # Cords and fibrovascular cores would hide how large glands are.
    for other in ("cords", "papillae", "cribriform"):
        if other != name:
            scores[1, NAMES.index(other)] = -4
    return make_layout(land, scores, np.random.default_rng(0)), scores


def _gland_share(layout: Layout) -> float:
    return float((layout.gland > 0).mean())


def _depth(layout: Layout) -> float:
    return float(layout.gland[layout.gland > 0].mean())


def _glands(layout: Layout) -> float:
    return float(cv2.connectedComponents((layout.gland > 0).astype(np.uint8))[0])


def _lumina(layout: Layout) -> float:
    return float(cv2.connectedComponents((layout.lumen > 0).astype(np.uint8))[0])


def _lumen_share(layout: Layout) -> float:
    return float((layout.lumen > 0).sum() / (layout.gland > 0).sum())


def _cleft_share(layout: Layout) -> float:
    beside = (layout.gland < -0.5) & (layout.gland > -3)
    return float((layout.matter[beside] < 0).mean())


@pytest.mark.parametrize(
    ("name", "measure", "grows"),
    [
        ("gland_radius_um", _glands, False),
        ("septum_um", _gland_share, False),
        ("cords", _glands, False),
        ("wall_um", _lumen_share, False),
        ("cribriform", _lumina, True),
        ("papillae", _depth, False),
        ("retraction", _cleft_share, True),
    ],
)
def test_glands_follow_their_architectural_traits(name, measure, grows):
    score = 7.0 if name == "papillae" else 2.0
    less, typical, more = (measure(grow(name, s)[0]) for s in (-score, 0.0, score))
    if not grows:
        less, more = more, less
    assert less <= typical <= more
    assert more > 1.2 * less


def test_nuclei_and_mucin_follow_their_architectural_traits():
    def nuclei_of(name: str, score: float) -> tuple[Nuclei, Layout]:
        layout, scores = grow(name, score)
        drift = np.zeros((len(CELLULAR), 80, 80), np.float32)
        none = Discs(*(np.empty(0, np.float32) for _ in range(3)))
        return make_nuclei(layout, scores, drift, none, np.random.default_rng(1)), layout

    def heights(score: float) -> np.ndarray:
        nuclei, layout = nuclei_of("nuclear_layer_um", score)
        depth = sample(layout.gland, np.stack([nuclei.x, nuclei.y], 1), PITCH_UM)
        # Epithelial nuclei are the only ones with an uneven middle.
        return depth[nuclei.vesicular > 0]

    layer = value("nuclear_layer_um", np.array([-2.0, 2.0]))
    low, high = heights(-2.0), heights(2.0)
    assert low.max() < 1.25 * layer[0]
    assert high.max() > 1.5 * low.max()

    def tilt(score: float) -> float:
        nuclei, layout = nuclei_of("tilt_rad", score)
        ours = nuclei.vesicular > 0
        points = np.stack([nuclei.x, nuclei.y], 1)[ours]
        along = sample(layout.along_x, points, PITCH_UM), sample(layout.along_y, points, PITCH_UM)
        return float(np.abs(np.cos(nuclei.angle[ours] - np.arctan2(along[1], along[0]))).mean())

    assert tilt(-2.0) > 0.95 > 0.85 > tilt(2.0)

    drops = [
        len(make_mucin(*grow("mucin", score), np.random.default_rng(1)).x) for score in (0.0, 5.0)
    ]
    assert drops[1] > 10 * max(drops[0], 1)


def test_cords_are_chains_of_one_kind():
    rng = np.random.default_rng(0)
    seeds = rng.uniform(0, 2000, (1500, 2))
    kind = (seeds[:, 0] // 500).astype(np.uint8)
    scores = np.zeros((4, len(NAMES)))
    scores[:, NAMES.index("cords")] = 9
    owner = _join(seeds, kind, scores, rng)
    assert (kind[owner] == kind).all()
    assert (owner[owner] == owner).all(), "who stands for a gland stands for itself"
    assert (owner[kind < 2] == np.flatnonzero(kind < 2)).all(), "only tumour grows in cords"
    cords = [seeds[owner == i] for i in np.unique(owner) if (owner == i).sum() > 3]
    axes = np.array([np.linalg.svd(cord - cord.mean(0), compute_uv=False) for cord in cords])
    assert len(cords) > 50
    assert np.median(axes[:, 0] / axes[:, 1]) > 3, "no longer than wide"
    scores[:, NAMES.index("cords")] = -9
    assert len(np.unique(_join(seeds, kind, scores, rng))) > 0.99 * len(seeds)
    few = rng.uniform(0, 100, (3, 2))
    assert _join(few, np.full(3, 2, np.uint8), scores, rng).tolist() == [0, 1, 2]


def test_traits_stay_in_their_range():
    scores = np.linspace(-6, 6, 50)
    for name, trait in TRAITS.items():
        values = value(name, scores)
        assert (np.diff(values) > 0).all()
        assert values.min() > 0
        assert value(name, np.zeros(1))[0] == pytest.approx(trait.typical)
        if trait.bounded:
            assert values.max() < 1


def describe(image: np.ndarray, labels: np.ndarray) -> list[float]:
    """Measure colour, nuclei and architecture of a tile as any simple method would."""
    density = -np.log((image.astype(np.float32) + 1) / 246)
    epithelium = labels >= 3
    red = cv2.GaussianBlur(density[..., 0], (0, 0), 1.2)
    level, _ = cv2.threshold(np.clip(red * 120, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    nuclei = (red * 120 > level) & epithelium
    areas = cv2.connectedComponentsWithStats(nuclei.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return [
        *density[epithelium].mean(0),
        *density[epithelium].std(0),
        *density[nuclei].mean(0),
        *density[epithelium & ~nuclei].mean(0),
        (density[..., 0] - red)[nuclei].std(),
        nuclei.sum() / epithelium.sum(),
        len(areas) / epithelium.sum(),
        float(np.median(areas)),
        epithelium.mean(),
        (labels == 0).mean(),
    ]


def separability(plan: PhantomPlan) -> float:
    """Cross-validated accuracy with which simple features tell the subclones of a slide apart."""
    phantom = render_phantom(plan)
    tiles = phantom.truth.query("epithelium_fraction > 0.25 and subclone > 0")
    labels = np.repeat(np.repeat(phantom.labels, 2, axis=0), 2, axis=1)
    features = [
        describe(phantom.image[y : y + 224, x : x + 224], labels[y : y + 224, x : x + 224])
        for x, y in tiles[["x", "y"]].to_numpy()
    ]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    scores = cross_val_score(model, np.array(features), tiles["subclone"], cv=4)
    return float(scores.mean())


def test_subclones_differ_by_as_much_as_the_separation_says():
    accuracy = {
        separation: np.mean(
            [
                separability(small_plan(seed=seed, separation=separation, epithelial_tiles=100))
                for seed in (1, 2)
            ]
        )
        for separation in (0.0, 1.0)
    }
    chance = 0.45  # the largest of three unequal subclones
    assert accuracy[0.0] < 0.65, "subclones differ although they should not"
    assert accuracy[1.0] > chance + 0.25, "nothing to find"
    assert accuracy[1.0] < 0.99, "too easy"
    assert accuracy[1.0] > accuracy[0.0] + 0.15


# Fields


def test_throwing_darts_against_brute_force():
    rng = np.random.default_rng(2)
    n = 400
    points = rng.uniform(0, 60, (n, 2))
    along, angle = rng.uniform(1, 4, n), rng.uniform(0, np.pi, n)
    across = along * rng.uniform(0.3, 1, n)
    kept: list[int] = []
    for i in range(n):
        dx, dy = (points[kept] - points[i]).T
        u = dx * np.cos(angle[i]) + dy * np.sin(angle[i])
        v = dy * np.cos(angle[i]) - dx * np.sin(angle[i])
        reach = (u / (along[i] + along[kept])) ** 2 + (v / (across[i] + across[kept])) ** 2
        if not (reach <= 1).any():
            kept.append(i)
    assert np.flatnonzero(throw_darts(points, along, across, angle)).tolist() == kept
    assert throw_darts(points[:0], along[:0], across[:0], angle[:0]).shape == (0,)


def test_nearest_seed_against_a_tree():
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 200, (60, 2))
    index, distance = nearest_seed(points, (100, 100), 2.0)
    y, x = (np.indices((100, 100)) + 0.5) * 2.0
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    exact, _ = cKDTree(points).query(pixels)
    # The 5 x 5 mask is exact to about 2 %; points are snapped to pixels of 2 µm.
    assert np.abs(distance.ravel() - exact).max() < 0.02 * exact.max() + 1.5
    chosen = np.linalg.norm(points[index.ravel()] - pixels, axis=1)
    assert (chosen - exact).max() < 0.03 * exact.max() + 3


def test_noise_is_standardised_smooth_and_periodic():
    rng = np.random.default_rng(4)
    noise = smooth_noise((400, 300), 20, rng)
    assert noise.shape == (400, 300)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.3
    assert 0.7 < noise.std() < 1.3
    assert np.abs(np.diff(noise, axis=1)).max() < 0.4
    tile = periodic_noise(64, 3.0, rng)
    assert tile.std() == pytest.approx(1, abs=1e-3)
    seam = np.abs(tile[:, 0] - tile[:, -1]).mean()
    inner = np.abs(np.diff(tile, axis=1)).mean()
    assert seam < 2 * inner
