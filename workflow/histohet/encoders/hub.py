"""Fetching weights from the Hugging Face hub: the one part of histohet that uses the network."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from dataclasses import dataclass
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

from histohet.encoders.checksums import SHA256, file_sha256
from histohet.encoders.weights import (
    COMMIT,
    LockedWeights,
    WeightsError,
    WeightsSource,
    cached_path,
    read_lock,
    write_lock,
)

logger = logging.getLogger("histohet")

AGAIN = "then run `snakemake prefetch` again"

FULL = (errno.ENOSPC, errno.EDQUOT)


def fetch(source: WeightsSource, lock_path: str | Path) -> LockedWeights:
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
        if known and _is_cached(known):
            return known
        try:
            fetched = _download(source, known)
        # RuntimeError: what hf_xet, the client's faster transport, raises when it breaks off.
        except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError) as error:
            raise WeightsError(f"{source.repository}: {_explain(source, error)}") from error
        write_lock(path, lock | {source.key: fetched})
    return fetched


def _is_cached(known: LockedWeights) -> bool:
    path = cached_path(known)
    return path is not None and file_sha256(path) == known.sha256


@dataclass(frozen=True)
class _Offer:
    """What the hub says of a file: the commit, its size if stated, and its own checksum."""

    commit: str
    size: int | None
    etag: str


def _download(source: WeightsSource, known: LockedWeights | None) -> LockedWeights:
    """Download a file into the hub's cache and verify it."""
    offer = _ask(source, known.revision if known else source.revision)
    if known and SHA256.fullmatch(offer.etag) and offer.etag != known.sha256:
        raise WeightsError(_differs_from_lock(known, offer.etag))
    _check_space(source, offer)
    # A copy that is cached already may be damaged: then it is downloaded once more.
    for force in (False, True):
        path = Path(
            hf_hub_download(
                source.repository, source.file, revision=offer.commit, force_download=force
            )
        )
        found = file_sha256(path)
        sound = _is_what_the_hub_states(path, found, offer.etag)
        if sound and (known is None or found == known.sha256):
            size = path.stat().st_size
            return LockedWeights(source.repository, source.file, offer.commit, found, size)
    if known and sound:
        raise WeightsError(_differs_from_lock(known, found))
    # No other program that shares the cache shall take it for sound.
    path.resolve().unlink()
    path.unlink(missing_ok=True)
    raise WeightsError(
        f"{source.repository}: checksum differs: what was downloaded as {source.file} has sha256 "
        f"{found}, the hub states {offer.etag}; it was removed. Something between the hub and this "
        "machine (a proxy, a mirror in HF_ENDPOINT) alters files: fetch it from another network"
    )


def _ask(source: WeightsSource, revision: str | None) -> _Offer:
    """Ask the hub for commit, size and checksum of a file."""
    url = hf_hub_url(source.repository, source.file, revision=revision)
    answer = get_hf_file_metadata(url)
    if answer.commit_hash is None or answer.etag is None:
        raise FileMetadataError(f"{constants.ENDPOINT} does not answer as a Hugging Face hub")
    return _Offer(revision or answer.commit_hash, answer.size, answer.etag)


def _check_space(source: WeightsSource, offer: _Offer) -> None:
    """Refuse a download that cannot end well before it begins."""
    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if offer.size is not None and offer.size > free:
        raise WeightsError(
            f"{source.repository}: disk full: {source.file} needs {offer.size / 1e9:.2f} GB, "
            f"{cache} has {free / 1e9:.2f} GB left; {_more_space()}"
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


def _differs_from_lock(known: LockedWeights, found: str) -> str:
    return (
        f"{known.repository}: checksum differs: the hub's {known.file} at revision "
        f"{known.revision} has sha256 {found}, the lock says {known.sha256}. If the lock was not "
        "edited, do not use this file; to accept it all the same, delete the entry from the lock, "
        f"{AGAIN}"
    )


def _more_space() -> str:
    return f"free some space or set HF_HOME to a folder that has it (here and in jobs), {AGAIN}"


def _explain(source: WeightsSource, error: Exception) -> str:
    """Say why a file could not be had, and what to do."""
    cause = error.__cause__
    if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, Exception):
        return _explain(source, cause)
    if isinstance(error, OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, so nothing can be fetched; unset it, {AGAIN}"
    if isinstance(error, HfHubHTTPError):
        return _explain_answer(source, error)
    if isinstance(error, httpx2.HTTPError):
        return (
            f"no network: {constants.ENDPOINT} cannot be reached, or the connection broke off "
            f"({error or type(error).__name__}); on a cluster use the login node, behind a proxy "
            f"set HTTPS_PROXY, {AGAIN}"
        )
    if isinstance(error, FileMetadataError):
        return (
            f"no hub: {error}; check HF_ENDPOINT, and whether a firewall or a login page of the "
            f"network answers in its place, {AGAIN}"
        )
    if getattr(error, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(error):
        return f"disk full while {source.file} was downloaded; {_more_space()}"
    if getattr(error, "errno", None) is None:
        return (
            f"the download of {source.file} broke off ({error}); run `snakemake prefetch` again, "
            "if it happens again with HF_HUB_DISABLE_XET=1"
        )
    return (
        f"{source.file} cannot be stored ({error}); make {constants.HF_HUB_CACHE} writable or set "
        f"HF_HOME to a folder that is (here and in jobs), {AGAIN}"
    )


def _explain_answer(source: WeightsSource, error: HfHubHTTPError) -> str:
    """Say what an answer of the hub other than the file means."""
    page = f"{constants.ENDPOINT}/{source.repository}"
    status = error.response.status_code
    words = " ".join((error.server_message or "nothing more").split())
    if status == 401 and get_token() is None:
        return (
            "not logged in to the Hugging Face hub, and without that the repository is not shown "
            f"(gated, private or misspelt); accept its licence at {page}, log in with `hf auth "
            f"login` or set HF_TOKEN, {AGAIN}"
        )
    if status == 401:
        return (
            f"the hub does not accept your token ({words}); it may have expired: log in with `hf "
            f"auth login` or set HF_TOKEN to a new one, {AGAIN}"
        )
    if isinstance(error, GatedRepoError):
        return (
            f"licence not accepted, or access not granted yet (the hub says: {words}); accept it "
            f"at {page} with the account of your token, wait if access is granted by hand, {AGAIN}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            "no such repository, or a private one that your account may not see; check its name at "
            f"{page}, {AGAIN}"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"no such revision: {source.revision}; take a commit from {page}/commits, {AGAIN}"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"no such file: {source.file}; take its name from {page}/tree/main, {AGAIN}"
    if status == 403:
        return (
            f"your token does not have access (the hub says: {words}); give it read access to "
            f"gated repositories in the token settings of the hub, {AGAIN}"
        )
    return f"the hub answers {status} (it says: {words}); wait, {AGAIN}"
