"""Where a number came from: software version, parameters and inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from histohet import __version__


@dataclass(frozen=True)
class Provenance:
    """Parameters and inputs of a step, written into every output.

    Attributes
    ----------
    parameters
        What was in force, JSON-serialisable.
    inputs
        Role of each input and its path as the workflow names it.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dictionary, the same for the same run anywhere."""
        return {
            "software": f"histohet {__version__}",
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
        }

    def as_json(self) -> str:
        """Return `as_dict` as one line of JSON with sorted keys."""
        return json.dumps(self.as_dict(), sort_keys=True, allow_nan=False)
