"""Tissue outlines of a slide as GeoJSON, which QuPath opens too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shapely

from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.qupath import object_id
from histohet.tissue.segmentation import Tissue


def write_tissue(
    path: str | Path,
    slide: str,
    tissue: Tissue,
    outcome: Outcome,
    provenance: Provenance,
) -> None:
    """Write tissue outlines (level-0 px) as QuPath annotations, with the outcome of the slide."""
    features = [
        {
            "type": "Feature",
            "id": object_id(slide, f"tissue/{number}"),
            "geometry": shapely.geometry.mapping(piece),
            "properties": {
                "objectType": "annotation",
                "name": f"tissue {number}",
                "classification": {"name": "Tissue", "color": [60, 60, 60]},
                "tissue_id": number,
            },
        }
        for number, piece in enumerate(tissue.pieces)
    ]
    head = {
        **provenance.as_dict(),
        "slide": slide,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "area_mm2": tissue.area_mm2,
        "white": list(tissue.white),
    }
    write_json(path, {"type": "FeatureCollection", "histohet": head, "features": features})


def read_tissue(path: str | Path) -> Tissue:
    """Read what `write_tissue` wrote.

    Raises
    ------
    SlideLost
        If the slide was lost.
    """
    data = read_json(path)
    head = data["histohet"]
    _outcome(head).raise_if_lost()
    red, green, blue = head["white"]
    pieces = [shapely.geometry.shape(feature["geometry"]) for feature in data["features"]]
    return Tissue(pieces, float(head["area_mm2"]), (red, green, blue))


def read_outcome(path: str | Path) -> Outcome:
    """Read how far a slide came, and what is unusual about its tissue, from `write_tissue`."""
    return _outcome(read_json(path)["histohet"])


def _outcome(head: Mapping[str, Any]) -> Outcome:
    return Outcome(Status(head["status"]), head["reason"])
