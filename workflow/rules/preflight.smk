# Will this cohort run? What every slide is, and what is wrong with the sheets.


localrules:
    preflight,


rule check_slide:
    input:
        files=SLIDES.files("path", "features", "tiles"),
    output:
        record=paths.RECORD,
    log:
        "results/logs/check_slide/{slide}.log",
    benchmark:
        "results/benchmarks/check_slide/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=5),
        runtime=growing(5),
    params:
        row=SLIDES.values,
        problems_of_files=SLIDES.problems_of_files,
        duplicate_rows=SLIDES.duplicate_rows,
        tiles=config["tiles"],
        scale=config["scale"],
        code=code_of("check_slide.py"),
    script:
        "../scripts/check_slide.py"


rule check_companions:
    input:
        record=paths.RECORD,
        mask=SLIDES.file("mask"),
        attention=SLIDES.file("attention"),
        traits=SLIDES.file("traits"),
        truth=SLIDES.file("truth"),
    output:
        record=paths.COMPANIONS,
    log:
        "results/logs/check_companions/{slide}.log",
    benchmark:
        "results/benchmarks/check_companions/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(3),
    params:
        tiles=config["tiles"],
        code=code_of("check_companions.py"),
    script:
        "../scripts/check_companions.py"


rule collect_preflight:
    input:
        slides=fill(paths.RECORD, slide=SLIDES.rows),
        companions=fill(paths.COMPANIONS, slide=SLIDES.rows),
        sheet=config["slides"],
    output:
        slides=paths.PREFLIGHT,
    log:
        "results/logs/collect_preflight.log",
    benchmark:
        "results/benchmarks/collect_preflight/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        patient_pattern=as_written(config.get("patient_pattern")),
        encoder=ENCODERS.configured.parameters(),
        code=code_of("collect_preflight.py"),
    script:
        "../scripts/collect_preflight.py"


# Apart from the table of slides, which no clinical table changes.
rule list_problems:
    input:
        unpack(INPUTS.clinical),
        slides=paths.PREFLIGHT,
        records=fill(paths.RECORD, slide=SLIDES.rows),
        companions=fill(paths.COMPANIONS, slide=SLIDES.rows),
        sheet=config["slides"],
    output:
        problems="results/preflight/problems.tsv",
        page=report(
            paths.PREFLIGHT_PAGE,
            caption="../report/preflight.rst",
            category="1 Preflight",
            labels={"table": "slides and sheets"},
        ),
    log:
        "results/logs/list_problems.log",
    benchmark:
        "results/benchmarks/list_problems/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        patient_pattern=as_written(config.get("patient_pattern")),
        code=code_of("list_problems.py"),
    script:
        "../scripts/list_problems.py"


rule preflight:
    input:
        rules.list_problems.output,
