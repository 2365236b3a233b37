"""Check a training set, plan networks for it, and prepare its cases for one of them."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import atomic_folder, write_json
from histohet.common.logs import track
from histohet.segmentation.training_cases import describe, fingerprint_of, keep_case, read_case
from histohet.segmentation.training_plan import deal_folds, make_plans, samples_per_case
from histohet.segmentation.training_set import TrainingSetError, read_training_set

with job_log(snakemake) as log:
    output, about = snakemake.output, snakemake.params.training
    plan, configuration = about["plan"], about["configuration"]
    try:
        found = read_training_set(about["dataset"])
        labels, n = found.labels.values(), len(found.cases)
        samples = samples_per_case(plan, n)
        described = [
            describe(read_case(case, labels), samples)
            for case in track(found.cases, n, "cases checked")
        ]
        plans = make_plans(found, fingerprint_of(described), plan, configuration)
    except TrainingSetError as error:
        raise SystemExit(f"{about['dataset']}: {error}") from error
    log.info("%d cases, %s: %s", n, configuration, plans["configurations"][configuration])
    with atomic_folder(output.cases) as cases:
        # nnU-Net looks at the names in it, and Snakemake leaves a file in the folder around it.
        folder = cases / configuration
        folder.mkdir()
        for case in track(found.cases, n, "cases prepared"):
            voxels = read_case(case, labels)
            keep_case(folder, case.name, voxels, plans, configuration, dict(found.about))
    write_json(output.plans, plans)
    write_json(output.dataset, dict(found.about))
    folds = deal_folds([case.name for case in found.cases], snakemake.params.seed, found.folds)
    write_json(output.folds, {"folds": folds, **provenance_of(snakemake).as_dict()})
