"""CHIEF's tumour attention: a gated attention network over the CTransPath features of a slide.

Wang et al., Nature (2024), doi:10.1038/s41586-024-07894-z. The published network
(``CHIEF_pretraining.pth``, CHIEF's size "small") takes 768 features to 512 hidden units and these
to 256 gated ones, which give one number per tile. What CHIEF adds for its diagnosis (organ texts,
classifiers) has no influence on it. The network is small enough for NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from histohet.common.arrays import Floats

LAYERS = {
    "hidden": "attention_net.0",
    "tanh_gate": "attention_net.3.attention_a.0",
    "sigmoid_gate": "attention_net.3.attention_b.0",
    "score": "attention_net.3.attention_c",
}
"""Our names of the layers that make the attention, and their published ones."""

UNUSED = {
    "att_head.fc1": "a second attention head, which CHIEF itself does not call",
    "att_head.fc2": "the same",
    "classifiers": "tumour or not, for the whole slide",
    "instance_classifiers.0": "its training",
    "instance_classifiers.1": "its training",
    "text_to_vision.0": "embedding of the organ, added after the attention",
    "organ_embedding": "text embeddings of 19 organs",
}
"""What else the published file holds and attention does not depend on; it is left out."""

PARTS = ("weight", "bias")

ROWS_PER_CHUNK = 4096


class Layer(NamedTuple):
    """A linear layer: weight (out, in) and bias (out,), float64."""

    weight: Floats
    bias: Floats

    def __call__(self, rows: Floats) -> Floats:
        """Map rows (N, in) to (N, out)."""
        product: Floats = rows @ self.weight.T
        return product + self.bias


@dataclass(frozen=True)
class AttentionNetwork:
    """Gated attention (Ilse et al., ICML 2018) on a hidden layer of rectified units."""

    hidden: Layer
    tanh_gate: Layer
    sigmoid_gate: Layer
    score: Layer

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of features, hidden units and gated units: 768, 512, 256 as published."""
        n_hidden, n_features = self.hidden.weight.shape
        return n_features, n_hidden, len(self.tanh_gate.bias)

    def raw_attention(self, features: npt.NDArray[np.floating]) -> Floats:
        """Return the attention of every tile before the softmax over the slide.

        Parameters
        ----------
        features
            (N, D) embeddings; an array, or anything that gives rows by slices, which is read in
            chunks.

        Returns
        -------
        ndarray
            (N,) float64. A tile's value does not depend on the other tiles.

        Raises
        ------
        ValueError
            If the features have another width than the network, or a value is not finite.
        """
        if features.shape[1] != self.sizes[0]:
            raise ValueError(
                f"the attention network takes {self.sizes[0]} features per tile, these have"
                f" {features.shape[1]}: they are of another encoder"
            )
        values = np.empty(len(features))
        for first in range(0, len(features), ROWS_PER_CHUNK):
            chunk = slice(first, first + ROWS_PER_CHUNK)
            hidden = np.maximum(self.hidden(np.asarray(features[chunk], np.float64)), 0)
            gated = np.tanh(self.tanh_gate(hidden)) * expit(self.sigmoid_gate(hidden))
            values[chunk] = self.score(gated)[:, 0]
        if not np.isfinite(values).all():
            tile = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"the attention of tile {tile} is not finite; encode the slide again")
        return values


def read_network(path: str | Path) -> AttentionNetwork:
    """Read the attention network from a CHIEF checkpoint, strictly.

    The sizes of the layers are the file's own, so networks that were trained with CHIEF's code on
    another encoder fit too. Parameters in `UNUSED` are left out; any other name is an error.

    Parameters
    ----------
    path
        ``.pth``, ``.pt``, ``.bin`` or ``.safetensors``: a plain state dict, read without unpickling
        objects.

    Raises
    ------
    ValueError
        If the file cannot be read, a parameter is missing or unknown, or shapes contradict each
        other. One message lists everything.
    """
    # Only this needs PyTorch, which takes seconds to import.
    from histohet.encoders.timm_model import read_state_dict

    tensors = read_state_dict(Path(path))
    needed = [f"{layer}.{part}" for layer in LAYERS.values() for part in PARTS]
    missing = [name for name in needed if name not in tensors]
    known = {*needed, *UNUSED, *(f"{layer}.{part}" for layer in UNUSED for part in PARTS)}
    unknown = [name for name in tensors if name not in known]
    problems = [f"{name} is missing" for name in missing]
    problems += [f"{name} is not known" for name in unknown]
    if not missing:
        shapes = {name: tuple(tensors[name].shape) for name in needed}
        problems += [
            f"{name} has shape {shapes[name]}, not {expected}"
            for name, expected in _expected_shapes(shapes).items()
            if shapes[name] != expected
        ]
    if problems:
        raise ValueError(f"{path} is not a checkpoint of CHIEF: {'; '.join(problems)}")
    weights = {name: np.asarray(tensors[name].double().numpy(), np.float64) for name in needed}
    return AttentionNetwork(
        **{
            ours: Layer(weights[f"{layer}.weight"], weights[f"{layer}.bias"])
            for ours, layer in LAYERS.items()
        }
    )


def _expected_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that fit the sizes of the hidden layer and of the first gate."""
    hidden, tanh_gate, sigmoid_gate, score = LAYERS.values()
    n_hidden, n_features = (*shapes[f"{hidden}.weight"], 0, 0)[:2]
    n_gated = (*shapes[f"{tanh_gate}.weight"], 0)[0]
    outputs_inputs = {
        hidden: (n_hidden, n_features),
        tanh_gate: (n_gated, n_hidden),
        sigmoid_gate: (n_gated, n_hidden),
        score: (1, n_gated),
    }
    expected: dict[str, tuple[int, ...]] = {}
    for layer, (n_outputs, n_inputs) in outputs_inputs.items():
        expected[f"{layer}.weight"] = (n_outputs, n_inputs)
        expected[f"{layer}.bias"] = (n_outputs,)
    return expected
