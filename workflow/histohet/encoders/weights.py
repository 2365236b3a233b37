"""Which file of weights a step runs with: known by its content, found without any network.

Weights are a file on the Hugging Face hub, a file in an installed package, or a local file. A hub
file is fetched once by `hub.fetch`, on a machine with internet, and recorded in a lock. The others
need no lock. In all cases the sha256 is a parameter of the step, so that other weights, and nothing
else, run it again; and the step reads the file only if it has that sha256. Weights are read as
bytes here, never unpickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, ValidationError

from histohet.common.files import read_json, write_json
from histohet.encoders.settings import HubFile, PackageFile

PREFETCH = "run `snakemake prefetch` on a machine with internet"
INSTALL = "install requirements/encoders.txt"


class WeightsError(ValueError):
    """Weights cannot be fetched or used; the message names them and says what to do."""


class LockedWeights(HubFile):
    """A file of the hub as it was fetched, from the commit `revision`."""

    revision: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of its content.")
    size: int = Field(ge=0, description="Bytes.")


def read_lock(path: str | Path) -> dict[str, LockedWeights]:
    """Read the lock: fetched weights by ``repository/file``; nothing where there is no lock yet.

    Raises
    ------
    WeightsError
        If the file is not a lock, or an entry of it was damaged.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    advice = f"restore the file, or delete it and {PREFETCH}"
    try:
        entries = read_json(path)
    except ValueError as error:
        raise WeightsError(f"{error}; {advice}") from error
    lock = {}
    for key, entry in entries.items():
        try:
            lock[key] = LockedWeights.model_validate(entry)
        except ValidationError as error:
            raise WeightsError(f"{path}: entry '{key}' is damaged; {advice}") from error
        if lock[key].key != key:
            raise WeightsError(f"{path}: entry '{key}' is of {lock[key].key}; {advice}")
    return lock


def write_lock(path: str | Path, lock: Mapping[str, LockedWeights]) -> None:
    """Write the lock atomically, sorted, so that it changes only where weights change."""
    write_json(path, {key: lock[key].canonical() for key in sorted(lock)})


def locked_weights(source: HubFile, lock_path: str | Path) -> LockedWeights:
    """Return what the lock says of a file.

    Raises
    ------
    WeightsError
        If it was not fetched yet, or at another revision than the source states.
    """
    locked = read_lock(lock_path).get(source.key)
    if locked is None:
        raise WeightsError(f"{source.repository}: {source.file} is not fetched yet; {PREFETCH}")
    if source.revision not in (None, locked.revision):
        raise WeightsError(
            f"{source.repository}: the configuration states revision {source.revision} of "
            f"{source.file}, fetched was {locked.revision}; {PREFETCH}"
        )
    return locked


def cached_path(locked: LockedWeights) -> Path | None:
    """Return the place of fetched weights in the hub's cache on this machine, unverified."""
    # Imported here: only machines that run such models have it.
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(locked.repository, locked.file, revision=locked.revision)
    return Path(found) if isinstance(found, str) else None


def pin(weights: HubFile | PackageFile | str | None, lock_path: str | Path) -> dict[str, str]:
    """Return the parameter of a step that names its weights by their content.

    The commit is left out on purpose: a new commit with the same file gives the same results.

    Parameters
    ----------
    weights
        A file of the hub or of a package, the path of a local one, or None: a model without
        weights.

    Returns
    -------
    dict
        ``file`` and ``sha256``; of a hub file also ``repository`` and ``lock``, of a package's
        ``package``. Empty for a model without weights.

    Raises
    ------
    WeightsError
        If a hub file was not fetched yet, or a local file does not exist.
    """
    if weights is None:
        return {}
    if isinstance(weights, str):
        return {"file": weights, "sha256": file_sha256(weights)}
    if isinstance(weights, PackageFile):
        return weights.model_dump()
    locked = locked_weights(weights, lock_path)
    return {
        "repository": weights.repository,
        "file": weights.file,
        "sha256": locked.sha256,
        "lock": str(lock_path),
    }


def locate(pinned: Mapping[str, str]) -> Path | None:
    """Return the path of the weights that `pin` named, None for a model without.

    Never uses the network, and gives out no file with another content.

    Raises
    ------
    WeightsError
        If they are not on this machine, or not what they were when the step was planned.
    """
    if not pinned:
        return None
    if "repository" in pinned:
        path, again = _in_cache(pinned), f"{PREFETCH} to fetch it again, then "
    elif "package" in pinned:
        path, again = _in_package(pinned), f"{INSTALL} anew, then "
    else:
        path, again = Path(pinned["file"]), ""
    found = file_sha256(path)
    if found != pinned["sha256"]:
        raise WeightsError(
            f"{pinned.get('repository', path)}: checksum differs: the run was planned with sha256 "
            f"{pinned['sha256']}, {path} has {found}; {again}start snakemake again"
        )
    return path


def _in_cache(pinned: Mapping[str, str]) -> Path:
    source = HubFile(repository=pinned["repository"], file=pinned["file"], revision=None)
    path = cached_path(locked_weights(source, pinned["lock"]))
    if path is None:
        from huggingface_hub.constants import HF_HUB_CACHE

        raise WeightsError(
            f"{source.repository}: {source.file} is not in the cache of this machine "
            f"({HF_HUB_CACHE}); {PREFETCH} that shares this folder, or set HF_HOME to the folder "
            "into which it was fetched"
        )
    return path


def _in_package(pinned: Mapping[str, str]) -> Path:
    # Found without running any code of the package.
    found = find_spec(pinned["package"])
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            f"{pinned['file']}: the package '{pinned['package']}', which holds these weights, is "
            f"not installed here: {INSTALL}"
        )
    return Path(found.submodule_search_locations[0]) / pinned["file"]


def file_sha256(path: str | Path) -> str:
    """Return the sha256 of a file of weights, 64 hexadecimal digits; a second for a gigabyte.

    Raises
    ------
    WeightsError
        If it is missing or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"checkpoint {path}: {error.strerror}; correct `checkpoint` in the configuration"
        ) from error
