"""Stain segmentation of epithelium: windows change nothing, sheets are found, the rest is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import epithelium as bench
from helpers.slidefiles import write_plain
from histohet.common.arrays import Bools, Floats, UInt8
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.epithelium import segmentation as epithelium
from histohet.epithelium.labels import LabelImage
from histohet.epithelium.segmentation import (
    DEFAULT_THRESHOLD,
    FLOOR,
    HALO_PX,
    HALO_UM,
    HISTOGRAM_EDGES,
    SEGMENTATION_MPP,
    THRESHOLD_RANGE,
    EpitheliumModel,
    cohesion,
    fit_epithelium,
    label_grid,
    read_outcome,
    segment_epithelium,
    segment_slide,
    tissue,
    windows_on_tissue,
    write_labels,
)
from histohet.slides.frame import Frame
from histohet.slides.reader import open_slide
from histohet.tissue.stain import EOSIN, HEMATOXYLIN, StainModel, fit_stain, unmix

WHITE = 242.0
STAIN = StainModel(white=(WHITE, WHITE, WHITE), reference=(1.0, 0.8))
BLUE_INK = np.array([1.6, 1.0, 0.2])

Image = UInt8
Mask = Bools


def expose(density: Floats) -> Image:
    return np.clip(np.rint((WHITE + 1) * 10.0**-density - 1), 0, 255).astype(np.uint8)


def draw_section(height: int = 420, width: int = 520, seed: int = 1) -> tuple[Image, Mask, Mask]:
    """Glands with lumina in eosin-rich stroma sprinkled with lymphocytes; glass all around.

    Returns the image at 1 µm per pixel, the epithelium and the lumina.
    """
    rng = np.random.default_rng(seed)
    h = np.zeros((height, width))
    e = np.zeros((height, width))
    epithelium = np.zeros((height, width), np.uint8)
    lumen = np.zeros((height, width), np.uint8)
    for x, y in ((140, 130), (360, 140), (150, 300), (370, 300)):
        cv2.circle(epithelium, (x, y), 65, 1, -1)
        cv2.circle(lumen, (x, y), 25, 1, -1)
    body = np.zeros((height, width), np.uint8)
    body[30:-30, 30:-30] = 1
    h[body > 0], e[body > 0] = 0.02, 0.5
    h[epithelium > 0], e[epithelium > 0] = 0.4, 0.3
    for y, x in rng.uniform((30, 30), (height - 30, width - 30), (1400, 2)).astype(int):
        inside = epithelium[y, x] > 0
        cv2.circle(h, (int(x), int(y)), 5 if inside else 2, 0.75 if inside else 1.0, -1)
    glass = (body == 0) | (lumen > 0)
    h[glass] = e[glass] = 0
    density = h[..., None] * HEMATOXYLIN + e[..., None] * EOSIN
    rgb = expose(cv2.GaussianBlur(density, (0, 0), 0.8) + rng.normal(0, 0.01, density.shape))
    return rgb, (epithelium > 0) & ~glass, lumen > 0


def draw_noise(height: int, width: int, seed: int) -> Image:
    """Coarse and fine coloured noise with a stroke of ink: every filter has something to do."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 1, (height // 9 + 1, width // 9 + 1, 2)), (width, height))
    amount = coarse * rng.uniform(0.2, 1, (height, width, 2))
    density = 1.2 * amount[..., :1] * HEMATOXYLIN + 0.8 * amount[..., 1:] * EOSIN
    rgb = expose(density)
    cv2.line(rgb, (0, height // 3), (width, height // 2), expose(BLUE_INK).tolist(), 14)
    return rgb


SECTION, EPITHELIUM, LUMEN = draw_section()
NOISE = draw_noise(300, 340, seed=7)
NOISE_MODELS = (
    *(EpitheliumModel(STAIN, threshold) for threshold in (-0.98, -0.95, -0.92)),
    EpitheliumModel(STAIN, 0.57, "share"),
)
MODEL = EpitheliumModel(STAIN, threshold=-0.95)


def dice(a: Mask, b: Mask) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_glands_are_found_and_stroma_lymphocytes_and_lumina_are_not() -> None:
    model = fit_epithelium([SECTION], fit_stain(SECTION.reshape(-1, 3)))
    found = segment_epithelium(SECTION, model)
    assert (model.by, model.note) == ("cohesion", "")
    assert dice(found, EPITHELIUM) > 0.9
    assert found[LUMEN].mean() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_a_section_of_one_tissue_is_doubtful(seed: int) -> None:
    """Hematoxylin that varies as a normal random field does: there is nothing to be told apart."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(400, 500)), (0, 0), 12)
    amount = 0.6 + 0.12 * field / field.std()
    one_tissue = expose(amount[..., None] * HEMATOXYLIN + 0.3 * EOSIN)
    model = fit_epithelium([one_tissue], STAIN)
    assert (model.by, model.is_doubtful) == ("cohesion", True)
    assert "give a mask" in model.note
    assert not fit_epithelium([one_tissue], STAIN, min_explained=0).is_doubtful


@pytest.mark.parametrize("seed", range(3))
def test_epithelium_between_muscle_is_told_by_its_lack_of_eosin(seed: int) -> None:
    """The same nuclei in both, so that cohesion sees nothing."""
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(size=(700, 800)), (0, 0), 30)
    nuclei = cv2.GaussianBlur(rng.normal(size=field.shape), (0, 0), 6)
    amount = 0.4 + 0.12 * nuclei / nuclei.std()
    eosin = np.where(field > 0, 0.3, 0.7)
    model = fit_epithelium(
        [rgb := expose(amount[..., None] * HEMATOXYLIN + eosin[..., None] * EOSIN)], STAIN
    )
    assert (model.by, model.note) == ("share", "")
    found, epithelium_is = segment_epithelium(rgb, model), field > 0
    assert dice(found, epithelium_is) > 0.85
    by_cohesion = segment_epithelium(rgb, fit_epithelium([rgb], STAIN, 0))
    assert dice(by_cohesion, epithelium_is) < 0.75


def test_glass_is_never_epithelium() -> None:
    glass = np.ones(SECTION.shape[:2], bool)
    glass[30 - 6 : -30 + 6, 30 - 6 : -30 + 6] = False
    assert not segment_epithelium(SECTION, EpitheliumModel(STAIN, threshold=-9.0))[glass].any()


def test_a_marker_stroke_is_not_tissue_nor_epithelium() -> None:
    rgb = SECTION.copy()
    stroke = np.zeros(rgb.shape[:2], np.uint8)
    cv2.line(stroke, (60, 130), (460, 160), 1, 30)
    rgb[stroke > 0] = expose(BLUE_INK + 0.2 * HEMATOXYLIN)
    model = fit_epithelium([rgb], fit_stain(rgb.reshape(-1, 3)))
    assert not tissue(rgb, model.stain)[stroke > 0].any()
    assert not segment_epithelium(rgb, model)[stroke > 0].any()
    # What lies clear of the stroke is found as before.
    assert dice(segment_epithelium(rgb, model)[230:], EPITHELIUM[230:]) > 0.9


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 260),
    st.integers(0, 300),
    st.integers(1, 120),
    st.integers(1, 120),
    st.sampled_from(NOISE_MODELS),
)
def test_windows_with_a_halo_give_the_mask_of_the_whole(
    y: int, x: int, height: int, width: int, model: EpitheliumModel
) -> None:
    whole = segment_epithelium(NOISE, model)
    y1, x1 = min(y + height, NOISE.shape[0]), min(x + width, NOISE.shape[1])
    top, left = max(y - HALO_PX, 0), max(x - HALO_PX, 0)
    window = np.ascontiguousarray(NOISE[top : y1 + HALO_PX, left : x1 + HALO_PX])
    part = segment_epithelium(window, model)[y - top : y1 - top, x - left : x1 - left]
    np.testing.assert_array_equal(part, whole[y:y1, x:x1])
    # Not only the mask but the value under it, bit for bit.
    np.testing.assert_array_equal(
        cohesion(window, STAIN)[y - top : y1 - top, x - left : x1 - left],
        cohesion(NOISE, STAIN)[y:y1, x:x1],
    )


def test_the_windows_of_that_test_decide_something() -> None:
    for model in NOISE_MODELS:
        share = segment_epithelium(NOISE, model).mean()
        assert 0.02 < share < 0.98
    assert (~tissue(NOISE, STAIN)).any()


def test_the_halo_is_needed() -> None:
    """Change everything beyond the halo: the pixel stays. Change half the halo: it need not."""
    y, x = 150, 170
    far = np.random.default_rng(8).integers(0, 256, NOISE.shape, np.uint8)
    kept = far.copy()
    near = np.s_[y - HALO_PX : y + HALO_PX + 1, x - HALO_PX : x + HALO_PX + 1]
    kept[near] = NOISE[near]
    assert cohesion(kept, STAIN)[y, x] == cohesion(NOISE, STAIN)[y, x]
    assert segment_epithelium(kept, MODEL)[y, x] == segment_epithelium(NOISE, MODEL)[y, x]
    half = HALO_PX // 2
    nearer = np.s_[y - half : y + half + 1, x - half : x + half + 1]
    far[nearer] = NOISE[nearer]
    assert cohesion(far, STAIN)[y, x] != cohesion(NOISE, STAIN)[y, x]


def test_halo_in_micrometres() -> None:
    assert HALO_UM == HALO_PX * SEGMENTATION_MPP


def test_quarter_turns_and_flips_turn_the_mask() -> None:
    whole = segment_epithelium(SECTION, MODEL)
    for k in range(4):
        turned = np.ascontiguousarray(np.rot90(SECTION, k))
        np.testing.assert_array_equal(segment_epithelium(turned, MODEL), np.rot90(whole, k))
        flipped = np.ascontiguousarray(turned[:, ::-1])
        np.testing.assert_array_equal(
            segment_epithelium(flipped, MODEL), np.rot90(whole, k)[:, ::-1]
        )


def test_cohesion_of_a_uniform_field_in_closed_form() -> None:
    """Opening, closing and mean are all the same h: (h - floor) / (h + floor)."""
    rgb = np.tile(expose(0.6 * HEMATOXYLIN), (80, 90, 1))
    h = np.rint(160.0 * float(unmix(rgb, STAIN)[0][0, 0])) / 160
    floor = FLOOR
    np.testing.assert_allclose(cohesion(rgb, STAIN), (h - floor) / (h + floor), rtol=1e-12)
    np.testing.assert_array_equal(cohesion(np.full((9, 9, 3), 242, np.uint8), STAIN), -1.0)


def test_cohesion_stays_in_the_histogram() -> None:
    rng = np.random.default_rng(9)
    for rgb in (
        rng.integers(0, 256, (120, 120, 3), np.uint8),
        np.where(rng.uniform(size=(120, 120, 1)) < 0.003, np.uint8(0), np.uint8(255)).repeat(3, 2),
        np.zeros((40, 40, 3), np.uint8),
    ):
        values = cohesion(rgb, STAIN)
        assert values.min() >= HISTOGRAM_EDGES[0]
        assert values.max() <= HISTOGRAM_EDGES[-1]


def test_windows_of_a_sample_may_come_in_any_order_and_once() -> None:
    windows = [np.ascontiguousarray(SECTION[:, i : i + 130]) for i in (0, 130, 260, 390)]
    forward = fit_epithelium(iter(windows), STAIN)
    assert forward == fit_epithelium(iter(windows[::-1]), STAIN)
    assert THRESHOLD_RANGE[0] <= forward.threshold <= THRESHOLD_RANGE[1]


def test_threshold_is_kept_in_its_range() -> None:
    rng = np.random.default_rng(11)
    high = np.where(
        rng.uniform(size=(150, 150, 1)) < 0.5,
        expose(1.5 * HEMATOXYLIN),
        expose(1.3 * HEMATOXYLIN),
    )
    assert fit_epithelium([high], STAIN).threshold == THRESHOLD_RANGE[1]
    sparse = np.tile(expose(0.4 * EOSIN), (150, 150, 1))
    sparse[::13, :75:13] = expose(1.6 * HEMATOXYLIN)
    sparse[::13, 75::13] = expose(1.3 * HEMATOXYLIN)
    assert fit_epithelium([sparse], STAIN).threshold == THRESHOLD_RANGE[0]


@pytest.mark.parametrize(
    "windows", [[], [np.full((200, 200, 3), 242, np.uint8)], [SECTION[200:260, 60:120].copy()]]
)
def test_without_tissue_the_default_threshold_stands_in(windows: list[Image]) -> None:
    assert fit_epithelium(windows, STAIN) == EpitheliumModel(STAIN, DEFAULT_THRESHOLD)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 50, 3), (40, 2, 3)])
@pytest.mark.parametrize("value", [0, 120, 255])
def test_small_and_plain_images_pass(shape: tuple[int, int, int], value: int) -> None:
    rgb = np.full(shape, value, np.uint8)
    assert segment_epithelium(rgb, MODEL).shape == shape[:2]
    assert np.isfinite(cohesion(rgb, STAIN)).all()


def test_an_image_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="an image is uint8"):
        segment_epithelium(SECTION.astype(np.float32), MODEL)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an image is uint8"):
        fit_epithelium([SECTION[..., 0]], STAIN)


@pytest.mark.real
def test_glas_stays_as_good_as_measured(real_data: Path, tmp_path: Path) -> None:
    """Guards what tests/bench/epithelium.py measures: Dice 0.82 over stained tissue."""
    found, panels = bench.measure_glands(real_data / "epithelium" / "glas")
    mean = found["summary"]["all"]["mean"]
    assert mean["stained"]["dice"] > 0.815
    assert mean["stained"]["dice"] > mean["tissue stained"]["dice"] + 0.08
    by = [image["by"] for image in found["images"].values()]
    assert (by.count("cohesion"), by.count("doubtful")) == (8, 4)
    assert len(panels) == 12


@pytest.mark.real
@pytest.mark.parametrize(
    ("section", "by"), [("skin", "cohesion"), ("prostate", "share"), ("breast", "share")]
)
def test_carcinoma_of_breast_and_prostate_is_split_by_its_share_of_hematoxylin(
    real_data: Path, section: str, by: str
) -> None:
    """There cohesion is at chance or worse, docs/epithelium.md."""
    path, mpp = {
        "skin": ("slides/CMU-1-Small-Region.svs", 0.499),
        "prostate": ("cores/gleason2019/slide001_core059.png", 1.2),
        "breast": ("slides/TCGA-C8-A1HN_part.tif", 0.5),
    }[section]
    with open_slide(real_data / path) as slide:
        grid = label_grid(slide, mpp)
        everywhere = shapely.box(0, 0, slide.info.width, slide.info.height)
        model = epithelium.fit_slide(slide, grid, windows_on_tissue(grid, [everywhere]))
    assert model.by == by


# Whole slides -------------------------------------------------------------------------------------


PROVENANCE = Provenance({}, {"slide": "a.png"})


@pytest.fixture(scope="module")
def picture() -> UInt8:
    """Purple sheet of crowded nuclei on the left, pink with single nuclei on the right; 1 µm/px."""
    rng = np.random.default_rng(5)
    image = np.full((600, 900, 3), 245, np.uint8)
    image[50:550, 50:450] = (140, 95, 165)
    image[50:550, 450:850] = (235, 170, 200)
    ys, xs = np.mgrid[0:600, 0:900]
    for left, right, spacing, radius in ((60, 440, 12, 5), (460, 840, 30, 3)):
        places = np.mgrid[left:right:spacing, 60:540:spacing].reshape(2, -1).T
        for x, y in places + rng.integers(-2, 3, places.shape):
            near = (slice(y - 6, y + 7), slice(x - 6, x + 7))
            disc = (xs[near] - x) ** 2 + (ys[near] - y) ** 2 <= radius**2
            image[near][disc] = (80, 50, 120)
    noisy = image + rng.normal(0, 4, image.shape)
    return noisy.clip(0, 255).astype(np.uint8)


TISSUE = [shapely.box(50, 50, 850, 550)]


def test_sheet_is_epithelium_and_stroma_is_not(tmp_path: Path, picture: UInt8) -> None:
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        labels, model = segment_slide(slide, 1.0, TISSUE, label=7)
    assert model is not None
    assert labels.shape == (600, 900)
    assert set(np.unique(labels)) <= {0, 7}
    assert (labels[80:520, 80:420] == 7).mean() > 0.9
    assert (labels[80:520, 480:820] == 7).mean() < 0.1
    assert not labels[:40].any()


def test_windows_do_not_show(
    tmp_path: Path, picture: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the slide's own scale there is no resampling: windows must not change a single pixel."""
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        grid = label_grid(slide, 1.0)
        windows = windows_on_tissue(grid, TISSUE)
        assert len(windows) == 1
        model = epithelium.fit_slide(slide, grid, windows)
        ((_, whole),) = epithelium.segment_windows(slide, grid, windows, model)
        monkeypatch.setattr(epithelium, "WINDOW_PX", 170)
        pieces = np.zeros_like(whole)
        small = windows_on_tissue(grid, TISSUE)
        assert len(small) > 10
        for window, mask in epithelium.segment_windows(slide, grid, small, model):
            pieces[window.top : window.bottom, window.left : window.right] = mask
    inside = (slice(50, 550), slice(50, 850))
    np.testing.assert_array_equal(pieces[inside], whole[inside])


@pytest.mark.parametrize("mpp", [0.25, 0.499, 0.78])
def test_label_image_fits_its_slide_at_any_scale(
    tmp_path: Path, picture: UInt8, mpp: float
) -> None:
    with open_slide(write_plain(tmp_path / "a.png", picture)) as slide:
        labels, _ = segment_slide(slide, mpp, TISSUE, label=1)
    write_labels(tmp_path / "a.tif", labels, OK, PROVENANCE)
    mask = LabelImage(tmp_path / "a.tif", [1], Frame(0, 0, 900, 600))
    assert mask.scale == pytest.approx(1 / mpp, rel=0.01)


def test_only_windows_on_tissue_are_read(tmp_path: Path) -> None:
    with open_slide(
        write_plain(tmp_path / "a.png", np.full((3000, 3000, 3), 250, np.uint8))
    ) as slide:
        grid = label_grid(slide, 1.0)
        windows = windows_on_tissue(grid, [shapely.box(100, 100, 200, 1500)])
        assert windows == [(0, 0, 1024, 1024), (0, 1024, 1024, 2048)]
        labels, model = segment_slide(slide, 1.0, [], label=1)
    assert model is None
    assert not labels.any()


def test_outcome_and_provenance_travel_with_the_mask(tmp_path: Path) -> None:
    lost = Outcome(Status.UNREADABLE, "broken tile")
    write_labels(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), lost, PROVENANCE)
    assert read_outcome(tmp_path / "a.tif") == lost
    assert b'"slide": "a.png"' in (tmp_path / "a.tif").read_bytes()
    foreign = write_plain(tmp_path / "b.tif", np.zeros((4, 4), np.uint8))
    assert read_outcome(foreign) == OK


@pytest.mark.real
def test_skin_of_the_real_slide(real_data: Path) -> None:
    """Epidermis lies in the middle of CMU-1-Small-Region, dermis on its left."""
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide:
        labels, _ = segment_slide(slide, 0.499, [shapely.box(0, 0, 2220, 2967)], label=1)
    assert (labels[900:1050, 580:660] == 1).mean() > 0.8
    assert (labels[500:800, 440:520] == 1).mean() < 0.2
