"""Draw which tiles of a slide the network attends to that had not seen its patient."""

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import SlideLost, attempt
from histohet.drawing.style import message_figure, save_figure
from histohet.features.file import open_tiles
from histohet.fusion.mil.networks import read_networks
from histohet.fusion.mil.predictions import attention_of
from histohet.fusion.splits import LEFT_OUT, read_folds
from histohet.slides.record import read_record
from histohet.tiles.file import TileTable
from histohet.tumour.figures import draw_attention_map

FIRST = 1


def attended() -> tuple[TileTable, np.ndarray]:
    """Return the tiles of the slide and their raw attention."""
    folds = read_folds(inputs.folds, FIRST)
    left_out = [
        fold for fold, rows in folds.items() if rows["part"].get(params.patient) == LEFT_OUT
    ]
    if not left_out:
        raise SlideLost("its patient is in none of the folds: no outcome, or conditions not met")
    coverage = inputs.coverage[0] if inputs.get("coverage") else None
    with open_tiles(inputs.features, coverage, params.min_coverage) as table:
        table.tiles.outcome.raise_if_lost()
        if not len(table.tile_index):
            raise SlideLost("no tile counts")
        network = read_networks(inputs.networks[left_out[0] - 1])
        return table.tiles, attention_of(network, table.features)


with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    record = read_record(inputs.record)
    (tiles, values), outcome = attempt(attended, (None, np.empty(0)), record.outcome)
    if outcome.ok:
        thumbnail = np.asarray(Image.open(inputs.thumbnail))
        kind = "Attention of the network"
        figure = draw_attention_map(record.slide, thumbnail, tiles, values, kind)
    else:
        figure = message_figure(record.slide, f"{outcome.status}: {outcome.reason}")
    save_figure(figure, [snakemake.output.picture], provenance_of(snakemake))
    log.info("%s: %d tiles, %s", record.slide, len(values), outcome)
