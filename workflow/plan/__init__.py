"""What a run makes, of which files: decided here, before any rule. Knows nothing of Snakemake."""
