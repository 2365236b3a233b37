"""What is known of the mask of a scan: how much there is of every region, and who found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, SlideLost, Status
from histohet.common.provenance import Provenance


@dataclass(frozen=True)
class Region:
    """One region of a mask.

    Attributes
    ----------
    values
        Its labels.
    voxels, volume_ml, components
        How much there is of it, and in how many parts that touch nowhere, not even at a corner.
    """

    values: tuple[int, ...]
    voxels: int
    volume_ml: float
    components: int


def write_record(
    path: str | Path,
    scan: str,
    outcome: Outcome,
    regions: Mapping[str, Region],
    model: Mapping[str, Any],
    provenance: Provenance,
) -> None:
    """Write what is known of a mask: its regions by name, and the model that found them."""
    about = {
        "scan": scan,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "regions": {name: asdict(region) for name, region in regions.items()},
        "model": dict(model),
    }
    write_json(path, {**about, **provenance.as_dict()})


def check_found(path: str | Path, region: str) -> None:
    """Check that a scan was segmented, and a region found in it.

    Raises
    ------
    SlideLost
        With the status of the segmentation, or ``no_region``.
    """
    record = read_json(path)
    Outcome(Status(record["status"]), record["reason"]).raise_if_lost()
    if not record["regions"][region]["voxels"]:
        model = record["model"]
        raise SlideLost(
            f"segmentation: {model['name']} ({model['configuration']}) found no '{region}'",
            Status.NO_REGION,
        )
