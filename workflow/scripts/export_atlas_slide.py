"""Write what the atlas shows of one slide, or of the pooled slides of a patient: a folder."""

import os
from pathlib import Path

from histohet.common.jobs import job_log
from histohet.atlas.slide import SlideFiles, copy_picture, make_page, write_page
from histohet.common.files import atomic_folder

with job_log(snakemake) as log:
    given, params = dict(snakemake.input.items()), snakemake.params
    thumbnail = given.pop("thumbnail")
    scans = {Path(file).stem: file for file in given.pop("scans", ())}
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
            shown = {
                scan: copy_picture(file, folder, f"scan_{scan}.webp")
                for scan, file in scans.items()
            }
        else:
            picture = os.path.relpath(thumbnail, snakemake.output.folder)
            shown = {
                scan: os.path.relpath(file, snakemake.output.folder) for scan, file in scans.items()
            }
        place = Path(snakemake.output.folder).relative_to("results/atlas/slides").as_posix()
        write_page(folder, place, page, picture, shown)
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
