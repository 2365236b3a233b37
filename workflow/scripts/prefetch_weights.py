"""Fetch and verify the weights of every model, and record them in the lock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histohet.common.jobs import job_log
from histohet.encoders.weights import WeightsError, WeightsSource, local_sha256, weights_source


def prefetch(settings: Mapping[str, Any]) -> str:
    """Have the weights of one model, and say which they are."""
    source = weights_source(settings)
    if source is None:
        return "needs no weights"
    if isinstance(source, Path):
        return f"{source}, sha256 {local_sha256(source)}"
    return fetch_from_hub(source)


def fetch_from_hub(source: WeightsSource) -> str:
    """Fetch from the hub; only now is its client needed."""
    try:
        from histohet.encoders.hub import fetch
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"{source.repository}: fetching needs the package '{error.name}'; install "
            "requirements/encoders.txt, then run `snakemake prefetch` again"
        ) from error
    locked = fetch(source, snakemake.params.lock)
    return f"{locked.key}, revision {locked.revision}, {locked.size} bytes, sha256 {locked.sha256}"


with job_log(snakemake, network=True) as log:
    failures = []
    for name, settings in snakemake.params.weights.items():
        try:
            log.info("%s: %s", name, prefetch(settings))
        except WeightsError as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise SystemExit("\n".join(failures))
