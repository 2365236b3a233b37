"""XML that slides carry in their description: entities without end, files, depth without end."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import pyvips

from helpers.slidefiles import gradient
from histohet.preflight.slide import check_slide
from histohet.slides.settings import ScaleSettings
from histohet.slides.sheet import SlideRow
from histohet.tiles.settings import TileSpec

ENTITIES = '<!ENTITY e0 "ha ha ha ha ha ">' + "".join(
    f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)
)


def document(root: str, content: str) -> str:
    """XML that would have ten gigabytes, and a file of this machine, if entities were replaced."""
    file = '<!ENTITY file SYSTEM "file:///etc/hostname">'
    return f'<?xml version="1.0"?><!DOCTYPE {root} [{ENTITIES}{file}]>{content}'


DESCRIPTIONS = {
    "Aperio": "Aperio Test|AppMag = 20|MPP = 0.5|User = " + document("a", "<a>&e9;&file;</a>"),
    "Philips": document(
        "DataObject",
        '<DataObject ObjectType="DPUfsImport"><Attribute Name="PIM_DP_IMAGE_TYPE">&e9;&file;'
        "</Attribute></DataObject>",
    ),
    "Leica": document(
        "scn",
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection sizeX="9" '
        'sizeY="9">&e9;&file;</collection></scn>',
    ),
    "OME": document(
        "OME",
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels PhysicalSizeX="0.5" SizeX="64">&e9;&file;</Pixels></Image></OME>',
    ),
    "nesting": "<a>" * 200_000,
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_a_hostile_description_costs_neither_memory_nor_the_slide(
    tmp_path: Path, kind: str
) -> None:
    """Its pixels are sound, so it is a slide; of what stands in the description nothing is used."""
    path = tmp_path / "a.tif"
    picture = pyvips.Image.new_from_array(gradient(256, 256)).copy()
    picture.set_type(pyvips.GValue.gstr_type, "image-description", DESCRIPTIONS[kind])
    tiling = {"tile": True, "tile_width": 64, "tile_height": 64, "compression": "deflate"}
    picture.tiffsave(str(path), bigtiff=kind == "Leica", **tiling)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = SlideRow(2, "a", "a", str(path), mpp="0.5")
    record = check_slide(row, tiles=TileSpec(), scale=ScaleSettings())
    assert record.outcome.ok
    assert (record.width, record.mpp) == (256, 0.5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
