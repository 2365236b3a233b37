from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest

from helpers.encoders import ColourBlocks, Greedy, made
from helpers.slidefiles import (
    break_tiff_tiles,
    gradient,
    write_aperio,
    write_jpeg_tiff,
    write_plain,
)
from helpers.tiletables import tile_table
from histohet.common.arrays import Float32, Ints, UInt8
from histohet.common.files import StorageError
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.encoders.base import EncoderOutOfMemory
from histohet.encoders.blocks import Blocks
from histohet.encoders.encode import (
    EncodingOptions,
    FittingEncoder,
    TooManyUnreadableError,
    encode_blocks,
    encode_slide,
)
from histohet.encoders.pixels import MaskSource, TileReader, TileSource
from histohet.encoders.workers import WorkerError, read_batches
from histohet.epithelium.base import MaskRules
from histohet.features.file import open_features
from histohet.features.partial import partial_features
from histohet.slides.frame import Frame
from histohet.slides.reader import SlideError
from histohet.tiles.file import TileTable
from histohet.tiles.settings import SINGLE


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TileSource:
    """A masked slide of 600 × 400 px, read as tiles of 100.5 px seen as 48."""
    folder = tmp_path_factory.mktemp("slide")
    slide = write_aperio(folder / "a.svs", gradient(600, 400), 0.25, 40)
    labels = np.zeros((200, 300), np.uint8)
    labels[:, 20:250] = 3
    mask = write_plain(folder / "mask.tif", labels)
    return TileSource(
        str(slide),
        100.5,
        48,
        mask=MaskSource(str(mask), MaskRules((3,)), Frame(0, 0, 600, 400), colour=(1, 2, 3)),
    )


@pytest.fixture(scope="module")
def coords() -> Ints:
    return np.random.default_rng(0).integers(0, (500, 300), (43, 2))


def encoded(path: Path, source: TileSource, coords: Ints, encoder: Any, **options: Any) -> Float32:
    with partial_features(path, {"of": "test"}) as rows:
        blocks = Blocks.of(coords, 1, SINGLE)
        encode_blocks(
            source, blocks, encoder, rows, EncodingOptions(**({"batch_size": 8} | options))
        )
        return np.concatenate(list(rows.vectors()))


@pytest.fixture(scope="module")
def expected(source: TileSource, coords: Ints, tmp_path_factory: pytest.TempPathFactory) -> Float32:
    """Tile by tile, in this process."""
    with source.open() as reader:
        tiles = [reader.read(x, y) for x, y in coords.tolist()]
    return ColourBlocks().encode(np.stack(tiles))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 1},
        {"batch_size": 8},
        {"batch_size": 64},
        {"workers": 1},
        {"workers": 3, "batch_size": 5},
        {"workers": 3, "batch_size": 2},
        {"workers": 2, "batch_size": 64},
        {"workers": 2, "in_workers": True},
        {"in_workers": True},
    ],
)
def test_batches_workers_and_where_it_is_encoded_change_nothing(
    source: TileSource, coords: Ints, expected: Float32, tmp_path: Path, options: dict[str, Any]
) -> None:
    found = encoded(tmp_path / "a.h5", source, coords, ColourBlocks(), **options)
    np.testing.assert_array_equal(found, expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_hand_on_a_mask_that_goes_with_its_tile(
    source: TileSource, coords: Ints, workers: int
) -> None:
    assert source.mask is not None
    apart = replace(source, mask=replace(source.mask, colour=None))
    batches = [b.tiles.copy() for b in read_batches(apart, coords, 10, workers)]
    found = np.concatenate(batches)
    with source.open() as filled:
        expected = np.stack([filled.read(x, y) for x, y in coords.tolist()])
    assert found.shape == (len(coords), 48, 48, 4)
    assert set(np.unique(found[..., 3])) == {0, 255}
    outside = found[..., 3] == 0
    np.testing.assert_array_equal(found[~outside, :3], expected[~outside])
    assert (expected[outside] == (1, 2, 3)).all()
    assert (found[outside, :3] != (1, 2, 3)).any()


def test_tiles_come_in_order_whatever_is_read_ahead(source: TileSource, coords: Ints) -> None:
    with source.open() as reader:
        tiles = np.stack([reader.read(x, y) for x, y in coords.tolist()])
    for ahead in (0, 1, 4):
        batches = [b.tiles.copy() for b in read_batches(source, coords, 10, 2, ahead)]
        np.testing.assert_array_equal(np.concatenate(batches), tiles)
    assert list(read_batches(source, coords[:0], 10, 2)) == []


def test_out_of_memory_halves_the_batch_and_loses_nothing(
    source: TileSource, coords: Ints, expected: Float32, tmp_path: Path
) -> None:
    greedy = Greedy(5)
    found = encoded(tmp_path / "a.h5", source, coords, greedy, batch_size=16, workers=1)
    np.testing.assert_array_equal(found, expected)
    # 16 and 8 do not fit, 4 does, and nothing larger is tried again.
    assert greedy.sizes == [16, 8] + [4] * 10 + [3]


def test_no_memory_for_one_tile_is_an_error() -> None:
    with pytest.raises(EncoderOutOfMemory):
        FittingEncoder(Greedy(0), 4).encode(np.zeros((4, 16, 16, 3), np.uint8))


def test_what_a_stopped_job_has_done_is_not_done_again(
    source: TileSource, coords: Ints, expected: Float32, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(RuntimeError, match="stop"):
        encoded(path, source, coords, Greedy(8, stop_after=3))
    again = Greedy(8)
    np.testing.assert_array_equal(encoded(path, source, coords, again), expected)
    assert again.sizes == [8, 8, 3]


@pytest.mark.parametrize("same_job", [True, False])
def test_a_job_that_outlived_its_snakemake_does_not_harm_the_next(
    tmp_path: Path, same_job: bool
) -> None:
    """Both write at once; that of other parameters keeps its rows to itself."""
    path, all_readable = tmp_path / "a.h5", np.ones(4, np.bool_)
    rows = np.arange(16 * 3, dtype=np.float32).reshape(4, 4, 3)
    of_old = rows if same_job else rows + 100
    with (
        partial_features(path, {"of": "a"}) as old,
        partial_features(path, {"of": "a" if same_job else "b"}) as new,
    ):
        old.append(all_readable, of_old[0])
        new.append(all_readable, rows[0])
        new.append(all_readable, rows[1])
        new.append(all_readable, rows[2])
        old.append(all_readable, of_old[1])
        new.append(all_readable, rows[3])
        old.append(all_readable, of_old[2])
        np.testing.assert_array_equal(np.concatenate(list(new.vectors())), rows.reshape(16, 3))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import json, sys, time
from pathlib import Path
from test_encode import *
class Slow(ColourBlocks):
    def encode(self, tiles):
        time.sleep(0.1)
        return super().encode(tiles)
source, coords = json.loads(sys.argv[1])
given = source["mask"]
given |= {"rules": MaskRules(**given["rules"]), "frame": Frame(*given["frame"])}
source = TileSource(**source | {"mask": MaskSource(**given)})
encoded(Path(sys.argv[2]), source, np.array(coords), Slow(), batch_size=4, workers=1)
"""


def test_a_killed_job_is_continued_and_its_workers_end(
    source: TileSource, coords: Ints, expected: Float32, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    job = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps([asdict(source), coords.tolist()]), str(path)],
        cwd=Path(__file__).parent,
    )
    while len(list(tmp_path.rglob("*.batch"))) < 5:
        assert job.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    job.send_signal(signal.SIGKILL)
    job.wait()
    again = Greedy(4)
    found = encoded(path, source, coords, again, batch_size=4)
    np.testing.assert_array_equal(found, expected)
    assert 0 < sum(again.sizes) < len(coords)
    deadline = time.monotonic() + 30
    while any(_runs(int(child)) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(children) == 1


def _runs(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("damage", ["cut", "flip", "zeros", "empty", "gone", "other"])
def test_what_a_kill_or_a_crash_damaged_is_done_again(
    source: TileSource, coords: Ints, expected: Float32, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(RuntimeError, match="stop"):
        encoded(path, source, coords, Greedy(8, stop_after=3))
    first, second, third = sorted(tmp_path.rglob("*.batch"), key=lambda batch: int(batch.stem))
    if damage == "cut":
        third.write_bytes(third.read_bytes()[:-100])
    elif damage == "flip":
        data = bytearray(second.read_bytes())
        data[len(data) // 2] ^= 1
        second.write_bytes(data)
    elif damage == "zeros":
        third.write_bytes(bytes(third.stat().st_size))
    elif damage == "empty":
        third.write_bytes(b"")
    elif damage == "gone":
        second.unlink()
    else:
        first.parent.rename(first.parent.with_name("of_other_parameters"))
    again = Greedy(8)
    np.testing.assert_array_equal(encoded(path, source, coords, again), expected)
    begun = {"flip": 8, "gone": 8, "other": 0}.get(damage, 16)
    assert sum(again.sizes) == len(coords) - begun
    assert list(tmp_path.iterdir()) == []


def test_other_batches_begin_anew(source: TileSource, coords: Ints, tmp_path: Path) -> None:
    """So that tiles are encoded in the same company as without interruption."""
    tiles, index = table(coords), np.arange(len(coords))

    def write(encoder: Any, batch_size: int) -> None:
        about = (tmp_path / "a.h5", tiles, index, source, encoder, Provenance(), {})
        encode_slide(*about, EncodingOptions(batch_size))

    with pytest.raises(RuntimeError, match="stop"):
        write(Greedy(8, stop_after=3), 8)
    again = Greedy(8)
    write(again, 7)
    assert sum(again.sizes) == len(coords)


def test_a_worker_that_dies_ends_the_job_with_one_message(
    source: TileSource, coords: Ints, tmp_path: Path
) -> None:
    batches = read_batches(source, np.tile(coords, (50, 1)), 4, workers=2)
    next(batches)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"killed by signal 9 \(out of memory\?\)"):
        list(batches)


def test_what_a_worker_raises_is_told(source: TileSource, coords: Ints, tmp_path: Path) -> None:
    missing = replace(source, slide=str(tmp_path / "gone.svs"))
    for workers in (0, 2):
        with pytest.raises(SlideError, match=r"gone\.svs does not exist"):
            list(read_batches(missing, coords, 2, workers))
    wrong = replace(source, resampling="sharp")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'sharp' is not a valid Resampling"):
        list(read_batches(wrong, coords, 8, 2))


def test_a_bug_in_a_worker_is_reported_with_its_last_words(
    source: TileSource, coords: Ints
) -> None:
    bad = replace(source, side_px="wide")  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match=r"exit code 1: TypeError"):
        list(read_batches(bad, coords, 8, 2))


# A slide with holes ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[TileSource, Ints]:
    """8 × 8 tiles of 64 px in JPEG, three of which are damaged in the file."""
    folder = tmp_path_factory.mktemp("broken")
    slide = write_jpeg_tiff(folder / "a.svs", gradient(512, 512), 64)
    break_tiff_tiles(slide, [5, 6, 40])
    places = np.arange(8) * 64
    ys, xs = np.meshgrid(places, places, indexing="ij")
    return TileSource(str(slide), 64.0, 64), np.stack([xs.ravel(), ys.ravel()], axis=1)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_undecodable_tiles_are_left_out_and_the_others_are_as_ever(
    broken: tuple[TileSource, Ints], tmp_path: Path, workers: int
) -> None:
    source, coords = broken
    whole = write_jpeg_tiff(tmp_path / "whole.svs", gradient(512, 512), 64)
    sound = encoded(tmp_path / "w.h5", replace(source, slide=str(whole)), coords, ColourBlocks())
    with partial_features(tmp_path / "b.h5", {}) as rows:
        options = EncodingOptions(7, workers, max_bad_tiles=0.05)
        encode_blocks(source, Blocks.of(coords, 1, SINGLE), ColourBlocks(), rows, options)
        assert rows.unreadable == [5, 6, 40]
        found = np.concatenate(list(rows.vectors()))
    np.testing.assert_array_equal(found, np.delete(sound, [5, 6, 40], axis=0))


def test_too_many_undecodable_tiles_fail_the_slide(
    broken: tuple[TileSource, Ints], tmp_path: Path
) -> None:
    source, coords = broken
    for share in (0.04, 0.0):
        with pytest.raises(TooManyUnreadableError, match=r"encoding\.max_bad_tiles") as error:
            encoded(tmp_path / "b.h5", source, coords, ColourBlocks(), max_bad_tiles=share)
        assert f"more than {share:.3g} of 64 tiles" in str(error.value)
        assert "region at (320, 0), level 0, cannot be read" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_tile_that_can_be_read_after_all_is_not_lost(
    broken: tuple[TileSource, Ints], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network storage fails at times: the job does, keeps what it has, and is run again."""
    source, coords = broken
    path = write_jpeg_tiff(tmp_path / "whole.svs", gradient(512, 512), 64)
    whole = replace(source, slide=str(path))
    sound = encoded(tmp_path / "w.h5", whole, coords, ColourBlocks())
    read = TileReader.read

    def read_with_a_gap(reader: TileReader, x: int, y: int) -> UInt8:
        if (x, y) == tuple(coords[20]):
            monkeypatch.setattr(TileReader, "read", read)
            raise SlideError("Input/output error")
        return read(reader, x, y)

    monkeypatch.setattr(TileReader, "read", read_with_a_gap)
    with pytest.raises(StorageError, match=r"whole\.svs: the tile at \(256, 128\)"):
        encoded(tmp_path / "b.h5", whole, coords, ColourBlocks(), max_bad_tiles=0.5)
    with partial_features(tmp_path / "b.h5", {"of": "test"}) as rows:
        assert 0 < rows.done <= 20
        assert rows.unreadable == []
    again = encoded(tmp_path / "b.h5", whole, coords, ColourBlocks(), max_bad_tiles=0.5)
    np.testing.assert_array_equal(again, sound)


# The whole file ----------------------------------------------------------------------------------


def table(coords: Ints) -> TileTable:
    return tile_table(coords, 0.5, (512, 512))


def test_feature_file_has_the_same_bytes_after_an_interruption_and_with_any_workers(
    broken: tuple[TileSource, Ints], tmp_path: Path
) -> None:
    source, coords = broken
    tiles, index = table(coords), np.arange(1, 64, 3)

    def write(encoder: Any, **options: Any) -> bytes:
        path = tmp_path / "features" / "a.h5"
        path.unlink(missing_ok=True)
        outcome = encode_slide(
            path,
            tiles,
            index,
            source,
            encoder,
            Provenance(),
            {},
            EncodingOptions(4, max_bad_tiles=0.1, **options),
        )
        assert outcome == Outcome(Status.OK, "1 of 21 tiles cannot be decoded and are left out")
        assert [file.name for file in path.parent.iterdir()] == ["a.h5"]
        return path.read_bytes()

    undisturbed = write(ColourBlocks())
    with open_features(tmp_path / "features" / "a.h5") as found:
        np.testing.assert_array_equal(found.unreadable_index, [40])
        np.testing.assert_array_equal(found.tile_index, np.setdiff1d(index, [40]))
        np.testing.assert_array_equal(found.tiles.coords, coords[found.tile_index])
        assert found.tiles.outcome.ok
        assert len(found.features) == 20
    with pytest.raises(RuntimeError, match="stop"):
        write(Greedy(8, stop_after=3))
    again = Greedy(8)
    assert write(again) == undisturbed
    # The batch after the third has the tile that cannot be decoded.
    assert again.sizes == [3, 4, 1]
    assert write(ColourBlocks(), workers=2) == undisturbed


def test_unmasked_tiles_are_encoded_as_by_plain_timm(tmp_path: Path) -> None:
    """`none`: the tile as Pillow has it, through timm's own evaluation transform and model."""
    timm = pytest.importorskip("histohet.encoders.networks").import_timm()
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    torch.manual_seed(1)
    arguments = {"img_size": 64, "patch_size": 16, "depth": 2}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **arguments).eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    config = {
        "kind": "timm",
        "name": "tiny",
        "model": "vit_tiny_patch16_224",
        "checkpoint": str(tmp_path / "w.safetensors"),
        "width": 192,
        "normalisation": "imagenet",
        "arguments": arguments,
    }
    image = np.random.default_rng(6).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    slide = write_aperio(tmp_path / "a.svs", image, 0.5, 20)
    places = np.array([[0, 0], [64, 0], [17, 33], [192, 192], [100, 5]])
    transform = timm.data.create_transform(
        (3, 64, 64),
        mean=timm.data.IMAGENET_DEFAULT_MEAN,
        std=timm.data.IMAGENET_DEFAULT_STD,
        crop_pct=1.0,
    )
    handle = openslide.OpenSlide(slide)
    with torch.inference_mode():
        crops = [handle.read_region((x, y), 0, (64, 64)).convert("RGB") for x, y in places.tolist()]
        expected = model(torch.stack([transform(crop) for crop in crops])).numpy()
    encoder = made(config, 64)
    source = TileSource(str(slide), 64.0, 64)
    for options in ({"batch_size": 1}, {"batch_size": 2, "workers": 2}, {"batch_size": 8}):
        found = encoded(tmp_path / "a.h5", source, places, encoder, **options)
        np.testing.assert_allclose(found, expected, atol=1e-5)
