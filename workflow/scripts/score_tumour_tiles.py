"""Give every tile of one slide a tumour score, from the slide's attention file."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import SlideLost, attempt
from histohet.slides.record import read_record
from histohet.tiles.file import read_column, read_tiles, write_column
from histohet.tiles.settings import CHIEF_TILES
from histohet.tumour.attention import read_attention_of, tile_scores


def score() -> np.ndarray:
    """Return the score of each tile, float32 (N,)."""
    attention_um = snakemake.params.attention_tile_um
    if snakemake.input.get("chief"):
        attention_um = CHIEF_TILES.tile_um
        read_column(snakemake.input.chief, "attention")[1].raise_if_lost()
    try:
        xy, values = read_attention_of(snakemake.input.attention, record.known_size)
        attention_px = attention_um / tiles.mpp
        return tile_scores(tiles.coords, tiles.side_px, xy, attention_px, values)
    except ValueError as error:
        raise SlideLost(f"attention: {error}") from error


with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    tiles = read_tiles(snakemake.input.tiles)
    scores, outcome = attempt(score, np.zeros(len(tiles.coords), np.float32), tiles.outcome)
    log.info("%d tiles, %s", len(scores), outcome)
    write_column(snakemake.output.scores, "tumour_score", scores, outcome, provenance_of(snakemake))
