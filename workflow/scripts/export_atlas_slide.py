"""Write what the atlas shows of one slide, or of the pooled slides of a patient: a folder."""

import os
from pathlib import Path

from histohet.common.jobs import job_log
from histohet.atlas.slide import SlideFiles, copy_picture, make_page, write_page
from histohet.common.files import atomic_folder

with job_log(snakemake) as log:
    given, params = dict(snakemake.input.items()), snakemake.params
    thumbnail = given.pop("thumbnail")
    with atomic_folder(snakemake.output.folder) as folder:
        page = make_page(
            snakemake.wildcards.slide,
            SlideFiles(**{name: file or None for name, file in given.items()}),
            params.combinations,
            params.exemplars,
            folder,
        )
        if params.pictures == "copy":
            picture = copy_picture(thumbnail, folder)
        else:
            picture = os.path.relpath(thumbnail, snakemake.output.folder)
        place = Path(snakemake.output.folder).relative_to("results/atlas/slides").as_posix()
        write_page(folder, place, page, picture)
    log.info(
        "%s: %s, %d tiles, %d layers, %d typical tiles",
        page.slide,
        page.outcome,
        len(page.lattice.coords),
        len(page.layers),
        len(page.exemplars),
    )
    for note in page.notes:
        log.warning("%s: %s", page.slide, note)
