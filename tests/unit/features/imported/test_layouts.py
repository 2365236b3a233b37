from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.featurefiles import write_atlaspatch, write_clam, write_stamp, write_trident
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file, open_features
from histohet.features.imported.layouts import (
    FeatureFileError,
    canonical_encoder,
    read_source,
    read_tile_positions,
)
from histohet.features.imported.placement import place_tiles
from histohet.features.imported.rows import check_repeats, read_rows
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.lattice import lattice
from histohet.tiles.settings import TileSpec

COORDS = np.array([[x, y] for y in (1024, 1536) for x in (512, 1024, 1536)])
FEATURES = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


def rows(path: Path, order: list[int], block_bytes: int = 40) -> np.ndarray:
    return np.concatenate(list(read_rows(read_source(path), np.array(order), block_bytes)))


@pytest.mark.parametrize("by_command_line", [True, False])
def test_trident(tmp_path: Path, by_command_line: bool) -> None:
    path = write_trident(tmp_path / "a.h5", FEATURES, COORDS, by_command_line=by_command_line)
    source = read_source(path)
    assert (source.layout, source.width, source.encoder) == ("TRIDENT", 5, "uni_v2")
    np.testing.assert_array_equal(source.positions, COORDS)
    facts = source.facts
    assert (facts.side_px, facts.tile_px, facts.overlap, facts.magnification) == (512, 256, 0, 40)
    assert (facts.mpp, facts.size) == (None, (20000, 20000))
    np.testing.assert_array_equal(rows(path, [4, 0, 5, 1]), FEATURES[[4, 0, 5, 1]])


def test_clam_has_lost_the_tile_size_and_its_patches_file_has_it(tmp_path: Path) -> None:
    features, patches = write_clam(
        tmp_path, "a", FEATURES, COORDS, patch_size=256, level=1, downsample=2.0
    )
    source = read_source(features)
    assert (source.layout, source.width, source.encoder) == ("CLAM", 5, None)
    assert source.facts.side_px is None
    tiles = read_tile_positions(patches)
    np.testing.assert_array_equal(tiles.positions, source.positions)
    assert (tiles.facts.side_px, tiles.facts.tile_px) == (512, 256)
    np.testing.assert_array_equal(rows(features, [0, 1, 2, 3, 4, 5]), FEATURES)


def test_stamp(tmp_path: Path) -> None:
    path = write_stamp(tmp_path / "a.h5", FEATURES, COORDS * 0.25, tile_size_um=128.0)
    source = read_source(path)
    assert (source.layout, source.width, source.encoder) == ("STAMP", 5, "mahmood-uni2")
    assert (source.facts.side_um, source.facts.tile_px) == (128, 224)
    np.testing.assert_array_equal(rows(path, [2, 0]), FEATURES.astype(np.float16)[[2, 0]])


def test_stamp_2_0_calls_the_tile_size_otherwise(tmp_path: Path) -> None:
    path = write_stamp(tmp_path / "a.h5", FEATURES, COORDS)
    with h5py.File(path, "a") as file:
        file.attrs["tile_size"] = file.attrs["tile_size_um"]
        del file.attrs["tile_size_um"]
        file.move("feats", "patch_embeddings")
    assert read_source(path).facts.side_um == 256
    with h5py.File(path, "a") as file:
        del file.attrs["unit"]
    with pytest.raises(FeatureFileError, match=r"STAMP before 2\.0 cannot be used"):
        read_source(path)


def test_atlaspatch(tmp_path: Path) -> None:
    path = write_atlaspatch(tmp_path / "a.h5", {"uni_v2": FEATURES}, COORDS)
    source = read_source(path)
    assert (source.layout, source.width, source.encoder) == ("AtlasPatch", 5, "uni_v2")
    assert (source.facts.side_px, source.facts.size) == (512, (20000, 20000))
    np.testing.assert_array_equal(source.positions, COORDS)
    np.testing.assert_array_equal(rows(path, [3]), FEATURES[[3]])
    two = write_atlaspatch(tmp_path / "b.h5", {"a": FEATURES, "b": FEATURES}, COORDS)
    with pytest.raises(FeatureFileError, match=r"one encoder, .* it holds a, b"):
        read_source(two)


def test_our_own_file_is_read_back_exactly(tmp_path: Path) -> None:
    spec, mpp = TileSpec(overlap_um=12), 0.2527
    coords = lattice(3000, 2000, spec, mpp)
    attributes = tile_attributes("a", spec, mpp, (3000, 2000), "tiles")
    index = np.arange(0, len(coords), 2)
    vectors = np.random.default_rng(1).normal(size=(len(index), 4)).astype(np.float32)
    table = TileTable(coords, attributes, OK)
    with feature_file(tmp_path / "a.h5", table, index, 4, "enc", Provenance()) as features:
        features.append(vectors)
    source = read_source(tmp_path / "a.h5")
    assert (source.layout, source.encoder, source.facts.mpp) == ("TRIDENT", "enc", mpp)
    placed = place_tiles(source, mpp)
    np.testing.assert_array_equal(placed.coords, coords[index])
    np.testing.assert_array_equal(placed.source_row, np.arange(len(index)))
    assert placed.side_px == 112 / mpp
    assert placed.pitch_px == pytest.approx(100 / mpp, abs=1e-9)
    with open_features(tmp_path / "a.h5") as found:
        np.testing.assert_array_equal(
            np.concatenate(list(read_rows(source, placed.source_row))),
            found.features[np.arange(len(index))],
        )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_precision_becomes_float32(tmp_path: Path, dtype: type) -> None:
    path = write_trident(tmp_path / "a.h5", FEATURES.astype(dtype), COORDS)
    found = rows(path, [0, 5, 3])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, FEATURES.astype(dtype)[[0, 5, 3]].astype(np.float32))


def test_a_batch_axis_is_dropped(tmp_path: Path) -> None:
    path = write_trident(tmp_path / "a.h5", FEATURES[None], COORDS)
    assert read_source(path).width == 5
    np.testing.assert_array_equal(rows(path, [5, 0]), FEATURES[[5, 0]])
    with h5py.File(path, "a") as file:
        attributes = dict(file["coords"].attrs)
        del file["coords"]
        file["coords"] = COORDS[None]
        file["coords"].attrs.update(attributes)
    np.testing.assert_array_equal(read_source(path).positions, COORDS)


def test_a_slide_without_tiles(tmp_path: Path) -> None:
    path = write_trident(tmp_path / "a.h5", np.empty((0, 5), np.float32), np.empty((0, 2)))
    source = read_source(path)
    assert (len(source.positions), source.width) == (0, 0)
    placed = place_tiles(source, 0.25)
    assert placed.coords.shape == (0, 2)


@given(st.permutations(range(40)), st.integers(1, 60), st.integers(1, 40))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_in_any_order_whatever_the_block(
    tmp_path: Path, order: list[int], block: int, count: int
) -> None:
    vectors = np.arange(120, dtype=np.float32).reshape(40, 3)
    path = tmp_path / "any.h5"
    if not path.exists():
        write_stamp(path, vectors, np.zeros((40, 2)))
    wanted = order[:count]
    np.testing.assert_array_equal(rows(path, wanted, block_bytes=12 * block), vectors[wanted])


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """40,000 × 512 float32 (82 MB) in blocks of 4 MB, in the worst order."""
    n, width = 40_000, 512
    with h5py.File(tmp_path / "a.h5", "w") as file:
        features = file.create_dataset("features", (n, width), "f4", chunks=(32, width))
        for first in range(0, n, 4000):
            features[first : first + 4000] = first
        file["coords"] = np.zeros((n, 2), np.int32)
    source = read_source(tmp_path / "a.h5")
    transposed = np.arange(n).reshape(200, 200).T.ravel()
    tracemalloc.start()
    total = sum(block.shape[0] for block in read_rows(source, transposed, 4 * 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == n
    assert peak < 30e6


def test_embeddings_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    vectors = FEATURES.copy()
    vectors[4, 2], vectors[2, 0] = np.nan, np.inf
    path = write_trident(tmp_path / "a.h5", vectors, COORDS)
    with pytest.raises(FeatureFileError, match="2 tiles are not finite, the first in row 2"):
        rows(path, [5, 4, 3, 2, 1, 0], block_bytes=10_000)
    huge = write_trident(tmp_path / "b.h5", np.full((6, 5), 1e300), COORDS)
    with pytest.raises(FeatureFileError, match="not finite"):
        rows(huge, [0])


def change(path: Path, edit: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "a") as file:
        edit(file)
    return path


def replaced(name: str, data: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = data
        file[name].attrs.update(attributes)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (replaced("features", FEATURES[:4]), "features of 4 tiles and coords of 6"),
        (replaced("features", FEATURES[0]), "not numbers"),
        (replaced("features", FEATURES.astype(int)), "features is int64"),
        (replaced("features", np.empty((6, 0), np.float32)), "tiles of no numbers"),
        (replaced("features", h5py.Empty("f4")), "not numbers"),
        (replaced("features", "text"), "not numbers"),
        (replaced("coords", COORDS[:, :1]), r"coords is int64 \(6, 1\)"),
        (replaced("coords", COORDS.astype("S5")), "coords is"),
        (replaced("coords", np.full((6, 2), np.nan)), "no positions on a slide"),
        (replaced("coords", np.full((6, 2), 2**62)), "no positions on a slide"),
        (lambda f: f.__delitem__("coords"), "features without coords"),
        (lambda f: f.__delitem__("features"), "belongs into the column `tiles`"),
        (lambda f: f.move("features", "embeddings"), "has coords and embeddings, but no dataset"),
        (lambda f: f.move("features", "x/y"), "belongs into the column `tiles`"),
        (lambda f: (f.move("features", "x"), f.move("coords", "y")), "it holds x, y"),
        (lambda f: f["coords"].attrs.__setitem__("patch_size_level0", "wide"), "not a number"),
        (lambda f: f["coords"].attrs.__setitem__("patch_size_level0", 0), "must be positive"),
        (lambda f: f["coords"].attrs.__setitem__("patch_size_level0", []), "not a number"),
        (lambda f: f["coords"].attrs.__setitem__("overlap", 300), "cannot overlap by 117%"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    tmp_path: Path, edit: Callable[[h5py.File], None], message: str
) -> None:
    path = change(write_trident(tmp_path / "a.h5", FEATURES, COORDS), edit)
    with pytest.raises(FeatureFileError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "chunks"),
    [
        ("coords", (10**12, 2), (1024, 2)),
        ("features", (6, 10**9), (1, 1024)),
        ("features", (6, 50_000), (6, 50_000 * 1024)),
    ],
)
def test_a_small_file_that_claims_gigabytes_is_refused_before_it_is_read(
    tmp_path: Path, name: str, shape: tuple[int, int], chunks: tuple[int, int]
) -> None:
    def claim(file: h5py.File) -> None:
        del file[name]
        dtype = np.int64 if name == "coords" else np.float32
        file.create_dataset(name, shape, dtype, chunks=chunks, maxshape=(None, None))

    path = change(write_trident(tmp_path / "a.h5", FEATURES, COORDS), claim)
    assert path.stat().st_size < 2**20
    with pytest.raises(FeatureFileError, match=rf"a\.h5: /{name} claims .*: that is no slide"):
        read_source(path)


def test_a_file_whose_data_lie_in_another_is_refused(tmp_path: Path) -> None:
    """Of it neither Snakemake nor the provenance would know; and it could be any file."""
    (tmp_path / "raw").write_bytes(FEATURES.tobytes())
    write_trident(tmp_path / "whole.h5", FEATURES, COORDS)
    virtual = h5py.VirtualLayout(FEATURES.shape, FEATURES.dtype)
    virtual[:] = h5py.VirtualSource(tmp_path / "whole.h5", "features", FEATURES.shape)
    outside: list[Callable[[h5py.File], object]] = [
        lambda f: f.create_dataset(
            "features", FEATURES.shape, "f4", external=[(str(tmp_path / "raw"), 0, FEATURES.nbytes)]
        ),
        lambda f: f.create_virtual_dataset("features", virtual),
        lambda f: f.__setitem__("features", h5py.ExternalLink(tmp_path / "whole.h5", "features")),
    ]
    for put_outside in outside:
        path = write_trident(tmp_path / "a.h5", FEATURES, COORDS)
        change(path, lambda f: f.__delitem__("features"))
        change(path, put_outside)
        with pytest.raises(FeatureFileError, match="/features is kept in another file: give the w"):
            read_source(path)


def test_features_of_a_whole_slide_or_patient_are_refused(tmp_path: Path) -> None:
    path = write_stamp(tmp_path / "a.h5", FEATURES, COORDS)
    change(path, lambda f: f.attrs.__setitem__("feat_type", "slide"))
    with pytest.raises(FeatureFileError, match="of a whole slide, not of tiles"):
        read_source(path)
    with h5py.File(tmp_path / "b.h5", "w") as file:  # TRIDENT's slide_features
        file["features"] = FEATURES[0]
        file["coords"] = COORDS
    with pytest.raises(FeatureFileError, match="not numbers"):
        read_source(tmp_path / "b.h5")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"cos\nsystem\n")
    with pytest.raises(FeatureFileError, match=r"not unpickled: give the HDF5 file .*h5_files"):
        read_source(tmp_path / "a.pt")


def test_files_that_are_no_hdf5_or_damaged_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(FeatureFileError, match="cannot be read as an HDF5 feature file"):
        read_source(tmp_path / "a.h5")
    with pytest.raises(FeatureFileError, match="cannot be read"):
        read_source(tmp_path / "absent.h5")
    path = write_trident(tmp_path / "b.h5", FEATURES, COORDS)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FeatureFileError, match="cannot be read"):
        read_source(path)


def test_tile_files_are_recognised_or_refused(tmp_path: Path) -> None:
    features, patches = write_clam(tmp_path, "a", FEATURES, COORDS)
    with pytest.raises(FeatureFileError, match="nothing says how large the tiles are"):
        read_tile_positions(features)
    change(patches, lambda f: f["coords"].attrs.__delitem__("downsample"))
    assert read_tile_positions(patches).facts.side_px == 512
    change(patches, lambda f: f["coords"].attrs.__setitem__("patch_level", 1))
    with pytest.raises(FeatureFileError, match="nothing says how large the tiles are"):
        read_tile_positions(patches)
    stamp = write_stamp(tmp_path / "s.h5", FEATURES, COORDS)
    change(stamp, lambda f: f.__delitem__("coords"))
    with pytest.raises(FeatureFileError, match="no dataset 'coords'"):
        read_tile_positions(stamp)
    with pytest.raises(FeatureFileError, match="no dataset 'coords'"):
        read_source(stamp)


@pytest.mark.real
def test_a_file_that_clam_wrote(real_data: Path) -> None:
    tiles = read_tile_positions(real_data / "interop" / "clam_coords_TCGA-2V-A95S.h5")
    assert (len(tiles.positions), tiles.facts.side_px) == (1481, 512)


def test_one_encoder_has_one_name() -> None:
    for names in (
        ("uni_v2", "mahmood-uni2", "uni2", "uni2h", "UNI2-h"),
        ("uni_v1", "mahmood-uni", "uni"),
        ("hoptimus0", "h-optimus-0", "H-optimus-0"),
        ("conch_v15", "mahmood-conch1_5", "conchv1_5"),
        ("gigapath", "prov-gigapath"),
        ("phikon_v2", "Phikon-v2"),
    ):
        assert len({canonical_encoder(name) for name in names}) == 1
    apart = ("uni", "uni2h", "ctranspath", "chief-ctranspath", "hoptimus0", "hoptimus1")
    assert len({canonical_encoder(name) for name in apart}) == len(apart)


NAMES = st.sampled_from(["features", "coords", "feats", "patch_embeddings", "x"])
KEYS = st.sampled_from(
    [
        *("patch_size", "patch_size_level0", "overlap", "downsample", "custom_downsample", "unit"),
        *("patch_level", "tile_size_um", "tile_size", "tile_size_px", "feat_type", "extractor"),
        *("level0_width", "level0_height", "level0_magnification", "side_level0_px", "mpp"),
        *("tile_um", "overlap_um", "encoder"),
    ]
)
NUMBERS = st.sampled_from(["f2", "f4", "f8", "i4", "u8", "S3", "?", "c8"]).map(np.dtype)
SHAPES = st.sampled_from([(), (0,), (6,), (0, 2), (6, 0), (6, 2), (1, 6, 2), (6, 5), (2, 6)])
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 40),
    st.floats(),
    st.sampled_from(["um", "tile", "slide", "3", "", h5py.Empty("f4"), [2.0, 2.0], [], True]),
)
CONTENT = st.one_of(
    st.tuples(NUMBERS, SHAPES, st.integers(0, 3)),
    st.sampled_from(["group", "dangling", "nothing", h5py.Empty("f8")]),
)
WRITERS = {
    "trident": lambda path: write_trident(path, FEATURES, COORDS),
    "clam": lambda path: write_clam(path.parent, "a", FEATURES, COORDS)[0].rename(path),
    "stamp": lambda path: write_stamp(path, FEATURES, COORDS * 0.25, tile_size_um=128.0),
    "atlaspatch": lambda path: write_atlaspatch(path, {"uni_v2": FEATURES}, COORDS),
    "empty": lambda path: h5py.File(path, "w").close(),
}


@given(
    writer=st.sampled_from(sorted(WRITERS)),
    replacements=st.dictionaries(NAMES, CONTENT, max_size=2),
    attributes=st.dictionaries(KEYS, VALUES, max_size=2),
    of_file=st.booleans(),
    mpp=st.one_of(st.just(0.25), st.floats(0.05, 100)),
)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_structure_is_read_or_refused_with_a_message(
    tmp_path: Path,
    writer: str,
    replacements: dict[str, object],
    attributes: dict[str, object],
    of_file: bool,
    mpp: float,
) -> None:
    """Every layout with parts replaced: a source, or one FeatureFileError and nothing else."""
    path = tmp_path / "fuzz.h5"
    path.unlink(missing_ok=True)
    WRITERS[writer](path)
    with h5py.File(path, "a") as file:
        for name, content in replacements.items():
            old = dict(file[name].attrs) if name in file else {}
            if name in file:
                del file[name]
            put(file, name, content, old)
        target = file.get("coords") if not of_file else file
        (file if target is None else target).attrs.update(attributes)
    message = refusal(lambda: take(path, mpp))
    assert message is None or (str(path) in message and "\n" not in message)
    message = refusal(lambda: read_tile_positions(path))
    assert message is None or str(path) in message


def put(file: h5py.File, name: str, content: object, attributes: dict[str, object]) -> None:
    if isinstance(content, tuple):
        dtype, shape, value = content
        file[name] = np.full(shape, value * 100).astype(dtype)
    elif isinstance(content, h5py.Empty):
        file[name] = content
    elif content == "group":
        file.create_group(name)
    elif content == "dangling":
        file[name] = h5py.SoftLink("/nowhere")
    if content not in ("dangling", "nothing"):
        file[name].attrs.update(attributes)


def take(path: Path, mpp: float) -> None:
    source = read_source(path)
    placed = place_tiles(source, mpp)
    blocks = list(read_rows(source, placed.source_row))
    assert sum(len(block) for block in blocks) == len(placed.coords)


def refusal(action: Callable[[], object]) -> str | None:
    try:
        action()
    except FeatureFileError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (1.0, None),
        (1.0 + 1e-3, None),
        (1.5, "the tiles of rows 1 and 6 have the same position and different features"),
        (-1.0, "the tiles of rows 1 and 6 have"),
    ],
)
def test_a_tile_that_stands_twice_has_the_same_features(
    tmp_path: Path, changed: float, problem: str | None
) -> None:
    twice = np.concatenate([FEATURES, FEATURES[[1, 1]] * np.array([[changed], [1.0]])])
    coords = np.concatenate([COORDS, COORDS[[1, 1]]])
    read = read_source(write_trident(tmp_path / "a.h5", twice.astype(np.float32), coords))
    placed = place_tiles(read, 0.25)
    assert placed.repeats.tolist() == [[6, 1], [7, 1]]
    if problem is None:
        check_repeats(read, placed.repeats)
        return
    with pytest.raises(FeatureFileError, match=problem):
        check_repeats(read, placed.repeats)
