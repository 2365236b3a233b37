"""Join the scores of a variant with the clinical table, one row per patient."""

from job import job_log, provenance_of

from histohet.clinical import ClinicalSpec, read_clinical
from histohet.cohort import Grouping, build_cohort, patient_scores
from histohet.formats.tables import read_tsv, write_tsv

with job_log(snakemake.log[0]) as log:
    survival = snakemake.params.survival
    clinical = read_clinical(
        snakemake.input.clinical, ClinicalSpec.from_config(snakemake.params.clinical)
    )
    slides = read_tsv(snakemake.input.slides)
    scores = patient_scores(slides, survival["slides_per_patient"], survival["score"])
    patients = build_cohort(scores, clinical, Grouping.from_config(survival["grouping"]))
    log.info("%d patients, %d analysed", len(patients), patients["analysed"].sum())
    write_tsv(snakemake.output.patients, patients, provenance_of(snakemake))
