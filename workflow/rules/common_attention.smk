"""Functions that name the files of tumour attention and of slide embeddings."""

ATTENTION = config.get("attention", {})
FROM_CHIEF = ATTENTION.get("from") == "chief"
HAS_ATTENTION = FROM_CHIEF or any(row.attention for row in SHEET.slides.values())
WITH_ATTENTION = [s for s, row in SHEET.slides.items() if FROM_CHIEF or row.attention]
POOLINGS = config["slide_embeddings"]

# A name stands for itself; a mapping is like the section `encoder`.
CHIEF_ENCODER = ATTENTION.get("encoder", "ctranspath_chief")
if isinstance(CHIEF_ENCODER, str):
    CHIEF_ENCODER = {"name": CHIEF_ENCODER}
CHIEF_ENTRY = entry_from(CHIEF_ENCODER)

if "attention" in POOLINGS and not HAS_ATTENTION:
    raise WorkflowError(
        "config, slide_embeddings: 'attention' weighs tiles by tumour attention, but no slide has"
        " any: name files in the sheet's column `attention`, or set attention.from to chief"
    )
if "chief" in POOLINGS and not FROM_CHIEF:
    raise WorkflowError(
        "config, slide_embeddings: 'chief' needs CHIEF: set attention.from to chief"
    )


def is_scored_by_chief(wildcards):
    """Whether the attention of a slide is CHIEF's: a file that the sheet names wins."""
    return FROM_CHIEF and get_row(wildcards).attention is None


def get_attention(wildcards):
    """Tumour attention of a slide as CSV."""
    if is_scored_by_chief(wildcards):
        return f"results/chief/attention/{wildcards.slide}.csv"
    return get_file("attention")(wildcards)


def get_chief_outcome(wildcards):
    """The file that says why CHIEF gave a slide no attention; none if the sheet brings it."""
    own = is_scored_by_chief(wildcards)
    return f"results/chief/attention/{wildcards.slide}.h5" if own else []


def get_pooled_features(wildcards):
    """Embeddings that are pooled: CHIEF's own, or those of the configured encoder."""
    if wildcards.pooling == "chief":
        return f"results/chief/features/{wildcards.slide}.h5"
    return get_features(wildcards)


def get_pooling_scores(wildcards):
    """Attention that weighs the tiles, if any."""
    if wildcards.pooling == "chief":
        return f"results/chief/attention/{wildcards.slide}.h5"
    return get_tumour_scores(wildcards) if wildcards.pooling == "attention" else []


def get_pooling_min_coverage(wildcards):
    """Epithelium that a tile needs to be pooled, where more tiles are encoded for the sake of some
    variant: what others ask for must not change an embedding."""
    wanted = config["epithelium"]["min_coverage"]
    return None if is_whole(wildcards) or wanted == ENCODED_COVERAGE else wanted


def get_pooling_coverage(wildcards):
    """Epithelium of the tiles, where some are encoded and not pooled."""
    stricter = get_pooling_min_coverage(wildcards) is not None
    return f"results/coverage/{wildcards.slide}.h5" if stricter else []


def attention_files():
    """Heatmaps and tiles for QuPath, where the configuration wants attention shown."""
    return expand(
        ["results/attention/{slide}.png", "results/attention/{slide}.geojson"],
        slide=WITH_ATTENTION if ATTENTION else [],
    )


def embedding_files():
    """Tables of slide embeddings: one for each pooling and each way in which tiles are encoded."""
    ours = [pooling for pooling in POOLINGS if pooling != "chief"]
    encoded = {
        (VARIANTS[name].factors["encoder"], VARIANTS[name].factors["masking"])
        for name in CONFIGURED
    }
    files = []
    for encoder, masking in sorted(encoded):
        files += expand(EMBEDDING_TABLE, encoder=encoder, masking=masking, pooling=ours)
    if "chief" in POOLINGS:
        files += expand(
            EMBEDDING_TABLE,
            encoder=CHIEF_ENCODER["name"],
            masking="whole",
            pooling="chief",
        )
    return files
