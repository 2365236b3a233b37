"""Which file of weights a step runs with: known by its content, found without any network.

A source is a file on the Hugging Face hub or a local file. A hub file is fetched once by
`hub.fetch`, on a machine with internet, and recorded in a lock: repository, file, commit,
sha256 and size. From then on `locate` finds it in the hub's cache, and gives it out only if it is
the one the lock knows. A local file needs no lock. In both cases the sha256 is a parameter of the
step, so that other weights, and nothing else, run it again. Weights are read as bytes here, never
unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from histohet.common.files import read_json, write_json
from histohet.encoders.checksums import SHA256, file_sha256

REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")

PREFETCH = "run `snakemake prefetch` on a machine with internet"


class WeightsError(ValueError):
    """Weights cannot be fetched or used; the message names them and says what to do."""


@dataclass(frozen=True)
class WeightsSource:
    """A file on the Hugging Face hub.

    Attributes
    ----------
    repository
        ``owner/name`` of a model repository.
    file
        Path of the file in it.
    revision
        Commit, 40 hexadecimal digits. None: the newest at the first fetch, then the locked one.

    Raises
    ------
    WeightsError
        If one of them is malformed. Branches and tags are no revisions here: they move.
    """

    repository: str
    file: str
    revision: str | None = None

    def __post_init__(self) -> None:
        if not REPOSITORY.fullmatch(self.repository):
            raise WeightsError(
                f"weights: '{self.repository}' is not a repository of the Hugging Face hub; "
                "owner/name is expected, as in the address of its page"
            )
        path = PurePosixPath(self.file)
        if not self.file or path.is_absolute() or ".." in path.parts or "\\" in self.file:
            raise WeightsError(
                f"{self.repository}: '{self.file}' is not a path inside the repository; name the "
                "file as the repository lists it"
            )
        if self.revision is not None and not COMMIT.fullmatch(self.revision):
            raise WeightsError(
                f"{self.repository}: revision '{self.revision}' is not a commit (40 hexadecimal "
                "digits); branches and tags move: leave the revision out to pin the newest commit "
                "at the first `snakemake prefetch`"
            )

    @property
    def key(self) -> str:
        """Name in the lock."""
        return f"{self.repository}/{self.file}"


@dataclass(frozen=True)
class LockedWeights:
    """A file of the hub as it was fetched.

    Attributes
    ----------
    repository, file
        Where it is.
    revision
        The commit it was taken from.
    sha256
        Of its content, 64 hexadecimal digits.
    size
        Bytes.
    """

    repository: str
    file: str
    revision: str
    sha256: str
    size: int

    @property
    def key(self) -> str:
        """Name in the lock."""
        return f"{self.repository}/{self.file}"


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
        locked = _entry(entry)
        if locked is None or locked.key != key:
            raise WeightsError(f"{path}: entry '{key}' is damaged; {advice}")
        lock[key] = locked
    return lock


def _entry(entry: Any) -> LockedWeights | None:
    """Return an entry of the lock, None if it is not one."""
    try:
        locked = LockedWeights(**entry)
        sound = (
            COMMIT.fullmatch(locked.revision)
            and SHA256.fullmatch(locked.sha256)
            and isinstance(locked.size, int)
        )
    except TypeError:
        return None
    return locked if sound else None


def write_lock(path: str | Path, lock: Mapping[str, LockedWeights]) -> None:
    """Write the lock atomically, sorted, so that it changes only where weights change."""
    write_json(path, {key: asdict(lock[key]) for key in sorted(lock)})


def locked_weights(source: WeightsSource, lock: Mapping[str, LockedWeights]) -> LockedWeights:
    """Return what the lock says of a source.

    Raises
    ------
    WeightsError
        If it was not fetched yet, or at another revision than the source states.
    """
    locked = lock.get(source.key)
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


def locate(source: WeightsSource, lock: Mapping[str, LockedWeights]) -> Path:
    """Return the verified local path of fetched weights. Never uses the network.

    Raises
    ------
    WeightsError
        If they were not fetched yet, are not in this machine's cache, or are not what the lock
        says.
    """
    locked = locked_weights(source, lock)
    path = cached_path(locked)
    if path is None:
        from huggingface_hub.constants import HF_HUB_CACHE

        raise WeightsError(
            f"{source.repository}: {source.file} is not in the cache of this machine "
            f"({HF_HUB_CACHE}); {PREFETCH} that shares this folder, or set HF_HOME to the folder "
            "into which it was fetched"
        )
    found = file_sha256(path)
    if found != locked.sha256:
        raise WeightsError(
            f"{source.repository}: checksum differs: {path} has sha256 {found}, the lock says "
            f"{locked.sha256}; {PREFETCH} to fetch it again"
        )
    return path


def weights_source(settings: Mapping[str, Any]) -> WeightsSource | Path | None:
    """Return where a model's weights come from.

    Parameters
    ----------
    settings
        ``checkpoint`` (a local file), or else ``weights`` (``repository``, ``file`` and perhaps
        ``revision``), or neither: a model without weights. Other keys do not matter.

    Raises
    ------
    WeightsError
        If ``weights`` is malformed.
    """
    if settings.get("checkpoint"):
        return Path(settings["checkpoint"])
    weights = settings.get("weights")
    return WeightsSource(**weights) if weights else None


def pin(source: WeightsSource | Path | None, lock_path: str | Path) -> dict[str, str]:
    """Return the parameter of a step that names its weights by their content.

    The commit is left out on purpose: a new commit with the same file gives the same results.

    Returns
    -------
    dict
        ``file`` and ``sha256``; of a hub file also ``repository`` and ``lock``. Empty for a model
        without weights.

    Raises
    ------
    WeightsError
        If a hub file was not fetched yet, or a local file does not exist.
    """
    if source is None:
        return {}
    if isinstance(source, Path):
        return {"file": str(source), "sha256": local_sha256(source)}
    return {
        "repository": source.repository,
        "file": source.file,
        "sha256": locked_weights(source, read_lock(lock_path)).sha256,
        "lock": str(lock_path),
    }


def locate_pinned(pinned: Mapping[str, str]) -> Path | None:
    """Return the verified path of the weights that `pin` named, None for a model without.

    Raises
    ------
    WeightsError
        As `locate`, and if the file or the lock changed after the step was planned.
    """
    if not pinned:
        return None
    if "repository" in pinned:
        lock = read_lock(pinned["lock"])
        source = WeightsSource(pinned["repository"], pinned["file"])
        path, found = locate(source, lock), lock[source.key].sha256
    else:
        path = Path(pinned["file"])
        found = local_sha256(path)
    if found != pinned["sha256"]:
        raise WeightsError(
            f"{path}: checksum differs: the run was planned with sha256 {pinned['sha256']}, now it "
            f"is {found}; start snakemake again, it runs what depends on it"
        )
    return path


def local_sha256(path: Path) -> str:
    """Return the sha256 of a local file of weights.

    Raises
    ------
    WeightsError
        If it is missing or cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise WeightsError(
            f"checkpoint {path}: {error.strerror}; correct `checkpoint` in the configuration"
        ) from error
