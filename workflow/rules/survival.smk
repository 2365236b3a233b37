# From scores to survival.


rule read_clinical:
    input:
        tables=sorted({one["table"] for one in config.get("clinical", [])}),
    output:
        **CLINICAL_DATA,
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
        analyses=get_wanted_of_clinical(),
        code=code_of("read_clinical.py"),
    script:
        "../scripts/read_clinical.py"


rule build_cohort:
    input:
        **CLINICAL_DATA,
        slides="results/cohort/{variant}/slides.tsv",
        failures="results/cohort/{variant}/failures.tsv",
    output:
        patients="results/survival/{analysis}/{variant}/patients.tsv",
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
        analysis=get_analysis,
        code=code_of("build_cohort.py"),
    script:
        "../scripts/build_cohort.py"


rule analyse_survival:
    input:
        patients="results/survival/{analysis}/{variant}/patients.tsv",
    output:
        results="results/survival/{analysis}/{variant}/results.json",
        estimates="results/survival/{analysis}/{variant}/estimates.tsv",
        kaplan_meier="results/survival/{analysis}/{variant}/kaplan_meier.tsv",
        curves_svg="results/survival/{analysis}/{variant}/kaplan_meier.svg",
        curves_png=report(
            "results/survival/{analysis}/{variant}/kaplan_meier.png",
            caption="../report/kaplan_meier.rst",
            category="6 Survival",
            labels={
                "analysis": "{analysis}",
                "variant": "{variant}",
                "figure": "Kaplan-Meier",
            },
        ),
        table_one="results/survival/{analysis}/{variant}/table_one.tsv",
        forest_svg="results/survival/{analysis}/{variant}/forest.svg",
        forest_png=report(
            "results/survival/{analysis}/{variant}/forest.png",
            caption="../report/forest.rst",
            category="6 Survival",
            labels={
                "analysis": "{analysis}",
                "variant": "{variant}",
                "figure": "hazard ratios",
            },
        ),
    log:
        "results/logs/analyse_survival/{analysis}/{variant}.log",
    benchmark:
        "results/benchmarks/analyse_survival/{analysis}/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        analysis=get_analysis,
        statistics=config["statistics"],
        seed=config["seed"],
        code=code_of("analyse_survival.py"),
    script:
        "../scripts/analyse_survival.py"


rule collect_estimates:
    input:
        estimates=per_analysis("results/survival/{analysis}/{variant}/estimates.tsv"),
    output:
        estimates="results/survival/estimates.tsv",
        page=report(
            "results/survival/estimates.html",
            caption="../report/estimates.rst",
            category="6 Survival",
            labels={"figure": "all primary estimates"},
        ),
    log:
        "results/logs/collect_estimates.log",
    benchmark:
        "results/benchmarks/collect_estimates/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        code=code_of("collect_estimates.py"),
    script:
        "../scripts/collect_estimates.py"


rule compare_variants:
    input:
        slides=compared("results/cohort/{variant}/slides.tsv"),
        patients=(
            compared("results/survival/{analysis}/{variant}/patients.tsv")
            if HAS_CLINICAL
            else []
        ),
        estimates=(
            compared("results/survival/{analysis}/{variant}/estimates.tsv")
            if HAS_CLINICAL
            else []
        ),
    output:
        table="results/ablation/{compared}_variants.tsv",
        differences="results/ablation/{compared}_differences.tsv",
        svg="results/ablation/{compared}_variants.svg",
        png=report(
            "results/ablation/{compared}_variants.png",
            caption="../report/ablation.rst",
            category="7 Ablation",
            labels={"figure": "variants compared"},
        ),
    log:
        "results/logs/compare_variants/{compared}.log",
    benchmark:
        "results/benchmarks/compare_variants/{compared}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        variants=lambda wildcards: COMPARED[wildcards.compared],
        analysis=next(iter(ANALYSES.values())),
        replicates=config["statistics"]["bootstrap_replicates"],
        seed=config["seed"],
        code=code_of("compare_variants.py"),
    script:
        "../scripts/compare_variants.py"
