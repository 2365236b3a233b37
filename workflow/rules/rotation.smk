# How far clusters of tiles stay the same when every tile is turned about its own centre.


localrules:
    rotation,


rule turn_tiles:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tiles=paths.TILES,
    output:
        features=paths.TURNED,
    log:
        "results/logs/turn_tiles/{encoder}/{slide}.log",
    benchmark:
        "results/benchmarks/turn_tiles/{encoder}/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
        if ENCODERS.any_needs_torch(PLAN.rotation.encoders)
        else "../../envs/slides.yaml"
    threads: ENCODERS.by_kind(network=16, descriptors=1)
    resources:
        mem_mb=growing(
            ENCODERS.by_kind(network=12000, descriptors=1000), per_1000_tiles=2
        ),
        # As `encode_tiles`, once for every angle.
        runtime=growing(
            ENCODERS.by_kind(network=60, descriptors=30),
            per_1000_tiles=ENCODERS.by_kind(network=45, descriptors=5),
        ),
        gpu=ENCODERS.by_kind(network=1, descriptors=0),
        batch_size=256,
        stage=as_written(config["encoding"]["stage"]),
    params:
        encoder=ENCODERS.parameters,
        weights=ENCODERS.weights,
        angles=PLAN.rotation.angles,
        encoding=ENCODING,
        code=code_of("turn_tiles.py"),
    script:
        "../scripts/turn_tiles.py"


rule compare_rotation:
    input:
        turned=paths.TURNED,
        truth=PLAN.rotation.truth,
    output:
        table=paths.CORE_CONSISTENCY,
        labels=paths.TURNED_LABELS,
    log:
        "results/logs/compare_rotation/{encoder}/{slide}.log",
    benchmark:
        "results/benchmarks/compare_rotation/{encoder}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        # The vectors of all tiles at one angle, and of a block of tiles at all angles.
        mem_mb=growing(2000, per_1000_tiles=40),
        runtime=growing(20, per_1000_tiles=2),
    params:
        settings=PLAN.rotation.comparison,
        seed=config["seed"],
        code=code_of("compare_rotation.py"),
    script:
        "../scripts/compare_rotation.py"


rule share_clusters:
    input:
        turned=PLAN.rotation.turned,
        truth=list(PLAN.rotation.truths.values()),
    output:
        table=paths.SHARED_CONSISTENCY,
    log:
        "results/logs/share_clusters/{encoder}.log",
    benchmark:
        "results/benchmarks/share_clusters/{encoder}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        # 200 vectors of every core, twice.
        mem_mb=growing(2000, per_1000_slides=5000),
        runtime=growing(30, per_1000_slides=240),
    params:
        patients=PLAN.rotation.patients,
        known=list(PLAN.rotation.truths),
        settings=PLAN.rotation.comparison,
        seed=config["seed"],
        code=code_of("share_clusters.py"),
    script:
        "../scripts/share_clusters.py"


rule collect_rotation:
    input:
        cores=PLAN.rotation.tables,
        shared=PLAN.rotation.shared,
    output:
        consistency=paths.CONSISTENCY,
        shared="results/rotation/inter_subject.tsv",
        svg="results/rotation/by_angle.svg",
        png=report(
            "results/rotation/by_angle.png",
            caption="../report/rotation.rst",
            category="14 Rotation",
            labels={"figure": "Consistency by angle"},
        ),
    log:
        "results/logs/collect_rotation.log",
    benchmark:
        "results/benchmarks/collect_rotation/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_of("collect_rotation.py"),
    script:
        "../scripts/collect_rotation.py"


rule draw_rotation:
    input:
        labels=PLAN.rotation.labels,
        tiles=paths.TILES,
        thumbnail=paths.THUMBNAIL,
    output:
        picture=paths.TURNED_PICTURE,
    log:
        "results/logs/draw_rotation/{slide}.log",
    benchmark:
        "results/benchmarks/draw_rotation/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        encoders=PLAN.rotation.encoders,
        code=code_of("draw_rotation.py"),
    script:
        "../scripts/draw_rotation.py"


rule rotation:
    input:
        PLAN.rotation.wanted,
