# The cohort in the browser: `snakemake atlas`. Nothing else depends on it.


from histohet.atlas.static import hash_of_pages


localrules:
    atlas,


rule export_atlas_slide:
    input:
        unpack(PLAN.atlas.slide),
    output:
        folder=directory(paths.ATLAS_SLIDE),
    log:
        "results/logs/export_atlas_slide/{encoder}_{masking}_{procedure}/{slide}.log",
    benchmark:
        "results/benchmarks/export_atlas_slide/{encoder}_{masking}_{procedure}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=8, pooled=INPUTS.is_pooled),
        runtime=growing(5, per_1000_tiles=0.05, pooled=INPUTS.is_pooled),
    params:
        exemplars=config["atlas"]["exemplars"],
        pictures=config["atlas"]["pictures"],
        combinations=PLAN.traits.combinations,
        code=code_of("export_atlas_slide.py"),
    script:
        "../scripts/export_atlas_slide.py"


rule export_atlas_pyramid:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
    output:
        folder=directory(paths.ATLAS_PYRAMID),
    log:
        "results/logs/export_atlas_pyramid/{slide}.log",
    benchmark:
        "results/benchmarks/export_atlas_pyramid/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20, per_1000_tiles=2),
    params:
        um=PLAN.atlas.um_per_px,
        code=code_of("export_atlas_pyramid.py"),
    script:
        "../scripts/export_atlas_pyramid.py"


rule export_atlas_cohort:
    input:
        # Only to be there: the page names them.
        PLAN.atlas.folders,
        PLAN.atlas.pyramids,
        PLAN.qupath,
        preflight=paths.PREFLIGHT,
        slides=PLAN.per_variant(paths.COHORT),
        clusters=PLAN.per_variant(paths.COHORT_CLUSTERS),
        patients=PLAN.atlas.of_analyses(paths.PATIENTS),
        estimates=PLAN.atlas.of_analyses(paths.ESTIMATES),
        curves=PLAN.atlas.of_analyses(paths.KAPLAN_MEIER),
    output:
        page=paths.ATLAS,
        cohort=paths.ATLAS_COHORT,
        static=directory(paths.ATLAS_STATIC),
    log:
        "results/logs/export_atlas_cohort.log",
    benchmark:
        "results/benchmarks/export_atlas_cohort/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=500),
        runtime=growing(10, per_1000_slides=2),
    params:
        variants=PLAN.atlas.variants,
        analyses=PLAN.atlas.analyses,
        columns=config["atlas"].get("columns"),
        zoomed=PLAN.atlas.zoomed,
        pages=with_signature(lambda wildcards: hash_of_pages()),
        code=code_of("export_atlas_cohort.py"),
    script:
        "../scripts/export_atlas_cohort.py"


rule atlas:
    input:
        paths.ATLAS,
