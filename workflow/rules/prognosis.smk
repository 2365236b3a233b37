# What heterogeneity adds to a slide embedding and to clinical data.


localrules:
    prognosis,


rule assess_added_value:
    input:
        patients=fill(
            paths.PATIENTS, analysis=ANALYSES.of_added_value, variant="{variant}"
        )[0],
        embeddings=PLAN.compared_vectors,
    output:
        estimates=paths.ADDED_VALUE,
        risks="results/added_value/{variant}/risks.tsv",
        svg="results/added_value/{variant}/added_value.svg",
        png=report(
            "results/added_value/{variant}/added_value.png",
            caption="../report/added_value.rst",
            category="11 Added value",
            labels={"variant": "{variant}", "figure": "models compared"},
        ),
    log:
        "results/logs/assess_added_value/{variant}.log",
    benchmark:
        "results/benchmarks/assess_added_value/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, per_1000_slides=100),
        # A minute of an idle core for 200 patients and an endpoint, three for 1,000.
        runtime=growing(120),
    params:
        analysis=ANALYSES.by_name[ANALYSES.of_added_value],
        comparison=lookup(dpath="added_value", within=config, default={}),
        seed=config["seed"],
        code=code_of("assess_added_value.py"),
    script:
        "../scripts/assess_added_value.py"


rule prognosis:
    input:
        PLAN.prognosis,
