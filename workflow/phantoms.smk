# A cohort of generated slides with planted subclones and survival, for the demo and the tests.
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


include: "rules/library.smk"


from histohet.common.code import code_hash
from histohet.config import read_config
from histohet.phantoms.plan import plan_cohort

try:
    PHANTOMS = read_config(config).phantoms
except ValueError as error:
    raise WorkflowError(str(error)) from None
if PHANTOMS is None:
    raise WorkflowError("config, phantoms: is missing")
PLANS = plan_cohort(PHANTOMS)
CODE = {
    script: code_hash(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW)
    for script in ("plan_phantoms", "plant_expression", "render_phantom")
}


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/phantoms/slides.tsv",
        expand(
            "results/phantoms/slides/{slide}.svs",
            slide=[plan.slide for plan in PLANS],
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
        phantoms=PHANTOMS.model_dump(exclude={"hazard_ratio"}),
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
        # Survival is planted in no slide.
        phantoms=PHANTOMS.model_dump(exclude={"hazard_ratio"}),
        code=CODE["render_phantom"],
    script:
        "scripts/render_phantom.py"
