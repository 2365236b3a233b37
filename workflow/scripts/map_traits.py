"""Map the traits of one slide."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.features.file import open_tiles
from histohet.measures.traits import write_trait_map
from histohet.traits.maps import known_of, map_table, map_traits
from histohet.traits.models import read_model
from histohet.traits.settings import TraitSettings

with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    settings = TraitSettings(**params.traits)
    labels, splits = read_tsv(inputs.labels), read_tsv(inputs.splits)
    known = known_of(params.patient, labels, splits, settings)
    models = [
        read_model(path, trait, params.encoder)
        for path, trait in zip(inputs.models, settings.wanted, strict=True)
    ]
    coverage = inputs.get("coverage") or None
    with open_tiles(inputs.features, coverage, params.min_coverage) as table:
        found = map_traits(table, models, known, table.tiles.outcome)
        index = table.tile_index[: len(found.coords)]
        tiles = table.tiles
    log.info("%d tiles, fold %d, %s", len(index), known.fold, found.outcome)
    provenance = provenance_of(snakemake)
    about = {"fold": known.fold, "encoder": params.encoder}
    write_trait_map(snakemake.output.map, found, tiles, index, about, provenance)
    write_tsv(snakemake.output.table, map_table(found), provenance)
