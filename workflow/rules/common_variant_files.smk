"""Functions that name the files of variants, and say what their factors stand for."""


def is_whole(wildcards):
    """Whether whole tiles are encoded, whatever the epithelium."""
    return MASKINGS[wildcards.masking].variant.masking == "whole"


def get_encoder_inputs(wildcards):
    """Inputs of the encoding: whole tiles need neither mask nor coverage."""
    inputs = {
        "record": f"results/preflight/slides/{wildcards.slide}.json",
        "slide": get_file("path")(wildcards),
        "tiles": f"results/tiles/{wildcards.slide}.h5",
    }
    if not is_whole(wildcards):
        inputs["tissue"] = f"results/tissue/{wildcards.slide}.geojson"
        inputs["coverage"] = f"results/coverage/{wildcards.slide}.h5"
        inputs["mask"] = get_file("mask")(wildcards)
        inputs["stain"] = get_stain_mask(wildcards)
    return inputs


def get_min_coverage(wildcards):
    """Epithelium that a tile needs to be encoded; nothing for whole tiles."""
    return None if is_whole(wildcards) else ENCODED_COVERAGE


def get_coverage_of_imported(wildcards):
    """Epithelium of the tiles of finished features; whole tiles need none."""
    return [] if is_whole(wildcards) else f"results/coverage/{wildcards.slide}.h5"


def get_stricter_min_coverage(wildcards):
    """Epithelium that a tile needs to be clustered, where that is more than to be encoded."""
    wanted = PROCEDURES[wildcards.procedure].config["epithelium"]["min_coverage"]
    return None if is_whole(wildcards) or wanted == ENCODED_COVERAGE else wanted


def get_stricter_coverage(wildcards):
    """Epithelium of the tiles, where some are encoded and not clustered."""
    stricter = get_stricter_min_coverage(wildcards) is not None
    return get_clustered_coverage(wildcards) if stricter else []


def get_masking_parameters(wildcards):
    """What the encoding has to know about the mask; nothing for whole tiles."""
    if is_whole(wildcards):
        return {}
    epithelium = MASKINGS[wildcards.masking].config["epithelium"]
    return {
        "class_names": epithelium["class_names"],
        "min_coverage": ENCODED_COVERAGE,
        "fill": epithelium["fill"],
        "classes": get_mask_classes(wildcards),
    }


def get_features(wildcards):
    """Embeddings that a clustering starts from: ours, or finished ones."""
    if is_imported(wildcards.slide):
        return f"results/imported/features/{wildcards.masking}/{wildcards.slide}.h5"
    return "results/features/{encoder}/{masking}/{slide}.h5".format(**wildcards)


def needs_torch(wildcards):
    """Whether an encoder is a network."""
    return ENTRIES[wildcards.encoder].needs_torch


def is_pooled(wildcards):
    """Whether the slides of a patient are clustered together; then {slide} is a patient."""
    return PROCEDURES[wildcards.procedure].variant.pooled


def of_pool(file):
    """A file of a patient whose slides are pooled, with the wildcards of its clusters."""
    return f"results/pooled/{{encoder}}/{{masking}}/{{slide}}.{file}"


def get_clustered_features(wildcards):
    """Embeddings that are clustered together."""
    if is_pooled(wildcards):
        return of_pool("features.h5").format(**wildcards)
    return get_features(wildcards)


def get_clustered_coverage(wildcards):
    """Epithelium of the tiles, of which some are clustered."""
    pattern = (
        of_pool("coverage.h5")
        if is_pooled(wildcards)
        else "results/coverage/{slide}.h5"
    )
    return pattern.format(**wildcards)


def get_clustered_tumour_scores(wildcards):
    """Tumour score per tile, of the slides or patients that have attention."""
    if not is_pooled(wildcards):
        return get_tumour_scores(wildcards)
    known = all(map(has_attention, PATIENTS[wildcards.slide]))
    return of_pool("tumour.h5").format(**wildcards) if known else []


def get_measured_traits(wildcards):
    """Trait maps of a slide; slides that are pooled have none in common."""
    return [] if is_pooled(wildcards) else get_file("traits")(wildcards)


def get_features_of_patient(wildcards):
    """Embeddings of the slides of a patient."""
    return [
        (
            f"results/imported/features/{wildcards.masking}/{slide}.h5"
            if is_imported(slide)
            else f"results/features/{wildcards.encoder}/{wildcards.masking}/{slide}.h5"
        )
        for slide in PATIENTS[wildcards.slide]
    ]


def get_tumour_scores_of_patient(wildcards):
    """Tumour scores of the slides of a patient, if all have any."""
    slides = PATIENTS[wildcards.slide]
    return (
        expand("results/tumour/{slide}.h5", slide=slides)
        if all(map(has_attention, slides))
        else []
    )


def get_pooled_thumbnails(wildcards):
    """Pictures of all patients, their slides side by side."""
    return expand(of_pool("jpg"), slide=PATIENTS, **VARIANTS[wildcards.variant].factors)


def is_published(wildcards):
    """Whether tiles are clustered as published."""
    return PROCEDURES[wildcards.procedure].variant.procedure == "paper"


def get_clustering_settings(wildcards):
    """How tiles are clustered; the published procedure has its own numbers."""
    settings = PROCEDURES[wildcards.procedure].config["clustering"]
    if is_published(wildcards):
        settings = {"procedure": "paper", "min_tiles": settings["min_tiles"]}
    return ClusteringSettings(**settings).canonical()


def units(variant):
    """What a variant clusters: slides, or patients."""
    return PATIENTS if variant.pooled else SLIDES


def of_variant(pattern, slides=None):
    """Input function for files as a variant wants its tiles and clusters: those of `slides`, or of
    everything that it clusters."""

    def files(wildcards):
        settled = VARIANTS[wildcards.variant]
        wanted = units(settled.variant) if slides is None else slides
        return expand(pattern, slide=wanted, **settled.factors)

    return files


def get_measures_of_procedure(wildcards):
    """Measures of everything that is clustered alike."""
    wanted = units(PROCEDURES[wildcards.procedure].variant)
    return expand(MEASURES, slide=wanted, **wildcards)


def get_slide_clusters(wildcards):
    """Clusters of a slide that a variant needs."""
    return of_variant(CLUSTERS, wildcards.slide)(wildcards)[0]


def get_threshold(wildcards):
    """Tumour threshold that a variant applies; none where all clusters count."""
    settled = VARIANTS[wildcards.variant]
    if settled.variant.tumour_filter and HAS_ATTENTION:
        return f"{THRESHOLD}.json".format(**settled.factors)
    return []


def get_given_threshold():
    """Tumour threshold that the configuration gives as a number, if it does."""
    given = config["tumour"]["threshold"]
    return None if isinstance(given, str) else given


def get_learned_threshold(wildcards):
    """Tumour threshold that was learned on another cohort, if the configuration names its file."""
    given = config["tumour"]["threshold"]
    return given if isinstance(given, str) and given != "otsu" else []


def per_variant(pattern):
    """Files of every configured variant."""
    return expand(pattern, variant=list(CONFIGURED))
