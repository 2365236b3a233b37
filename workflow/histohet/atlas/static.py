"""The page itself, as it comes with histohet: HTML, style, scripts, libraries of others."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from histohet.common.files import atomic_folder, write_text
from histohet.common.resources import resource_folder

NAME = "atlas"
PAGE, STATIC = "index.html", "static"


def hash_of_pages() -> str:
    """Return a hash of all files of the page: 16 hexadecimal digits."""
    folder = resource_folder(NAME)
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def copy_pages(page: str | Path, static: str | Path) -> None:
    """Write the page, and the folder of what it loads."""
    source = resource_folder(NAME)
    with atomic_folder(static) as folder:
        shutil.copytree(source / STATIC, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    write_text(page, (source / PAGE).read_text(encoding="utf-8"))
