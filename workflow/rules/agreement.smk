# Agreement of what was found with a known truth, a pathologist, and spatial transcriptomics.


PATHOLOGIST = lookup(dpath="agreement/pathologist", within=config, default={})


localrules:
    agreement,


rule compare_with_truth:
    input:
        slides=paths.COHORT,
        clusters=INPUTS.of_variant(paths.CLUSTERS, list(SLIDES.with_truth)),
        truth=list(SLIDES.with_truth.values()),
    output:
        table=paths.TRUTH,
        svg="results/agreement/{variant}.svg",
        png=report(
            "results/agreement/{variant}.png",
            caption="../report/agreement.rst",
            category="8 Agreement with the truth",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/compare_with_truth/{variant}.log",
    benchmark:
        "results/benchmarks/compare_with_truth/{variant}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        names=list(SLIDES.with_truth),
        code=code_of("compare_with_truth.py"),
    script:
        "../scripts/compare_with_truth.py"


rule agree_with_pathologist:
    input:
        slides=paths.COHORT,
        counts=PATHOLOGIST.get("table", []),
    output:
        estimates="results/agreement/pathologist/{variant}.tsv",
        pairs="results/agreement/pathologist/pairs/{variant}.tsv",
        means="results/agreement/pathologist/means/{variant}.tsv",
        svg="results/agreement/pathologist/{variant}.svg",
        png=report(
            paths.PATHOLOGIST,
            caption="../report/pathologist.rst",
            category="9 Agreement with a pathologist",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/agree_with_pathologist/{variant}.log",
    benchmark:
        "results/benchmarks/agree_with_pathologist/{variant}.tsv"
    conda:
        "../../envs/spatial.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        unit=PATHOLOGIST.get("unit"),
        column=as_written(PATHOLOGIST.get("column")),
        score=PATHOLOGIST.get("score"),
        seed=config["seed"],
        code=code_of("agree_with_pathologist.py"),
    script:
        "../scripts/agree_with_pathologist.py"


rule agree_with_expression:
    input:
        clusters=INPUTS.clusters,
        thumbnail=INPUTS.thumbnail,
        spots=PLAN.section("spots"),
        labels=PLAN.section("labels"),
    output:
        table="results/agreement/expression/{variant}/{slide}.tsv",
        spots="results/agreement/expression/{variant}/spots/{slide}.tsv",
        json="results/agreement/expression/{variant}/{slide}.json",
        svg="results/agreement/expression/{variant}/{slide}.svg",
        png=paths.EXPRESSION,
    log:
        "results/logs/agree_with_expression/{variant}/{slide}.log",
    benchmark:
        "results/benchmarks/agree_with_expression/{variant}/{slide}.tsv"
    conda:
        "../../envs/spatial.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        columns=PLAN.spot_columns,
        seed=config["seed"],
        code=code_of("agree_with_expression.py"),
    script:
        "../scripts/agree_with_expression.py"


rule agree_with_genes:
    input:
        map=paths.TRAIT_MAP,
        tiles=SLIDES.tiles,
        thumbnail=lambda wildcards: SLIDES.thumbnail(wildcards.slide),
        spots=PLAN.section("spots"),
        counts=PLAN.section("counts"),
    output:
        table="results/agreement/genes/{slide}.tsv",
        svg="results/agreement/genes/{slide}.svg",
        png=paths.GENES,
    log:
        "results/logs/agree_with_genes/{slide}.log",
    benchmark:
        "results/benchmarks/agree_with_genes/{slide}.tsv"
    conda:
        "../../envs/spatial.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        # A table of a section may have a hundred million cells.
        runtime=growing(60),
    params:
        columns=PLAN.spot_places,
        genes=PLAN.genes,
        seed=config["seed"],
        code=code_of("agree_with_genes.py"),
    script:
        "../scripts/agree_with_genes.py"


rule agreement:
    input:
        PLAN.agreement,
