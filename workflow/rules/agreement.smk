# Agreement of what was found with a pathologist, and with spatial transcriptomics.


rule agree_with_pathologist:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        counts=PATHOLOGIST.get("table", []),
    output:
        estimates="results/agreement/pathologist/{variant}.tsv",
        pairs="results/agreement/pathologist/{variant}_pairs.tsv",
        means="results/agreement/pathologist/{variant}_means.tsv",
        svg="results/agreement/pathologist/{variant}.svg",
        png=report(
            "results/agreement/pathologist/{variant}.png",
            caption="../report/pathologist.rst",
            category="9 Agreement with a pathologist",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/agree_with_pathologist/{variant}.log",
    benchmark:
        "results/benchmarks/agree_with_pathologist/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
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
        clusters=get_slide_clusters,
        thumbnail=get_thumbnail,
        spots=get_section("spots"),
        labels=get_section("labels"),
    output:
        table="results/agreement/expression/{variant}/{slide}.tsv",
        spots="results/agreement/expression/{variant}/{slide}_spots.tsv",
        json="results/agreement/expression/{variant}/{slide}.json",
        svg="results/agreement/expression/{variant}/{slide}.svg",
        png="results/agreement/expression/{variant}/{slide}.png",
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
        columns=get_spot_columns,
        seed=config["seed"],
        code=code_of("agree_with_expression.py"),
    script:
        "../scripts/agree_with_expression.py"
