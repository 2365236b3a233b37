"""Draw the tumour attention of one slide, and write its tiles for QuPath."""

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import OK, SlideLost, attempt
from histohet.common.qupath import write_tile_objects
from histohet.drawing.style import message_figure, save_figure
from histohet.slides.record import read_record
from histohet.tiles.file import TileTable, read_column, tile_attributes
from histohet.tiles.settings import CHIEF_TILES, TileSpec
from histohet.tumour.attention import read_attention
from histohet.tumour.figures import draw_attention_map, tile_objects


def read() -> tuple[TileTable, np.ndarray]:
    """Return the tiles that have attention, and their values."""
    tile_um = snakemake.params.tile_um
    if snakemake.input.get("chief"):
        tile_um = CHIEF_TILES.tile_um
        read_column(snakemake.input.chief, "attention")[1].raise_if_lost()
    try:
        xy, values = read_attention(snakemake.input.attention)
    except ValueError as error:
        raise SlideLost(str(error)) from error
    # Nothing is read at this resolution: only the size on the slide counts.
    spec = TileSpec(tile_um=tile_um, tile_px=1)
    attributes = tile_attributes(record.slide, spec, record.mpp, record.size, "")
    return TileTable(xy, attributes, OK), values


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    (tiles, values), outcome = attempt(read, (None, np.empty(0)), record.outcome)
    source = provenance_of(snakemake)
    if outcome.ok:
        thumbnail = np.asarray(Image.open(snakemake.input.thumbnail))
        figure = draw_attention_map(record.slide, thumbnail, tiles, values)
    else:
        figure = message_figure(record.slide, f"{outcome.status}: {outcome.reason}")
    save_figure(figure, [snakemake.output.picture], source)
    write_tile_objects(
        snakemake.output.tiles,
        record.slide,
        tiles.side_px if outcome.ok else 0.0,
        tile_objects(tiles, values) if outcome.ok else (),
        record.bounds_offset,
        source,
        kind="attention tile",
    )
    log.info("%s: %d tiles, %s", record.slide, len(values), outcome)
