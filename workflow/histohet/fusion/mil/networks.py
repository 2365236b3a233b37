"""Networks of one split on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from histohet.common.arrays import Floats
from histohet.common.files import atomic_path
from histohet.common.provenance import Provenance

WHOLE = 0
"""Number of the network of a split that all training patients trained; that number p did not see
those of inner fold p."""

Tensors = Mapping[str, Floats]
"""Parameters by name, those of all networks of a split along the first axis."""


def write_networks(path: str | Path, tensors: Tensors, provenance: Provenance) -> None:
    """Write the networks of a split, as float32."""
    content = {name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}
    about = {"provenance": provenance.as_json()}
    with atomic_path(path) as partial:
        partial.write_bytes(safetensors.numpy.save(content, metadata=about))


def read_networks(path: str | Path) -> Tensors:
    """Read what `write_networks` wrote, as float64."""
    tensors = safetensors.numpy.load(Path(path).read_bytes())
    return {name: one.astype(np.float64) for name, one in tensors.items()}


def whole_network(tensors: Tensors) -> Tensors:
    """Return the network of a split that all training patients trained."""
    return {name: one[WHOLE : WHOLE + 1] for name, one in tensors.items()}
