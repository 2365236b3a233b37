"""Fetching weights from the Hugging Face hub: the one part of histohet that uses the network."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
from pathlib import Path

import httpx2
from filelock import FileLock
from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from histohet.encoders.settings import COMMIT, HubFile
from histohet.encoders.weights import (
    LockedWeights,
    WeightsError,
    cached_path,
    file_sha256,
    read_lock,
    write_lock,
)

logger = logging.getLogger("histohet")

SHA256 = re.compile(r"[0-9a-f]{64}")
AGAIN = "then run `snakemake prefetch` again"
MORE_SPACE = "free some space or set HF_HOME to a folder that has it (here and in jobs)"


def fetch(source: HubFile, lock_path: str | Path) -> LockedWeights:
    """Have a file in the hub's cache, verified, and in the lock.

    What the lock knows and the cache holds is verified without the network; else the file is
    downloaded, at the commit that the source states, else the lock, else the newest. A damaged copy
    is downloaded again. One process at a time works on a lock; others wait.

    Raises
    ------
    WeightsError
        If it cannot be had, with the reason and what to do about it.
    """
    path = Path(lock_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.mutex")):
        lock = read_lock(path)
        known = lock.get(source.key)
        if known and source.revision not in (None, known.revision):
            logger.info("%s: from revision %s to %s", source.key, known.revision, source.revision)
            known = None
        if known and (cached := cached_path(known)) and file_sha256(cached) == known.sha256:
            return known
        try:
            fetched = _download(source, known)
        # RuntimeError: what hf_xet, the client's faster transport, raises when it breaks off.
        except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError) as error:
            reason = _explain(source, error)
            raise WeightsError(f"{source.repository}: {reason}, {AGAIN}") from error
        write_lock(path, lock | {source.key: fetched})
    return fetched


def _download(source: HubFile, known: LockedWeights | None) -> LockedWeights:
    """Download a file into the hub's cache and verify it."""
    revision = known.revision if known else source.revision
    offer = get_hf_file_metadata(hf_hub_url(source.repository, source.file, revision=revision))
    commit = revision or offer.commit_hash
    if offer.commit_hash is None or offer.etag is None or commit is None:
        raise FileMetadataError(f"{constants.ENDPOINT} does not answer as a Hugging Face hub")
    _check_space(source, offer.size)
    # A copy that is cached already may be damaged: then it is downloaded once more.
    for force in (False, True):
        path = Path(
            hf_hub_download(source.repository, source.file, revision=commit, force_download=force)
        )
        found = file_sha256(path)
        sound = _is_what_the_hub_states(path, found, offer.etag)
        if sound and (known is None or found == known.sha256):
            return LockedWeights(
                repository=source.repository,
                file=source.file,
                revision=commit,
                sha256=found,
                size=path.stat().st_size,
            )
    if known and sound:
        raise WeightsError(
            f"{source.repository}: checksum differs: the hub's {source.file} at revision {commit} "
            f"has sha256 {found}, the lock says {known.sha256}. If the lock was not edited, do not "
            f"use this file; to accept it all the same, delete the entry from the lock, {AGAIN}"
        )
    # No other program that shares the cache shall take it for sound.
    path.resolve().unlink()
    path.unlink(missing_ok=True)
    raise WeightsError(
        f"{source.repository}: checksum differs: what was downloaded as {source.file} has sha256 "
        f"{found}, the hub states {offer.etag}; it was removed. Something between the hub and this "
        "machine (a proxy, a mirror in HF_ENDPOINT) alters files: fetch it from another network"
    )


def _check_space(source: HubFile, size: int | None) -> None:
    """Refuse a download that cannot end well before it begins."""
    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if size is not None and size > free:
        raise WeightsError(
            f"{source.repository}: disk full: {source.file} needs {size / 1e9:.2f} GB, {cache} has "
            f"{free / 1e9:.2f} GB left; {MORE_SPACE}, {AGAIN}"
        )


def _is_what_the_hub_states(path: Path, found: str, etag: str) -> bool:
    """Compare a file, of which the sha256 was found, to the checksum that the hub states for it.

    The hub's ETag is the sha256 of a large file and git's object id of a small one. A mirror's may
    be anything: then the size, which the client compares, is all there is.
    """
    if SHA256.fullmatch(etag):
        return found == etag
    if COMMIT.fullmatch(etag):
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest() == etag
    logger.warning("%s: %s states no checksum, only its size", path.name, constants.ENDPOINT)
    return True


def _explain(source: HubFile, error: BaseException) -> str:
    """Say why a file could not be had, and what to do before it is tried again."""
    match error:
        case LocalEntryNotFoundError(__cause__=Exception() as cause):
            return _explain(source, cause)
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set, so nothing can be fetched; unset it"
        case HfHubHTTPError():
            return _explain_answer(source, error)
        case httpx2.HTTPError():
            return (
                f"no network: {constants.ENDPOINT} cannot be reached, or the connection broke off "
                f"({error or type(error).__name__}); on a cluster use the login node, behind a "
                "proxy set HTTPS_PROXY"
            )
        case FileMetadataError():
            return (
                f"no hub: {error}; check HF_ENDPOINT, and whether a firewall or a login page of "
                "the network answers in its place"
            )
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(
        errno.ENOSPC
    ) in str(error):
        return f"disk full while {source.file} was downloaded; {MORE_SPACE}"
    if getattr(error, "errno", None) is None:
        return (
            f"the download of {source.file} broke off ({error}); if it does so again, set "
            "HF_HUB_DISABLE_XET=1"
        )
    return (
        f"{source.file} cannot be stored ({error}); make {constants.HF_HUB_CACHE} writable or set "
        "HF_HOME to a folder that is (here and in jobs)"
    )


def _explain_answer(source: HubFile, error: HfHubHTTPError) -> str:
    """Say what an answer of the hub other than the file means."""
    page = f"{constants.ENDPOINT}/{source.repository}"
    status = error.response.status_code
    words = f"(the hub says: {' '.join((error.server_message or 'nothing more').split())})"
    if status == 401 and get_token() is None:
        return (
            "not logged in to the Hugging Face hub, and without that the repository is not shown "
            f"(gated, private or misspelt); accept its licence at {page}, log in with `hf auth "
            "login` or set HF_TOKEN"
        )
    if status == 401:
        return (
            f"the hub does not accept your token {words}; it may have expired: log in with `hf "
            "auth login` or set HF_TOKEN to a new one"
        )
    match error:
        case GatedRepoError():
            return (
                f"licence not accepted, or access not granted yet {words}; accept it at {page} "
                "with the account of your token, wait if access is granted by hand"
            )
        case RepositoryNotFoundError():
            return (
                "no such repository, or a private one that your account may not see; check its "
                f"name at {page}"
            )
        case RevisionNotFoundError():
            return f"no such revision: {source.revision}; take a commit from {page}/commits"
        case RemoteEntryNotFoundError():
            return f"no such file: {source.file}; take its name from {page}/tree/main"
    if status == 403:
        return (
            f"your token does not have access {words}; give it read access to gated repositories "
            "in the token settings of the hub"
        )
    return f"the hub answers {status} {words}; wait"
