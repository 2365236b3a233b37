# Will this cohort run? What every slide is, and what is wrong with the sheets.


rule check_slide:
    input:
        files=get_files("path", "features", "tiles"),
    output:
        record="results/preflight/slides/{slide}.json",
    log:
        "results/logs/check_slide/{slide}.log",
    benchmark:
        "results/benchmarks/check_slide/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=5),
        runtime=growing(5),
    params:
        row=get_slide_values,
        problems_of_files=get_problems_of_files,
        duplicate_rows=lambda wildcards: SHEET.duplicates.get(wildcards.slide, ()),
        tiles=config["tiles"],
        scale=config["scale"],
        code=code_of("check_slide.py"),
    script:
        "../scripts/check_slide.py"


rule check_companions:
    input:
        record="results/preflight/slides/{slide}.json",
        mask=get_file("mask"),
        attention=get_file("attention"),
        traits=get_file("traits"),
        truth=get_file("truth"),
    output:
        record="results/preflight/companions/{slide}.json",
    log:
        "results/logs/check_companions/{slide}.log",
    benchmark:
        "results/benchmarks/check_companions/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
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
        unpack(get_clinical_data),
        slides=expand("results/preflight/slides/{slide}.json", slide=SLIDES),
        companions=expand("results/preflight/companions/{slide}.json", slide=SLIDES),
        sheet=config["slides"],
    output:
        slides="results/preflight/slides.tsv",
        problems="results/preflight/problems.tsv",
        page=report(
            "results/preflight/preflight.html",
            caption="../report/preflight.rst",
            category="1 Preflight",
            labels={"table": "slides and sheets"},
        ),
    log:
        "results/logs/collect_preflight.log",
    benchmark:
        "results/benchmarks/collect_preflight/all.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        patient_pattern=as_written(config.get("patient_pattern")),
        encoder=entry_from(config["encoder"]).parameters(),
        code=code_of("collect_preflight.py"),
    script:
        "../scripts/collect_preflight.py"
