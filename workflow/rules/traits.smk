# Molecular traits of tiles, learned from bulk expression (PathoMCH): labels, models, maps, judgement.


TRAITS = config.get("traits", {})


localrules:
    traits,


rule label_traits:
    input:
        tables=sorted({one["table"] for one in TRAITS.get("expression", [])}),
        sheet=config["slides"],
    output:
        **paths.TRAIT_LABELS,
        problems="results/traits/problems.tsv",
    log:
        "results/logs/label_traits.log",
    benchmark:
        "results/benchmarks/label_traits/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(20),
    params:
        # A table of all genes is read line by line: two minutes for PanCanAtlas'.
        traits=as_written(PLAN.trait_patients),
        patient_pattern=as_written(config.get("patient_pattern")),
        seed=config["seed"],
        code=code_of("label_traits.py"),
    script:
        "../scripts/label_traits.py"


rule traits:
    input:
        PLAN.trait_labels,
