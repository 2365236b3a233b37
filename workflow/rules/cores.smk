# Arrays of cores to rows of a slide sheet, which is made, and checked by eye, before the run that uses
# it: so the DAG is known when that starts.


localrules:
    dearray,


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
        slides=paths.CORES,
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
        code=code_of("collect_cores.py"),
    script:
        "../scripts/collect_cores.py"


rule dearray:
    input:
        rules.collect_cores.output,
