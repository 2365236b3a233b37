# The key figures of the run.


localrules:
    report,


rule summarise:
    input:
        # Only to come last: the wall time of a stage is known when it is over.
        rules.preflight.input,
        rules.cohort.input,
        rules.cores.input,
        rules.maps.input,
        rules.qupath.input,
        rules.attention.input,
        rules.slide_vectors.input,
        rules.traits.input,
        rules.radiomics.input,
        rules.survival.input,
        PLAN.comparison,
        rules.prognosis.input,
        rules.fusion.input,
        rules.agreement.input,
        rules.rotation.input,
        # The pictures of single slides and scans that the report holds, and no more: all are in results/.
        [
            report(
                file,
                caption=f"../report/{kind.caption}",
                category=kind.category,
                subcategory=kind.subcategory,
                labels={kind.unit: Path(file).stem},
            )
            for kind in PLAN.pictures()
            for file in kind.files
        ],
        preflight=paths.PREFLIGHT,
        failures=PLAN.per_variant(paths.FAILURES),
        slides=PLAN.per_variant(paths.COHORT),
        estimates=INPUTS.of_first_analysis(paths.ESTIMATES, VARIANTS.configured),
        patients=INPUTS.of_first_analysis(paths.PATIENTS, VARIANTS.configured),
        agreement=fill(paths.TRUTH, variant=PLAN.with_truth),
    output:
        summary=paths.SUMMARY,
    log:
        "results/logs/summarise.log",
    benchmark:
        "results/benchmarks/summarise/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        variants=VARIANTS.configured,
        pooled=[name for name in VARIANTS.configured if name not in VARIANTS.of_slides],
        compared_with_truth=PLAN.with_truth,
        planted_hazard_ratio=lookup(
            dpath="phantoms/hazard_ratio", within=config, default=None
        ),
        benchmarks="results/benchmarks",
        code=code_of("summarise.py"),
    script:
        "../scripts/summarise.py"


rule report:
    input:
        rules.summarise.output,
