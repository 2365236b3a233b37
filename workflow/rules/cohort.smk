# All slides together, and who takes part in which analysis.


localrules:
    cohort,


rule collect_slides:
    input:
        preflight=paths.PREFLIGHT,
        measures=INPUTS.of_variant(paths.MEASURES),
        threshold=INPUTS.threshold,
    output:
        slides=paths.COHORT,
        clusters=paths.COHORT_CLUSTERS,
        correlations="results/cohort/{variant}/tile_correlations.tsv",
        page=report(
            paths.COHORT_PAGE,
            caption="../report/slides.rst",
            category="5 Slides",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/collect_slides/{variant}.log",
    benchmark:
        "results/benchmarks/collect_slides/{variant}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        pooled=INPUTS.is_variant_pooled,
        code=code_of("collect_slides.py"),
    script:
        "../scripts/collect_slides.py"


rule check_failures:
    input:
        slides=paths.COHORT,
    output:
        failures=paths.FAILURES,
    log:
        "results/logs/check_failures/{variant}.log",
    benchmark:
        "results/benchmarks/check_failures/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        max_failed_fraction=config["max_failed_fraction"],
        code=code_of("check_failures.py"),
    script:
        "../scripts/check_failures.py"


rule read_clinical:
    input:
        tables=sorted({one["table"] for one in config.get("clinical", [])}),
    output:
        **paths.CLINICAL,
    log:
        "results/logs/read_clinical.log",
    benchmark:
        "results/benchmarks/read_clinical/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        clinical=config.get("clinical", []),
        analyses=ANALYSES.asked_of_clinical,
        columns=as_written([*PLAN.traits.controls, *PLAN.fusion.clinical_columns]),
        code=code_of("read_clinical.py"),
    script:
        "../scripts/read_clinical.py"


rule build_cohort:
    input:
        **paths.CLINICAL,
        slides=paths.COHORT,
        failures=paths.FAILURES,
    output:
        patients=paths.PATIENTS,
        flow="results/survival/{analysis}/{variant}/flow.tsv",
        flow_svg="results/survival/{analysis}/{variant}/flow.svg",
        flow_png=report(
            "results/survival/{analysis}/{variant}/flow.png",
            caption="../report/flow.rst",
            category="6 Survival",
            labels={
                "analysis": "{analysis}",
                "variant": "{variant}",
                "figure": "flow of patients",
            },
        ),
    log:
        "results/logs/build_cohort/{analysis}/{variant}.log",
    benchmark:
        "results/benchmarks/build_cohort/{analysis}/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        analysis=INPUTS.analysis,
        code=code_of("build_cohort.py"),
    script:
        "../scripts/build_cohort.py"


rule cohort:
    input:
        PLAN.per_variant(paths.COHORT_PAGE),
