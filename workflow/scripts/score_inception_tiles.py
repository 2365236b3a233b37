"""Score the tiles of one slide by the networks that have not seen its patient."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.features.file import feature_file, write_no_features
from histohet.tiles.file import read_tiles
from histohet.traits.inception import networks_of, score_tiles
from histohet.traits.maps import fold_of
from histohet.traits.pictures import tile_set
from histohet.traits.rounds import read_weights
from histohet.traits.settings import INCEPTION

with job_log(snakemake) as log:
    inputs, output, params = snakemake.input, snakemake.output.features, snakemake.params
    fold = fold_of(params.patient, read_tsv(inputs.splits))
    # A column for each trait and round, as models of traits expect them.
    files = np.reshape(inputs.networks, params.shape)[:, fold - 1].ravel().tolist()
    tiles, provenance = read_tiles(inputs.tiles), provenance_of(snakemake)
    if tiles.outcome.ok:
        n = len(tiles.coords)
        networks = list(networks_of(read_weights(path) for path in files))
        with ThreadPoolExecutor(snakemake.threads) as readers:
            scores = score_tiles(networks, tile_set([inputs.tiles], [n]), params.part, readers)
        with feature_file(output, tiles, np.arange(n), len(files), INCEPTION, provenance) as file:
            file.append(scores)
    else:
        write_no_features(output, tiles, tiles.outcome, INCEPTION, provenance)
    log.info("%d tiles, %d networks of fold %d", len(tiles.coords), len(files), fold)
