"""Write the deep zoom of one slide; of one that cannot be read, why there is none."""

from histohet.common.jobs import job_log
from histohet.atlas.data import call_text
from histohet.atlas.pyramid import NAME, write_pyramid
from histohet.common.files import atomic_folder
from histohet.common.outcome import attempt
from histohet.slides.record import read_record

with job_log(snakemake) as log:
    record = read_record(snakemake.input.record)
    slide, um = snakemake.input.get("slide"), snakemake.params.um
    with atomic_folder(snakemake.output.folder) as folder:
        found, outcome = attempt(
            lambda: write_pyramid(folder, slide, record.region, record.mpp, um),
            None,
            record.outcome,
        )
        call = call_text(f"pyramid {record.slide}", found)
        (folder / f"{NAME}.js").write_text(call, encoding="ascii")
    log.info("%s: %s, %s", record.slide, outcome, found)
