# Which share of every tile is epithelium.


rule segment_epithelium:
    input:
        record="results/preflight/slides/{slide}.json",
        slide=get_file("path"),
        tissue="results/tissue/{slide}.geojson",
    output:
        mask="results/epithelium/{slide}.tif",
    log:
        "results/logs/segment_epithelium/{slide}.log",
    benchmark:
        "results/benchmarks/segment_epithelium/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_tiles=70),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        label=STAIN_CLASS,
        code=code_of("segment_epithelium.py"),
    script:
        "../scripts/segment_epithelium.py"


rule measure_coverage:
    input:
        record="results/preflight/slides/{slide}.json",
        tiles=get_tiles,
        mask=get_file("mask"),
        stain=get_stain_mask,
    output:
        coverage="results/coverage/{slide}.h5",
    log:
        "results/logs/measure_coverage/{slide}.log",
    benchmark:
        "results/benchmarks/measure_coverage/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2, per_mb_of_geojson=PARSED_MASK),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        classes=get_mask_classes,
        class_names=config["epithelium"]["class_names"],
        code=code_of("measure_coverage.py"),
    script:
        "../scripts/measure_coverage.py"
