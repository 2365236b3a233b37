"""Compare the maps of traits on a slide with the expression of genes on the same section."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.agreement.counts import read_measured_spots
from histohet.agreement.gene_figures import GeneSection, draw_genes
from histohet.agreement.genes import ScoreMap, agree_with_genes, no_gene_agreement
from histohet.agreement.settings import SpotPlaces
from histohet.common.tables import write_tsv
from histohet.drawing.style import save_figure
from histohet.measures.traits import read_trait_map
from histohet.tiles.file import read_tiles

with job_log(snakemake) as log:
    given, genes = snakemake.input, snakemake.params.genes
    columns = SpotPlaces(**snakemake.params.columns)
    spots = read_measured_spots(given.spots, columns, given.counts, list(genes.values()))
    found, tiles = read_trait_map(given.map), read_tiles(given.tiles)
    outcome = found.outcome
    if outcome.ok:
        tiles = replace(tiles, coords=found.coords)
        scores = ScoreMap(found.coords, tiles.side_px, found.logits, found.names)
        agreements = agree_with_genes(scores, spots, genes, snakemake.params.seed)
    else:
        reason = f"{outcome.status}: {outcome.reason}"
        scores = ScoreMap(found.coords[:0], 1.0, found.logits[:0], found.names)
        agreements = no_gene_agreement(spots, genes, reason)
    for one in agreements:
        log.info("%s", one)
    provenance = provenance_of(snakemake)
    write_tsv(snakemake.output.table, pd.DataFrame(map(asdict, agreements)), provenance)
    thumbnail = np.asarray(Image.open(given.thumbnail))
    title = snakemake.wildcards.slide
    figure = draw_genes(GeneSection(title, thumbnail, tiles, scores, spots, agreements))
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
