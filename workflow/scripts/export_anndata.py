"""Write the clustered tiles of one slide as AnnData."""

import numpy as np
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.anndata import write_anndata
from histohet.clustering.file import read_clusters
from histohet.features.file import open_features
from histohet.measures.measure import tile_measurements
from histohet.tiles.file import read_column

with job_log(snakemake) as log:
    given, slide = snakemake.input, snakemake.wildcards.slide
    clustered = read_clusters(given.clusters)
    measurements = tile_measurements(
        clustered,
        read_column(given.coverage, "coverage"),
        read_column(given.tumour, "tumour_score") if given.get("tumour") else None,
    )
    thumbnail = np.asarray(Image.open(given.thumbnail))
    with open_features(given.features) as features:
        write_anndata(
            snakemake.output.tiles,
            slide,
            clustered,
            features,
            measurements,
            thumbnail,
            provenance_of(snakemake),
        )
    log.info("%s: %d tiles", slide, len(clustered.tile_index))
