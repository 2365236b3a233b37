"""What a run makes."""


def get_results(wildcards):
    """Everything a run makes, other than its summary; for QuPath, the first variant."""
    first = next(iter(CONFIGURED))
    files = [
        "results/preflight/preflight.html",
        *per_variant("results/cohort/{variant}/slides.html"),
        *per_variant([f"results/maps/{{variant}}/{slide}.png" for slide in SLIDES]),
        *expand(
            "results/qupath/{variant}/{slide}.geojson", variant=first, slide=SLIDES
        ),
        *per_variant("results/survival/{variant}/results.json", HAS_CLINICAL),
        *attention_files(),
        *embedding_files(),
    ]
    if len(CONFIGURED) > 1:
        files.append("results/ablation/configured_variants.tsv")
    return files
