# Where the tissue is, and the tiles that cover it.


rule segment_tissue:
    input:
        record="results/preflight/slides/{slide}.json",
        slide=get_file("path"),
    output:
        tissue="results/tissue/{slide}.geojson",
        thumbnail="results/thumbnails/{slide}.jpg",
    log:
        "results/logs/segment_tissue/{slide}.log",
    benchmark:
        "results/benchmarks/segment_tissue/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # A plain JPEG is decoded whole: 3 bytes per pixel, a gigabyte for 18,000 × 18,000 px.
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        preset=get_tissue_preset,
        overrides=config["tissue"]["overrides"],
        code=code_of("segment_tissue.py"),
    script:
        "../scripts/segment_tissue.py"


rule tile_slide:
    input:
        record="results/preflight/slides/{slide}.json",
        tissue="results/tissue/{slide}.geojson",
        thumbnail="results/thumbnails/{slide}.jpg",
    output:
        tiles="results/tiles/{slide}.h5",
        picture="results/tiles/{slide}.jpg",
    log:
        "results/logs/tile_slide/{slide}.log",
    benchmark:
        "results/benchmarks/tile_slide/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(3),
    params:
        tiles=config["tiles"],
        code=code_of("tile_slide.py"),
    script:
        "../scripts/tile_slide.py"
