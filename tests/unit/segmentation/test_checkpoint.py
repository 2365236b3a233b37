"""Checkpoints: nnU-Net's own are read, and whatever else a file holds is neither made nor run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the encoders' requirements are not installed")

from helpers.nnunet import checkpoint  # noqa: E402
from histohet.segmentation.checkpoint import load_tensors, read_checkpoint  # noqa: E402
from histohet.segmentation.plans import ModelError  # noqa: E402

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2)}


def test_a_checkpoint_of_nnunet_is_read(tmp_path: Path) -> None:
    torch.save(checkpoint(WEIGHTS), tmp_path / "c.pth")
    found = read_checkpoint(tmp_path / "c.pth")
    assert found.configuration == "3d_fullres"
    assert found.trainer == "nnUNetTrainer"
    assert found.mirrored == (0, 1, 2)
    assert found.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_one_that_was_trained_without_mirror_images(tmp_path: Path) -> None:
    torch.save(checkpoint(WEIGHTS, None), tmp_path / "c.pth")
    assert read_checkpoint(tmp_path / "c.pth").mirrored is None


def test_numpy_before_2_had_another_name_for_scalars(tmp_path: Path) -> None:
    torch.save(checkpoint(WEIGHTS), tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new:
        files = {name: new.read(name) for name in new.namelist()}
    with zipfile.ZipFile(tmp_path / "old.pth", "w") as old:
        for name, data in files.items():
            renamed = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            old.writestr(name, renamed if name.endswith(".pkl") else data)
    assert b"numpy._core" in files["new/data.pkl"]
    assert read_checkpoint(tmp_path / "old.pth").configuration == "3d_fullres"


# --- what is not read -----------------------------------------------------------------------------


class Calls:
    """Unpickled plainly, it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


def run_shell(marker: Path) -> Any:
    import os

    return Calls(os.system, f"touch {marker}")


def evaluate(marker: Path) -> Any:
    return Calls(eval, f"__import__('pathlib').Path({str(marker)!r}).touch()")


def nested(marker: Path) -> Any:
    """A function among the arguments of one that is allowed."""
    return Calls(np.dtype, Calls(eval, f"__import__('pathlib').Path({str(marker)!r}).touch()"))


def by_attribute(marker: Path) -> Any:
    return Calls(getattr, Calls(__import__, "os"), "system")


POISON = {
    run_shell: "(posix.system)",
    evaluate: "(builtins.eval",
    nested: "(builtins.eval",
    by_attribute: "(builtins.__import__, builtins.getattr)",
}


@pytest.mark.parametrize("poison", POISON, ids=lambda poison: poison.__name__)
def test_objects_are_named_and_not_made(poison: Callable[[Path], Any], tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "checkpoint_final.pth"
    torch.save(checkpoint(WEIGHTS) | {"logging": [poison(marker)]}, path)
    with pytest.raises(ModelError) as error:
        read_checkpoint(path)
    begin = f"segmentation.model: {path} holds Python objects {POISON[poison]}"
    assert str(error.value).startswith(begin)
    assert str(error.value).endswith(") and is not read")
    assert not marker.exists()
    if poison is not by_attribute:
        torch.load(path, weights_only=False)
        assert marker.exists(), "the poison does not work, so the test shows nothing"


def test_a_name_that_is_put_together_while_it_is_read(tmp_path: Path) -> None:
    """What takes its names from the stack is not seen beforehand, and is not made either."""
    marker = tmp_path / "ran"
    pickled = (
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c"
        + bytes([len(f"touch {marker}")])
        + f"touch {marker}".encode()
        + b"\x85R."
    )
    torch.save({"a": 1}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "c.pth", "w") as made,
    ):
        for name in plain.namelist():
            made.writestr(name, pickled if name.endswith("data.pkl") else plain.read(name))
    with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or damaged"):
        load_tensors(tmp_path / "c.pth")
    assert not marker.exists()
    pickle.loads(pickled)
    assert marker.exists()


def whole(path: Path) -> bytes:
    torch.save(checkpoint(WEIGHTS), path)
    return path.read_bytes()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    content = whole(path)
    bare = pickle.dumps(Calls(eval, f"open({str(tmp_path / 'ran')!r}, 'w')"))
    for data in (content[: len(content) // 2], b"", b"a text\n", bare):
        path.write_bytes(data)
        with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or was not copied"):
            load_tensors(path)
    torch.save(checkpoint(WEIGHTS), path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or was not copied"):
        load_tensors(path)
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("word/document.xml", "<x/>")
    with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or damaged"):
        load_tensors(path)
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or damaged"):
        load_tensors(path)
    path.unlink()
    with pytest.raises(ModelError, match=r"c\.pth cannot be read: No such file or directory"):
        load_tensors(path)
    assert not (tmp_path / "ran").exists()


def test_a_record_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    content = bytearray(whole(path))
    at = content.index(b"network_weights")
    content[at - 20 : at + 60] = bytes(80)
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="is no checkpoint of PyTorch, or damaged"):
        load_tensors(path)


NOT_NNUNET: list[tuple[Any, str]] = [
    ([1, 2], "is no checkpoint of nnU-Net v2"),
    ({"state_dict": WEIGHTS}, "is no checkpoint of nnU-Net v2: KeyError('network_weights')"),
    ({"network_weights": {"a": 1}}, "'a' is no tensor"),
    (
        {k: v for k, v in checkpoint(WEIGHTS).items() if k != "init_args"},
        "is no checkpoint of nnU-Net v2: KeyError('init_args')",
    ),
]


@pytest.mark.parametrize(("content", "message"), NOT_NNUNET)
def test_checkpoints_of_others(content: Any, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "c.pth")
    with pytest.raises(ModelError) as error:
        read_checkpoint(tmp_path / "c.pth")
    assert message in str(error.value)


def test_nothing_stays_allowed(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save(checkpoint(WEIGHTS), tmp_path / "c.pth")
    read_checkpoint(tmp_path / "c.pth")
    assert set(torch.serialization.get_safe_globals()) == before
