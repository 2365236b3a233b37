# CT scans, or finished features of them, to tables of radiomic features.


localrules:
    radiomics,


rule prepare_scan:
    input:
        files=PLAN.scans.files,
        # Mask and record, of a scan whose row names no mask.
        segmented=PLAN.scans.segmented_files,
    output:
        scan=paths.SCAN,
        record=paths.SCAN_RECORD,
        picture=paths.SCAN_PICTURE,
    log:
        "results/logs/prepare_scan/{scan}.log",
    benchmark:
        "results/benchmarks/prepare_scan/{scan}.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: 1
    resources:
        # The CT is held as it is stored, turned, and as floats: 20 bytes per voxel, of which a
        # packed file has one or two.
        mem_mb=growing(PLAN.scans.mem_mb),
        runtime=growing(10),
    params:
        row=PLAN.scans.row,
        region=PLAN.scans.region,
        missing=PLAN.scans.problems_of_files,
        ct=config["ct"],
        code=code_of("prepare_scan.py"),
    script:
        "../scripts/prepare_scan.py"


rule extract_radiomics:
    input:
        scan=paths.SCAN,
    output:
        features=paths.SCAN_FEATURES,
    log:
        "results/logs/extract_radiomics/{scan}.log",
    benchmark:
        "results/benchmarks/extract_radiomics/{scan}.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: 1
    resources:
        # 1.1 GB for a region of 800,000 voxels.
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        ct=config["ct"],
        radiomics=config["radiomics"],
        seed=config["seed"],
        code=code_of("extract_radiomics.py"),
    script:
        "../scripts/extract_radiomics.py"


rule import_radiomics:
    input:
        PLAN.scans.files,
    output:
        features=paths.IMPORTED_RADIOMICS,
    log:
        "results/logs/import_radiomics/{scan}.log",
    benchmark:
        "results/benchmarks/import_radiomics/{scan}.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        table=PLAN.scans.table,
        missing=PLAN.scans.problems_of_files,
        code=code_of("import_radiomics.py"),
    script:
        "../scripts/import_radiomics.py"


rule collect_radiomics:
    input:
        features=PLAN.scans.features,
    output:
        features=paths.RADIOMICS,
        draws=paths.RADIOMICS_DRAWS,
        stability=paths.RADIOMICS_STABILITY,
        page="results/radiomics/scans.html",
    log:
        "results/logs/collect_radiomics.log",
    benchmark:
        "results/benchmarks/collect_radiomics/all.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        scans=PLAN.scans.about,
        code=code_of("collect_radiomics.py"),
    script:
        "../scripts/collect_radiomics.py"


rule draw_radiomics:
    input:
        features=paths.RADIOMICS,
        stability=paths.RADIOMICS_STABILITY,
    output:
        stability_svg="results/radiomics/stability.svg",
        stability=report(
            paths.STABILITY_FIGURE,
            caption="../report/stability.rst",
            category="14 Scans",
            labels={"figure": "stability of features"},
        ),
        correlation_svg="results/radiomics/correlation.svg",
        correlation=report(
            paths.CORRELATION_FIGURE,
            caption="../report/correlation.rst",
            category="14 Scans",
            labels={"figure": "correlation of features"},
        ),
    log:
        "results/logs/draw_radiomics.log",
    benchmark:
        "results/benchmarks/draw_radiomics/all.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        min_icc=PLAN.fusion.min_icc,
        max_correlation=PLAN.fusion.max_correlation,
        code=code_of("draw_radiomics.py"),
    script:
        "../scripts/draw_radiomics.py"


rule radiomics:
    input:
        PLAN.radiomics,
