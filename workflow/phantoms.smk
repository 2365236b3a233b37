# A cohort of generated slides with planted subclones and survival, for the demo and the tests.
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


include: "rules/library.smk"


from histohet.common.code import code_hash
from histohet.config import read_config
from histohet.phantoms.array_plan import plan_arrays
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.scan_plan import plan_scans

try:
    CONFIG = read_config(config)
except ValueError as error:
    raise WorkflowError(str(error)) from None
PHANTOMS = CONFIG.phantoms
if PHANTOMS is None:
    raise WorkflowError("config, phantoms: is missing")
PLANS = plan_cohort(PHANTOMS)
try:
    ARRAYS = [] if PHANTOMS.arrays is None else plan_arrays(PHANTOMS, PLANS)
    SCANNED = None if PHANTOMS.scans is None else plan_scans(PHANTOMS, PLANS)
except ValueError as error:
    raise WorkflowError(f"config, {error}") from None
CODE = {
    script: code_hash(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW)
    for script in (
        "compare_masks_with_planted",
        "compare_with_planted",
        "plan_arrays",
        "plan_phantoms",
        "plan_scans",
        "plant_expression",
        "render_array",
        "render_phantom",
        "render_scans",
        "render_training_scans",
    )
}
# Survival is planted in no slide and no scan.
HAZARDS = {
    "hazard_ratio": True,
    "scans": {"ct_hazard_ratio", "grade_hazard_ratio", "age_hazard_ratio"},
}
SLIDES = [plan.slide for plan in (SCANNED.slides if SCANNED else PLANS)]
SCANS = [plan.scan for plan in SCANNED.scans] if SCANNED else []
# Whose tumours a network finds.
UNREAD = [plan.scan for plan in SCANNED.scans if not plan.read] if SCANNED else []
TRAINING = [plan.scan for plan in SCANNED.training] if SCANNED else []


localrules:
    all,


rule all:
    default_target: True
    input:
        branch(
            bool(ARRAYS),
            then=["results/phantoms/tma.tsv"]
            + expand(
                "results/phantoms/arrays/{array}.svs",
                array=[plan.array for plan in ARRAYS],
            ),
            otherwise=branch(
                bool(SCANNED),
                then=[
                    "results/phantoms/scanned/scans.tsv",
                    "results/phantoms/nnUNet_raw/Dataset001_Phantom/dataset.json",
                ]
                + expand("results/phantoms/ct/{scan}.nii.gz", scan=SCANS),
                otherwise=["results/phantoms/slides.tsv"],
            )
            + expand("results/phantoms/slides/{slide}.svs", slide=SLIDES),
        ),


rule plan_phantoms:
    output:
        plan="results/phantoms/plan.tsv",
        slides="results/phantoms/slides.tsv",
        clinical="results/phantoms/clinical.tsv",
    log:
        "results/logs/plan_phantoms.log",
    benchmark:
        "results/benchmarks/plan_phantoms/all.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        phantoms=PHANTOMS.canonical(),
        code=CODE["plan_phantoms"],
    script:
        "scripts/plan_phantoms.py"


# Only for `make demo-traits`: what two genes of the tumour would give in bulk.
rule plant_expression:
    input:
        truth=expand(
            "results/phantoms/slides/{slide}.truth.tsv",
            slide=[plan.slide for plan in PLANS],
        ),
    output:
        expression="results/phantoms/expression.tsv",
        tiles="results/phantoms/traits.tsv",
    log:
        "results/logs/plant_expression.log",
    benchmark:
        "results/benchmarks/plant_expression/all.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        phantoms=PHANTOMS.model_dump(exclude=HAZARDS),
        code=CODE["plant_expression"],
    script:
        "scripts/plant_expression.py"


rule render_phantom:
    output:
        slide="results/phantoms/slides/{slide}.svs",
        labels="results/phantoms/slides/{slide}.labels.tif",
        attention="results/phantoms/slides/{slide}.attention.csv",
        truth="results/phantoms/slides/{slide}.truth.tsv",
    log:
        "results/logs/render_phantom/{slide}.log",
    benchmark:
        "results/benchmarks/render_phantom/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        phantoms=PHANTOMS.model_dump(exclude=HAZARDS),
        code=CODE["render_phantom"],
    script:
        "scripts/render_phantom.py"


# Where the configuration has arrays, in place of slides: their cores, dearrayed, become the slides.
rule plan_arrays:
    output:
        sheet="results/phantoms/tma.tsv",
        maps=expand(
            "results/phantoms/arrays/{array}.map.tsv",
            array=[plan.array for plan in ARRAYS],
        ),
        spots="results/phantoms/spots.tsv",
        donors="results/phantoms/donors.tsv",
        clinical="results/phantoms/donors_clinical.tsv",
    log:
        "results/logs/plan_arrays.log",
    benchmark:
        "results/benchmarks/plan_arrays/all.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        phantoms=PHANTOMS.canonical(),
        code=CODE["plan_arrays"],
    script:
        "scripts/plan_arrays.py"


rule render_array:
    output:
        slide="results/phantoms/arrays/{array}.svs",
        truth="results/phantoms/arrays/{array}.truth.tsv",
    log:
        "results/logs/render_array/{array}.log",
    benchmark:
        "results/benchmarks/render_array/{array}.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        phantoms=PHANTOMS.model_dump(exclude=HAZARDS),
        code=CODE["render_array"],
    script:
        "scripts/render_array.py"


# Where the configuration has scans: CTs of the patients, and who lacks a CT or a slide.
rule plan_scans:
    output:
        scans="results/phantoms/scanned/scans.tsv",
        slides="results/phantoms/scanned/slides.tsv",
        clinical="results/phantoms/scanned/clinical.tsv",
        planted="results/phantoms/scanned/planted.tsv",
    log:
        "results/logs/plan_scans.log",
    benchmark:
        "results/benchmarks/plan_scans/all.tsv"
    conda:
        "../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        phantoms=PHANTOMS.canonical(),
        code=CODE["plan_scans"],
    script:
        "scripts/plan_scans.py"


# All at once: each takes a tenth of the time that Python takes to start.
rule render_scans:
    output:
        cts=expand("results/phantoms/ct/{scan}.nii.gz", scan=SCANS),
        masks=expand("results/phantoms/ct/{scan}.tumour.nii.gz", scan=SCANS),
        others=expand("results/phantoms/ct/{scan}.second.nii.gz", scan=SCANS),
    log:
        "results/logs/render_scans.log",
    benchmark:
        "results/benchmarks/render_scans/all.tsv"
    conda:
        "../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        phantoms=PHANTOMS.model_dump(exclude=HAZARDS),
        code=CODE["render_scans"],
    script:
        "scripts/render_scans.py"


rule render_training_scans:
    output:
        dataset="results/phantoms/nnUNet_raw/Dataset001_Phantom/dataset.json",
        images=expand(
            "results/phantoms/nnUNet_raw/Dataset001_Phantom/imagesTr/{scan}_0000.nii.gz",
            scan=TRAINING,
        ),
        labels=expand(
            "results/phantoms/nnUNet_raw/Dataset001_Phantom/labelsTr/{scan}.nii.gz",
            scan=TRAINING,
        ),
    log:
        "results/logs/render_training_scans.log",
    benchmark:
        "results/benchmarks/render_training_scans/all.tsv"
    conda:
        "../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        phantoms=PHANTOMS.model_dump(exclude=HAZARDS),
        code=CODE["render_training_scans"],
    script:
        "scripts/render_training_scans.py"


# Only for `make demo-radiopathomics`: what its masks, and its risks, say of what was planted.
rule compare_masks_with_planted:
    input:
        cts=expand("results/phantoms/ct/{scan}.nii.gz", scan=UNREAD),
        truth=expand("results/phantoms/ct/{scan}.tumour.nii.gz", scan=UNREAD),
        found=expand("results/masks/{scan}.nii.gz", scan=UNREAD),
    output:
        table="results/phantoms/scanned/overlaps.tsv",
    log:
        "results/logs/compare_masks_with_planted.log",
    benchmark:
        "results/benchmarks/compare_masks_with_planted/all.tsv"
    conda:
        "../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scans=UNREAD,
        code=CODE["compare_masks_with_planted"],
    script:
        "scripts/compare_masks_with_planted.py"


rule compare_with_planted:
    input:
        planted="results/phantoms/scanned/planted.tsv",
        clinical="results/phantoms/scanned/clinical.tsv",
        risks="results/fusion/cross_validated/risks.tsv",
        estimates="results/fusion/cross_validated/estimates.tsv",
        overlaps="results/phantoms/scanned/overlaps.tsv",
    output:
        table="results/phantoms/scanned/recovered.tsv",
    log:
        "results/logs/compare_with_planted.log",
    benchmark:
        "results/benchmarks/compare_with_planted/all.tsv"
    conda:
        "../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=CODE["compare_with_planted"],
    script:
        "scripts/compare_with_planted.py"
