"""Draw the maps of one slide for a combination of traits, and write its tiles for QuPath."""

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.hdf5 import open_file
from histohet.common.qupath import write_tile_objects
from histohet.drawing.style import message_figure, save_figure
from histohet.measures.settings import MeasuresSettings
from histohet.measures.traits import read_trait_map, trait_measures
from histohet.slides.record import read_record
from histohet.tiles.file import tiles_of
from histohet.traits.figures import draw_trait_map, tile_objects

with job_log(snakemake) as log:
    inputs, names = snakemake.input, snakemake.params.traits
    record, found = read_record(inputs.record), read_trait_map(inputs.map)
    provenance = provenance_of(snakemake)
    with open_file(inputs.map) as file:
        tiles, index = tiles_of(file), file["tile_index"][:]
    if found.outcome.ok:
        region_px = MeasuresSettings(**snakemake.params.measures).hta_region_um / tiles.mpp
        measures = trait_measures(found, [names], region_px, snakemake.params.seed)
        thumbnail = np.asarray(Image.open(inputs.thumbnail))
        figure = draw_trait_map(record.slide, thumbnail, tiles, found, names, measures)
    else:
        figure = message_figure(record.slide, f"{found.outcome.status}: {found.outcome.reason}")
    save_figure(figure, [snakemake.output.picture], provenance)
    write_tile_objects(
        snakemake.output.tiles,
        record.slide,
        tiles.side_px if found.outcome.ok else 0.0,
        tile_objects(found, index, names),
        record.bounds_offset,
        provenance,
        kind="trait tile",
    )
    log.info("%s: %d tiles, %s", record.slide, len(index), found.outcome)
