"""Take one array apart: find its cores, name them, and draw them to be checked."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.outcome import SlideLost
from histohet.common.sheets import SheetError
from histohet.common.tables import write_tsv
from histohet.cores.dearray import slide_rows, take_apart
from histohet.cores.figures import draw_array
from histohet.cores.qupath import write_geojson_cores, write_qptma
from histohet.cores.settings import ArraySettings
from histohet.cores.sheet import ArrayRow
from histohet.slides.reader import open_slide
from histohet.slides.thumbnail import save_picture

with job_log(snakemake) as log:
    row, settings = ArrayRow(**snakemake.params.row), ArraySettings(**snakemake.params.tma)
    try:
        with open_slide(row.path) as slide:
            array = take_apart(slide, row, settings)
            picture = draw_array(slide, array)
    except (SlideLost, SheetError) as error:
        raise SystemExit(f"array '{row.array}': {error}") from error
    for line in (*array.problems, *array.notes):
        log.warning(line)
    output, provenance = snakemake.output, provenance_of(snakemake)
    table = slide_rows(array, settings.tissue_preset)
    log.info("%d places, %d cores of them slides", len(array.cores), len(table))
    write_tsv(output.cores, table, provenance)
    where = (array.cores, array.diameter_px, array.offset)
    write_geojson_cores(output.geojson, row.array, *where, provenance)
    write_qptma(output.qptma, row.path, *where)
    save_picture(output.picture, picture, provenance)
    checks = {"notes": array.notes, "problems": array.problems, **array.core_size._asdict()}
    write_json(output.checks, {"array": row.array, **checks, **provenance.as_dict()})
