# Where the tissue is, and where in it the epithelium.


rule segment_tissue:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
    output:
        tissue=paths.TISSUE,
        thumbnail=paths.THUMBNAIL,
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
        tissue=SLIDES.tissue,
        code=code_of("segment_tissue.py"),
    script:
        "../scripts/segment_tissue.py"


rule segment_epithelium:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tissue=paths.TISSUE,
    output:
        mask=paths.STAIN_MASK,
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
        label=SLIDES.stain_class,
        code=code_of("segment_epithelium.py"),
    script:
        "../scripts/segment_epithelium.py"
