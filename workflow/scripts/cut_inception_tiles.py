"""Cut the tiles of one slide that Inception sees."""

from pathlib import Path

from histohet.common.jobs import job_log, provenance_of
from histohet.common.outcome import attempt
from histohet.encoders.own_tiles import own_tiles
from histohet.slides.record import read_record
from histohet.tiles.file import no_tiles
from histohet.tiles.settings import TileSpec
from histohet.traits.pictures import Pictures, cut_tiles, no_pictures, write_pictures

with job_log(snakemake) as log:
    params, recipe = snakemake.params, snakemake.params.recipe
    record = read_record(snakemake.input.record)
    spec = TileSpec(tile_um=recipe["tile_um"], tile_px=recipe["tile_px"])
    folder = Path(snakemake.output.tiles).parent.as_posix()
    workers = snakemake.threads if snakemake.threads > 1 else 0

    def cut() -> Pictures:
        """Return the tiles on tissue that are no background."""
        most, bad = recipe["max_background"], params.max_bad_tiles
        return cut_tiles(record.path, tiles, most, bad, workers, record.region)

    tiles, outcome = attempt(
        lambda: own_tiles(
            "Inception", spec, record, snakemake.input.tissue, params.tolerance, folder
        ),
        None,
    )
    tiles = tiles or no_tiles(record.slide, outcome)
    pictures, outcome = attempt(cut, None)
    pictures = pictures or no_pictures(tiles, outcome)
    n_left = len(tiles.coords) - len(pictures.jpegs)
    log.info("%d tiles, %d left out, %s", len(pictures.jpegs), n_left, pictures.tiles.outcome)
    write_pictures(snakemake.output.tiles, pictures, provenance_of(snakemake))
