"""CHIEF's attention network: its numbers, and what a checkpoint must hold."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from histohet.tumour.attention import read_attention, write_attention
from histohet.tumour.chief import ROWS_PER_CHUNK, AttentionNetwork, Layer, read_network

PUBLISHED = {
    "attention_net.0.weight": (512, 768),
    "attention_net.0.bias": (512,),
    "attention_net.3.attention_a.0.weight": (256, 512),
    "attention_net.3.attention_a.0.bias": (256,),
    "attention_net.3.attention_b.0.weight": (256, 512),
    "attention_net.3.attention_b.0.bias": (256,),
    "attention_net.3.attention_c.weight": (1, 256),
    "attention_net.3.attention_c.bias": (1,),
    "classifiers.weight": (2, 512),
    "classifiers.bias": (2,),
    "instance_classifiers.0.weight": (2, 512),
    "instance_classifiers.0.bias": (2,),
    "instance_classifiers.1.weight": (2, 512),
    "instance_classifiers.1.bias": (2,),
    "att_head.fc1.weight": (256, 512),
    "att_head.fc1.bias": (256,),
    "att_head.fc2.weight": (1, 256),
    "att_head.fc2.bias": (1,),
    "text_to_vision.0.weight": (512, 768),
    "text_to_vision.0.bias": (512,),
    "organ_embedding": (19, 768),
}
"""Names and shapes of ``CHIEF_pretraining.pth``, as hms-dbmi/CHIEF's models/CHIEF.py (size "small",
two classes) defines them; its scripts load the file strictly."""

Weights = dict[str, np.ndarray]


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.standard_normal(shape) / math.sqrt(shape[-1])).astype(np.float32)
        for name, shape in shapes.items()
    }


def save(path: Path, weights: Weights) -> Path:
    torch = pytest.importorskip("torch", reason="the encoders' requirements are not installed")
    torch.save({name: torch.from_numpy(values) for name, values in weights.items()}, path)
    return path


def plainly(weights: Weights, feature: np.ndarray) -> float:
    """Attention of one tile, unit by unit."""

    def unit(layer: str, row: int, inputs: list[float]) -> float:
        products = zip(weights[f"{layer}.weight"][row].tolist(), inputs, strict=True)
        return math.fsum(w * x for w, x in products) + float(weights[f"{layer}.bias"][row])

    net, gate = "attention_net.0", "attention_net.3.attention_"
    hidden = [
        max(0.0, unit(net, row, feature.tolist())) for row in range(len(weights[f"{net}.bias"]))
    ]
    gated = [
        math.tanh(unit(f"{gate}a.0", row, hidden))
        / (1 + math.exp(-unit(f"{gate}b.0", row, hidden)))
        for row in range(len(weights[f"{gate}a.0.bias"]))
    ]
    return unit(f"{gate}c", 0, gated)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(PUBLISHED)


@pytest.fixture(scope="module")
def network(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> AttentionNetwork:
    return read_network(save(tmp_path_factory.mktemp("chief") / "CHIEF_pretraining.pth", weights))


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((50, 768)).astype(np.float32)


def test_the_published_layout_has_the_published_sizes(network: AttentionNetwork) -> None:
    assert network.sizes == (768, 512, 256)


def test_attention_is_the_plain_computation(
    network: AttentionNetwork, weights: Weights, features: np.ndarray
) -> None:
    found = network.raw_attention(features[:5])
    assert found == pytest.approx([plainly(weights, row) for row in features[:5]], rel=1e-12)


def test_attention_is_what_torch_makes_of_the_same_weights(
    network: AttentionNetwork, weights: Weights, features: np.ndarray
) -> None:
    from torch import from_numpy, relu, sigmoid, tanh
    from torch.nn.functional import linear

    layers = {name: from_numpy(values).double() for name, values in weights.items()}

    def apply(layer: str, rows: object) -> object:
        return linear(rows, layers[f"{layer}.weight"], layers[f"{layer}.bias"])

    hidden = relu(apply("attention_net.0", from_numpy(features).double()))
    gate = "attention_net.3.attention_"
    gated = tanh(apply(f"{gate}a.0", hidden)) * sigmoid(apply(f"{gate}b.0", hidden))
    expected = apply(f"{gate}c", gated)[:, 0].numpy()
    np.testing.assert_allclose(network.raw_attention(features), expected, rtol=1e-12)


def test_a_tile_is_scored_alone_in_any_order(
    network: AttentionNetwork, features: np.ndarray
) -> None:
    whole = network.raw_attention(features)
    alone = [network.raw_attention(row[None])[0] for row in features]
    np.testing.assert_allclose(alone, whole, rtol=1e-12)
    order = np.random.default_rng(2).permutation(len(features))
    np.testing.assert_allclose(network.raw_attention(features[order]), whole[order], rtol=1e-12)


def test_tridents_features_are_scored_in_their_own_order(
    network: AttentionNetwork, features: np.ndarray, tmp_path: Path
) -> None:
    """FORMATS §2: chunks of one row, float64 attributes; column by column before 0.3."""
    coords = np.array([(x, y) for x in range(0, 5120, 512) for y in range(0, 2560, 512)])
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("features", data=features, chunks=(1, 768), maxshape=(None, 768))
        file.create_dataset("coords", data=coords).attrs["patch_size_level0"] = 512.0
    with h5py.File(tmp_path / "t.h5") as file:
        values = network.raw_attention(file["features"])
        xy = file["coords"][:]
    np.testing.assert_allclose(values, network.raw_attention(features), rtol=1e-12)
    write_attention(tmp_path / "t.csv", xy, values)
    found_xy, found = read_attention(tmp_path / "t.csv")
    by_row = np.lexsort(coords.T)
    np.testing.assert_array_equal(found_xy, coords[by_row])
    np.testing.assert_allclose(found, values[by_row], rtol=1e-8)


def test_chunks_of_a_large_slide_are_put_together() -> None:
    small = AttentionNetwork(
        hidden=Layer(np.array([[1.0, 0.0]]), np.zeros(1)),
        tanh_gate=Layer(np.array([[1.0]]), np.zeros(1)),
        sigmoid_gate=Layer(np.array([[0.0]]), np.zeros(1)),
        score=Layer(np.array([[2.0]]), np.ones(1)),
    )
    features = np.zeros((ROWS_PER_CHUNK + 3, 2), np.float32)
    features[:, 0] = np.linspace(-1, 1, len(features), dtype=np.float32)
    expected = 1 + np.tanh(np.maximum(features[:, 0].astype(np.float64), 0))
    np.testing.assert_allclose(small.raw_attention(features), expected, rtol=1e-12)
    assert small.raw_attention(features[:0]).shape == (0,)


def test_what_attention_does_not_need_has_no_influence_and_may_be_absent(
    weights: Weights, network: AttentionNetwork, features: np.ndarray, tmp_path: Path
) -> None:
    expected = network.raw_attention(features)
    needed = {name: values for name, values in weights.items() if name.startswith("attention_net")}
    trimmed = read_network(save(tmp_path / "trimmed.pt", needed))
    np.testing.assert_array_equal(trimmed.raw_attention(features), expected)
    others = random_weights(PUBLISHED, seed=9) | needed
    changed = read_network(save(tmp_path / "changed.bin", others))
    np.testing.assert_array_equal(changed.raw_attention(features), expected)


def test_safetensors_and_half_precision_are_read(weights: Weights, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    halves = {name: torch.from_numpy(values).half() for name, values in weights.items()}
    save_file(halves, tmp_path / "half.safetensors")
    found = read_network(tmp_path / "half.safetensors").hidden.weight
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, halves["attention_net.0.weight"].numpy())


def test_networks_of_another_size_fit_their_own_features(tmp_path: Path) -> None:
    """CHIEF's size "big", 1024-512-384, as it is trained on UNI or with CLAM's features."""
    names = [name for name in PUBLISHED if name.startswith("attention_net")]
    shapes = [(512, 1024), (512,), (384, 512), (384,), (384, 512), (384,), (1, 384), (1,)]
    big = random_weights(dict(zip(names, shapes, strict=True)))
    network = read_network(save(tmp_path / "big.pth", big))
    assert network.sizes == (1024, 512, 384)
    tile = np.random.default_rng(0).standard_normal((1, 1024))
    assert network.raw_attention(tile)[0] == pytest.approx(plainly(big, tile[0]), rel=1e-12)
    with pytest.raises(ValueError, match="takes 1024 features per tile, these have 768"):
        network.raw_attention(np.zeros((2, 768)))


def test_all_that_is_wrong_with_a_checkpoint_is_one_message(
    weights: Weights, tmp_path: Path
) -> None:
    without = {n: v for n, v in weights.items() if n != "attention_net.3.attention_c.bias"}
    path = save(tmp_path / "odd.pth", without | {"attention_net.6.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="is not a checkpoint of CHIEF") as caught:
        read_network(path)
    message = str(caught.value)
    assert str(path) in message
    assert "attention_net.3.attention_c.bias is missing" in message
    assert "attention_net.6.weight is not known" in message


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("attention_net.0.bias", (511,), r"has shape \(511,\), not \(512,\)"),
        ("attention_net.3.attention_b.0.weight", (384, 512), r"\(384, 512\), not \(256, 512\)"),
        ("attention_net.3.attention_c.weight", (2, 256), r"\(2, 256\), not \(1, 256\)"),
        ("attention_net.0.weight", (512,), r"\(512,\), not \(512, 0\)"),
        ("attention_net.3.attention_a.0.weight", (), r"has shape \(\), not"),
    ],
)
def test_shapes_that_contradict_each_other_are_named(
    weights: Weights, tmp_path: Path, name: str, shape: tuple[int, ...], message: str
) -> None:
    path = save(tmp_path / "odd.pth", weights | {name: np.zeros(shape, np.float32)})
    with pytest.raises(ValueError, match=message) as caught:
        read_network(path)
    assert name in str(caught.value)


def test_a_checkpoint_of_something_else_is_refused(weights: Weights, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="does not exist"):
        read_network(tmp_path / "absent.pth")
    nested = tmp_path / "nested.pth"
    torch.save({"epoch": {n: torch.from_numpy(v) for n, v in weights.items()}}, nested)
    with pytest.raises(ValueError, match="state dict of named tensors"):
        read_network(nested)


def test_attention_that_is_not_finite_is_refused(network: AttentionNetwork) -> None:
    features = np.zeros((4, 768))
    features[2, 5] = np.nan
    with pytest.raises(ValueError, match="tile 2 is not finite"):
        network.raw_attention(features)
