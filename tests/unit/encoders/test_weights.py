"""Weights: the real hub client against a hub of our own, every way it can fail, the lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="the encoders' requirements are not installed")

from helpers.hubserver import COMMIT, NEXT_COMMIT, Hub, Repository, running_hub
from histohet.encoders.settings import HubFile, PackageFile
from histohet.encoders.weights import (
    LockedWeights,
    WeightsError,
    locate,
    locked_weights,
    pin,
    read_lock,
    write_lock,
)

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCE = HubFile(repository="lab/model", file="sub/model.safetensors")
LOCKED = LockedWeights(
    repository="lab/model",
    file="sub/model.safetensors",
    revision=COMMIT,
    sha256=SHA256,
    size=len(CONTENT),
)

DRIVER = """
import json, logging, sys
from histohet.encoders.settings import HubFile
from histohet.encoders.weights import WeightsError, locate, pin
logging.basicConfig(level=logging.INFO)
what, lock, source = sys.argv[1], sys.argv[2], HubFile(**json.loads(sys.argv[3]))
try:
    if what == "fetch":
        from histohet.encoders.hub import fetch
        print(json.dumps(fetch(source, lock).canonical()))
    else:
        print(json.dumps(str(locate(pin(source, lock)))))
except WeightsError as error:
    print(error)
    sys.exit(3)
"""


@dataclass
class Machine:
    """A machine with its own cache and environment, on which weights are fetched and located."""

    folder: Path
    hub: Hub

    @property
    def lock(self) -> Path:
        return self.folder / "config" / "weights.lock.json"

    def environment(self, **changes: str) -> dict[str, str]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))
            and "proxy" not in key.lower()
        }
        return inherited | {
            "HF_ENDPOINT": self.hub.url,
            # Patience on a busy machine.
            "HF_HUB_ETAG_TIMEOUT": "60",
            "HF_HUB_DOWNLOAD_TIMEOUT": "60",
            "HF_HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            **changes,
        }

    def command(self, what: str, source: HubFile) -> list[str]:
        arguments = [what, str(self.lock), json.dumps(source.canonical())]
        return [sys.executable, "-c", DRIVER, *arguments]

    def run(
        self, what: str, source: HubFile, *prefix: str, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*prefix, *self.command(what, source)],
            env=self.environment(**changes),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode in (0, 3), done.stdout + done.stderr
        return done

    def fetch(self, source: HubFile = SOURCE, **changes: str) -> LockedWeights:
        done = self.run("fetch", source, **changes)
        assert done.returncode == 0, done.stdout
        return LockedWeights(**json.loads(done.stdout))

    def locate(self, source: HubFile = SOURCE, **changes: str) -> Path:
        done = self.run("locate", source, HF_ENDPOINT="http://127.0.0.1:9", **changes)
        assert done.returncode == 0, done.stdout
        return Path(json.loads(done.stdout))

    def refusal(
        self, what: str = "fetch", source: HubFile = SOURCE, *prefix: str, **changes: str
    ) -> str:
        """Message of a call that fails; it always names the repository."""
        done = self.run(what, source, *prefix, **changes)
        assert done.returncode == 3, done.stdout + done.stderr
        assert source.repository in done.stdout
        assert done.stdout.count("\n") == 1
        return done.stdout


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.tokens = {"hf_member", "hf_stranger"}
        hub.repositories["lab/model"] = Repository({COMMIT: {SOURCE.file: CONTENT}})
        yield hub


@pytest.fixture
def machine(tmp_path: Path, hub: Hub) -> Machine:
    return Machine(tmp_path, hub)


def at(commit: str) -> HubFile:
    return SOURCE.model_copy(update={"revision": commit})


# Fetching and locating ----------------------------------------------------------------------------


def test_a_file_is_fetched_locked_and_located_without_network(machine: Machine) -> None:
    assert machine.fetch() == LOCKED
    assert read_lock(machine.lock) == {SOURCE.key: LOCKED}
    asked = len(machine.hub.requests)
    path = machine.locate(HF_HUB_OFFLINE="1")
    assert path.read_bytes() == CONTENT
    assert len(machine.hub.requests) == asked


def test_fetching_again_needs_no_network(machine: Machine) -> None:
    machine.fetch()
    text = machine.lock.read_bytes()
    assert machine.fetch(HF_ENDPOINT="http://127.0.0.1:9") == LOCKED
    assert machine.lock.read_bytes() == text


def test_the_first_fetch_pins_the_newest_commit_and_later_ones_keep_it(machine: Machine) -> None:
    machine.fetch()
    machine.hub.repositories["lab/model"].commits[NEXT_COMMIT] = {SOURCE.file: b"retrained"}
    assert machine.fetch() == LOCKED
    shutil.rmtree(machine.folder / "home")
    assert machine.fetch() == LOCKED
    assert machine.locate().read_bytes() == CONTENT


def test_a_stated_revision_is_the_one_that_is_fetched(machine: Machine) -> None:
    machine.fetch()
    commits = machine.hub.repositories["lab/model"].commits
    commits[NEXT_COMMIT] = {SOURCE.file: b"retrained"}
    stated = at(NEXT_COMMIT)
    assert "states revision" in machine.refusal("locate", stated)
    assert machine.fetch(stated).revision == NEXT_COMMIT
    assert machine.locate(stated).read_bytes() == b"retrained"
    assert machine.fetch(at(COMMIT)) == LOCKED


def test_small_files_are_checked_by_their_git_id(machine: Machine) -> None:
    machine.hub.repositories["lab/model"].small = {SOURCE.file}
    assert machine.fetch() == LOCKED


def test_several_files_share_a_lock_that_is_sorted(machine: Machine) -> None:
    files = {"b.bin": b"b", "a.bin": b"a"}
    machine.hub.repositories["lab/another"] = Repository({COMMIT: files})
    machine.fetch()
    for file in files:
        machine.fetch(HubFile(repository="lab/another", file=file))
    keys = list(json.loads(machine.lock.read_text()))
    assert keys == ["lab/another/a.bin", "lab/another/b.bin", SOURCE.key]


def test_a_token_from_the_environment_or_the_login_opens_a_gate(machine: Machine) -> None:
    repository = machine.hub.repositories["lab/model"]
    repository.gated, repository.members = True, {"hf_member"}
    machine.fetch(HF_TOKEN="hf_member")
    shutil.rmtree(machine.folder / "home")
    (machine.folder / "home").mkdir()
    (machine.folder / "home" / "token").write_text("hf_member")
    assert machine.fetch() == LOCKED
    # The token goes to the hub, not to the storage that the hub sends us to, and into no file.
    sent = {path.split("/")[1]: token for method, path, token in machine.hub.requests}
    assert sent["lab"] == "Bearer hf_member"
    assert sent["storage"] is None
    assert "hf_member" not in machine.lock.read_text()


@pytest.mark.parametrize("refuse_ranges", [False, True])
def test_a_download_that_breaks_off_goes_on(machine: Machine, refuse_ranges: bool) -> None:
    machine.hub.cut_after, machine.hub.cuts = 300_000, 1
    machine.hub.refuse_ranges = refuse_ranges
    assert machine.fetch() == LOCKED
    assert machine.hub.downloads() == 2


def test_an_altered_download_is_fetched_once_more(machine: Machine) -> None:
    machine.hub.altered = 1
    assert machine.fetch() == LOCKED
    assert machine.locate().read_bytes() == CONTENT


def test_a_damaged_copy_is_fetched_again(machine: Machine) -> None:
    machine.fetch()
    path = machine.locate()
    path.resolve().write_bytes(CONTENT[:-1])
    message = machine.refusal("locate")
    assert "checksum differs" in message
    assert "snakemake prefetch" in message
    assert machine.fetch() == LOCKED
    assert machine.locate().read_bytes() == CONTENT


def test_a_mirror_without_checksums_is_believed_the_first_time_only(machine: Machine) -> None:
    machine.hub.etag = "some-mirror-1"
    done = machine.run("fetch", SOURCE)
    assert "states no checksum" in done.stderr
    shutil.rmtree(machine.folder / "home")
    machine.hub.repositories["lab/model"].commits[COMMIT] = {SOURCE.file: CONTENT[::-1]}
    assert "the lock says" in machine.refusal()


# Messages -----------------------------------------------------------------------------------------


def test_message_not_logged_in(machine: Machine) -> None:
    machine.hub.repositories["lab/model"].gated = True
    message = machine.refusal()
    assert "not logged in" in message
    assert "hf auth login" in message
    assert "HF_TOKEN" in message
    assert f"{machine.hub.url}/lab/model" in message


def test_message_not_logged_in_or_no_such_repository(machine: Machine) -> None:
    message = machine.refusal(source=HubFile(repository="lab/modle", file="model.safetensors"))
    assert "not logged in" in message
    assert "misspelt" in message


def test_message_token_not_accepted(machine: Machine) -> None:
    message = machine.refusal(HF_TOKEN="hf_expired")
    assert "does not accept your token" in message
    assert "Invalid credentials" in message
    assert "hf_expired" not in message


def test_message_licence_not_accepted(machine: Machine) -> None:
    machine.hub.repositories["lab/model"].gated = True
    message = machine.refusal(HF_TOKEN="hf_stranger")
    assert "licence not accepted" in message
    assert "awaiting a review" in message
    assert f"{machine.hub.url}/lab/model" in message


def test_message_repository_not_found(machine: Machine) -> None:
    machine.hub.repositories["lab/model"].private = True
    message = machine.refusal(HF_TOKEN="hf_stranger")
    assert "no such repository" in message
    assert "private" in message


def test_message_revision_not_found(machine: Machine) -> None:
    source = at(NEXT_COMMIT)
    message = machine.refusal(source=source)
    assert f"no such revision: {NEXT_COMMIT}" in message


def test_message_file_not_found(machine: Machine) -> None:
    message = machine.refusal(source=SOURCE.model_copy(update={"file": "pytorch_model.bin"}))
    assert "no such file: pytorch_model.bin" in message
    assert "/tree/main" in message


def test_message_token_without_permission(machine: Machine) -> None:
    machine.hub.status = 403
    assert "your token does not have access" in machine.refusal(HF_TOKEN="hf_member")


def test_message_hub_is_down(machine: Machine) -> None:
    machine.hub.status = 501
    message = machine.refusal()
    assert "501" in message
    assert "being repaired" in message


def test_message_no_network(machine: Machine) -> None:
    message = machine.refusal(HF_ENDPOINT="http://127.0.0.1:9")
    assert "no network" in message
    assert "login node" in message
    assert not machine.lock.exists()


def test_message_offline(machine: Machine) -> None:
    message = machine.refusal(HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in message
    assert not machine.hub.requests


def test_message_something_else_answers(machine: Machine) -> None:
    machine.hub.no_commit = True
    assert "no hub" in machine.refusal()


def test_message_connection_breaks_off_for_good(machine: Machine) -> None:
    machine.hub.cut_after, machine.hub.cuts = 0, 100
    assert "broke off" in machine.refusal()
    assert not machine.lock.exists()
    assert not list((machine.folder / "home").rglob("*.incomplete"))


def test_message_checksum_differs_from_the_hubs(machine: Machine) -> None:
    machine.hub.altered = 2
    message = machine.refusal()
    assert "checksum differs" in message
    assert SHA256 in message
    assert not machine.lock.exists()
    cache = machine.folder / "home" / "hub" / "models--lab--model"
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 99]
    assert machine.fetch() == LOCKED


def test_message_checksum_differs_from_the_lock(machine: Machine) -> None:
    machine.fetch()
    entries = json.loads(machine.lock.read_text())
    entries[SOURCE.key]["sha256"] = "0" * 64
    machine.lock.write_text(json.dumps(entries))
    message = machine.refusal()
    assert "checksum differs" in message
    assert "the lock says 0000" in message
    assert "delete the entry" in message
    assert read_lock(machine.lock)[SOURCE.key].sha256 == "0" * 64
    assert "checksum differs" in machine.refusal("locate")


def test_message_disk_full_before_the_download(machine: Machine) -> None:
    machine.hub.stated_size = 10**18
    message = machine.refusal()
    assert "disk full" in message
    assert "HF_HOME" in message
    assert machine.hub.downloads() == 0


def test_message_disk_full_during_the_download(machine: Machine) -> None:
    mount = machine.folder / "small"
    mount.mkdir()
    shell = f'mount -t tmpfs -o size=512k tmpfs {mount} && exec "$0" "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    machine.hub.no_size = True
    message = machine.refusal("fetch", SOURCE, *unshare, HF_HOME=str(mount))
    assert "disk full while" in message


def test_message_cache_is_not_writable(machine: Machine) -> None:
    blocked = machine.folder / "blocked"
    blocked.write_text("a file where the cache should be")
    message = machine.refusal(HF_HOME=str(blocked))
    assert "cannot be stored" in message
    assert str(blocked) in message


def test_message_not_fetched_yet(machine: Machine) -> None:
    message = machine.refusal("locate")
    assert "not fetched yet" in message
    assert "snakemake prefetch" in message


def test_message_not_in_this_machines_cache(machine: Machine) -> None:
    machine.fetch()
    message = machine.refusal("locate", HF_HOME=str(machine.folder / "elsewhere"))
    assert str(machine.folder / "elsewhere" / "hub") in message
    assert "HF_HOME" in message


# In a package ------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not run, with a file of weights in it."""
    folder = tmp_path / "packages" / "held_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the package was imported')")
    (folder / "models" / "model.pth").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


HELD = PackageFile(package="held_weights", file="models/model.pth", sha256=SHA256)


def test_weights_in_a_package_need_no_lock_and_run_nothing(package: Path, tmp_path: Path) -> None:
    pinned = pin(HELD, tmp_path / "no lock")
    assert pinned == {"package": "held_weights", "file": "models/model.pth", "sha256": SHA256}
    assert locate(pinned) == package / "models" / "model.pth"


def test_message_package_holds_another_file(package: Path, tmp_path: Path) -> None:
    (package / "models" / "model.pth").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"checksum differs.*install requirements/encoders\.txt"):
        locate(pin(HELD, tmp_path / "no lock"))


def test_message_package_is_not_installed(tmp_path: Path) -> None:
    missing = HELD.model_copy(update={"package": "not_here"})
    pinned = pin(missing, tmp_path / "no lock")
    with pytest.raises(WeightsError, match=r"'not_here'.* is not installed here: install requirem"):
        locate(pinned)


# Several at once ----------------------------------------------------------------------------------


def test_prefetches_at_once_leave_a_whole_lock_and_cache(machine: Machine) -> None:
    files = {f"{number}.bin": os.urandom(200_000) for number in range(3)}
    machine.hub.repositories["lab/model"].commits[COMMIT] |= files
    sources = [SOURCE, *(HubFile(repository="lab/model", file=file) for file in files)]
    processes = [
        subprocess.Popen(
            machine.command("fetch", source),
            env=machine.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for source in sources * 2
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    lock = read_lock(machine.lock)
    assert set(lock) == {source.key for source in sources}
    for file, content in files.items():
        assert lock[f"lab/model/{file}"].sha256 == hashlib.sha256(content).hexdigest()
        assert machine.locate(HubFile(repository="lab/model", file=file)).read_bytes() == content
    # The second prefetch of a file waited for the first and found everything done.
    assert machine.hub.downloads() == len(sources)
    assert {path.name for path in machine.lock.parent.iterdir()} == {
        "weights.lock.json",
        ".weights.lock.json.mutex",
    }


def test_projects_that_share_a_cache_do_not_disturb_each_other(tmp_path: Path, hub: Hub) -> None:
    projects = [Machine(tmp_path / str(number), hub) for number in range(4)]
    shared = str(tmp_path / "shared")
    processes = [
        subprocess.Popen(
            project.command("fetch", SOURCE),
            env=project.environment(HF_HOME=shared),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for project in projects
    ]
    for process in processes:
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
    for project in projects:
        assert read_lock(project.lock) == {SOURCE.key: LOCKED}
        assert project.locate(HF_HOME=shared).read_bytes() == CONTENT


def test_a_killed_prefetch_blocks_nobody(machine: Machine) -> None:
    machine.lock.parent.mkdir(parents=True)
    hold = (
        "import sys, time; from filelock import FileLock; FileLock(sys.argv[1]).acquire(); "
        "print('held', flush=True); time.sleep(60)"
    )
    mutex = str(machine.lock.parent / ".weights.lock.json.mutex")
    with subprocess.Popen(
        [sys.executable, "-c", hold, mutex], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    assert machine.fetch() == LOCKED


# The lock -----------------------------------------------------------------------------------------


def test_the_lock_is_read_as_written(tmp_path: Path) -> None:
    write_lock(tmp_path / "lock.json", {LOCKED.key: LOCKED})
    assert read_lock(tmp_path / "lock.json") == {LOCKED.key: LOCKED}
    assert read_lock(tmp_path / "absent.json") == {}


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< HEAD",
        "[]",
        json.dumps({"lab/model/x": LOCKED.canonical()}),
        json.dumps({LOCKED.key: LOCKED.canonical() | {"sha256": SHA256[:-1]}}),
        json.dumps({LOCKED.key: LOCKED.canonical() | {"revision": "main"}}),
        json.dumps({LOCKED.key: LOCKED.canonical() | {"revision": None}}),
        json.dumps({LOCKED.key: LOCKED.canonical() | {"size": "1"}}),
        json.dumps({LOCKED.key: {"sha256": SHA256}}),
        json.dumps({LOCKED.key: SHA256}),
    ],
)
def test_a_damaged_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    with pytest.raises(WeightsError, match=r"lock\.json.*restore the file"):
        read_lock(tmp_path / "lock.json")


# What a step is told ------------------------------------------------------------------------------


def test_a_pin_names_the_content_not_the_commit(tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    write_lock(lock, {LOCKED.key: LOCKED})
    pinned = pin(SOURCE, lock)
    expected = {"repository": "lab/model", "file": SOURCE.file, "sha256": SHA256, "lock": str(lock)}
    assert pinned == expected
    moved: dict[str, Any] = LOCKED.canonical() | {"revision": NEXT_COMMIT}
    write_lock(lock, {LOCKED.key: LockedWeights(**moved)})
    assert pin(SOURCE, lock) == pinned


def test_pins_of_local_files_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(CONTENT)
    pinned = pin(str(tmp_path / "x.pth"), tmp_path / "lock.json")
    assert pinned == {"file": str(tmp_path / "x.pth"), "sha256": SHA256}
    assert locate(pinned) == tmp_path / "x.pth"
    assert pin(None, tmp_path / "lock.json") == {}
    assert locate({}) is None


def test_a_local_file_that_changes_after_planning_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(CONTENT)
    pinned = pin(str(path), tmp_path / "lock.json")
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError, match="start snakemake again"):
        locate(pinned)
    path.unlink()
    with pytest.raises(WeightsError, match=r"x\.pth: No such file.*checkpoint"):
        locate(pinned)
    with pytest.raises(WeightsError, match=r"x\.pth: No such file.*checkpoint"):
        pin(str(path), tmp_path / "lock.json")


def test_pins_need_a_fetch(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"lab/model.*not fetched yet.*snakemake prefetch"):
        pin(SOURCE, tmp_path / "lock.json")
    with pytest.raises(WeightsError, match="not fetched yet"):
        locked_weights(SOURCE, tmp_path / "absent.json")
