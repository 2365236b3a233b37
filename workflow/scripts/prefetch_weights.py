"""Fetch and verify the weights of every model, and record them in the lock."""

from collections.abc import Mapping
from typing import Any

from histohet.common.jobs import job_log
from histohet.encoders.settings import HubFile
from histohet.encoders.weights import WeightsError, file_sha256, locate


def prefetch(weights: Mapping[str, Any] | str | None) -> str:
    """Have the weights of one model, and say which they are."""
    if weights is None:
        return "needs no weights"
    if isinstance(weights, str):
        return f"{weights}, sha256 {file_sha256(weights)}"
    if "package" in weights:
        return f"{locate(weights)}, sha256 {weights['sha256']}"
    return fetch_from_hub(HubFile(**weights))


def fetch_from_hub(source: HubFile) -> str:
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
    for name, weights in snakemake.params.weights.items():
        try:
            log.info("%s: %s", name, prefetch(weights))
        except WeightsError as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise SystemExit("\n".join(failures))
