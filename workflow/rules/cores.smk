# Arrays of cores to rows of a slide sheet, which is made, and checked by eye, before the run that uses
# it: so the DAG is known when that starts. Cores to masks, and cores to patients.


localrules:
    dearray,
    core_masks,
    cores,


rule find_cores:
    input:
        files=PLAN.arrays.files,
    output:
        **paths.ARRAY,
    log:
        "results/logs/find_cores/{array}.log",
    benchmark:
        "results/benchmarks/find_cores/{array}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # A plain JPEG is decoded whole.
        mem_mb=4000,
        runtime=20,
    params:
        row=PLAN.arrays.row,
        tma=config.get("tma"),
        code=code_of("find_cores.py"),
    script:
        "../scripts/find_cores.py"


rule collect_cores:
    input:
        cores=PLAN.cores,
        checks=PLAN.checks,
    output:
        **paths.CORES,
    log:
        "results/logs/collect_cores.log",
    benchmark:
        "results/benchmarks/collect_cores/all.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        fit=PLAN.arrays.fit,
        code=code_of("collect_cores.py"),
    script:
        "../scripts/collect_cores.py"


rule dearray:
    input:
        rules.collect_cores.output,


rule mask_core:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tissue=paths.TISSUE,
    output:
        **paths.CORE_MASK,
    log:
        "results/logs/mask_core/{slide}.log",
    benchmark:
        "results/benchmarks/mask_core/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # A plain JPEG is decoded whole.
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code_of("mask_core.py"),
    script:
        "../scripts/mask_core.py"


rule collect_core_masks:
    input:
        pictures=fill(paths.CORE_MASK["picture"], slide=PLAN.masked_cores),
        masks=fill(paths.CORE_MASK["mask"], slide=PLAN.masked_cores),
        about=fill(paths.CORE_MASK["about"], slide=PLAN.masked_cores),
    output:
        table=paths.CORE_MASKS,
    log:
        "results/logs/collect_core_masks.log",
    benchmark:
        "results/benchmarks/collect_core_masks/all.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        patients=[SLIDES.rows[slide].patient for slide in PLAN.masked_cores],
        code=code_of("collect_core_masks.py"),
    script:
        "../scripts/collect_core_masks.py"


rule core_masks:
    input:
        PLAN.core_masks,


rule compare_cores:
    input:
        slides=paths.COHORT,
        pooled=PLAN.pooled_cores,
    output:
        patients=paths.CORE_HETEROGENEITY,
        icc="results/cores/{variant}/icc.tsv",
        svg="results/cores/{variant}/heterogeneity.svg",
        png=report(
            "results/cores/{variant}/heterogeneity.png",
            caption="../report/cores.rst",
            category="14 Cores",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/compare_cores/{variant}.log",
    benchmark:
        "results/benchmarks/compare_cores/{variant}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        cores=SLIDES.cores,
        drawn=ANALYSES.scores,
        code=code_of("compare_cores.py"),
    script:
        "../scripts/compare_cores.py"


rule cores:
    input:
        PLAN.core_heterogeneity,
