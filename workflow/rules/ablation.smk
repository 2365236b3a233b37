# Variants compared with each other.


localrules:
    ablation,


rule compare_variants:
    input:
        slides=INPUTS.compared(paths.COHORT),
        patients=INPUTS.compared_analyses(paths.PATIENTS),
        estimates=INPUTS.compared_analyses(paths.ESTIMATES),
    output:
        table=paths.COMPARISON,
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
        variants=INPUTS.compared_variants,
        analysis=ANALYSES.by_name[ANALYSES.first],
        replicates=config["statistics"]["bootstrap_replicates"],
        seed=config["seed"],
        code=code_of("compare_variants.py"),
    script:
        "../scripts/compare_variants.py"


# All variants that there are; `report` has the configured ones.
rule ablation:
    input:
        fill(paths.COMPARISON, compared="all"),
