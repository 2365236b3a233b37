# A cohort of generated slides with planted subclones and survival, for the demo and the tests.
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


include: "rules/library.smk"


from histohet.phantoms.plan import plan_cohort
from histohet.common.code import code_hash
from histohet.config import read_config

try:
    PHANTOMS = read_config(config).canonical()["phantoms"]
except ValueError as error:
    raise WorkflowError(str(error)) from None
except KeyError:
    raise WorkflowError("config, phantoms: is missing") from None
PLANNED = {k: v for k, v in PHANTOMS.items() if k != "hazard_ratio"}
CODE = {
    script: code_hash(WORKFLOW / "scripts" / f"{script}.py", WORKFLOW)
    for script in ("plan_phantoms", "render_phantom")
}


localrules:
    all,


rule all:
    default_target: True
    input:
        "results/phantoms/slides.tsv",
        expand(
            "results/phantoms/slides/{slide}.svs",
            slide=[plan.slide for plan in plan_cohort(**PLANNED)],
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
        phantoms=PLANNED,
        hazard_ratio=PHANTOMS["hazard_ratio"],
        code=CODE["plan_phantoms"],
    script:
        "scripts/plan_phantoms.py"


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
        phantoms=PLANNED,
        code=CODE["render_phantom"],
    script:
        "scripts/render_phantom.py"
