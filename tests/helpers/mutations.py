"""Valid files with something wrong: bytes, cells and parts changed as damage and mischief would."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

EDITS = ("value", "value", "insert", "overwrite", "delete", "repeat", "truncate")
VALUE = re.compile(rb'[^\t\n,;:"<>=\[\]{}]+')
"""What stands between the separators of tables, JSON and XML."""


def mutated(seeds: Sequence[bytes], tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of `seeds` after up to six edits, some of which put in one of `tokens`; or any bytes.

    The edits are drawn by one generator, not one by one by hypothesis: that is ten times as fast,
    and a file that fails is printed as it is, if not as small as could be.
    """
    return st.randoms(use_true_random=True).map(lambda random: mutate(random, seeds, tokens))


def mutate(random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    if random.random() < 0.1:
        return random.randbytes(random.randrange(400))
    content = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        start = random.randint(0, len(content))
        end = min(len(content), start + random.randint(0, 40))
        edit = random.choice(EDITS)
        value = VALUE.search(content, start)
        if edit == "value" and value:
            content = content[: value.start()] + random.choice(tokens) + content[value.end() :]
        elif edit == "truncate":
            content = content[:start]
        elif edit == "delete":
            content = content[:start] + content[end:]
        elif edit == "repeat":
            content = content[:end] + content[start:]
        else:
            new = random.choice((random.choice(tokens), random.randbytes(random.randint(0, 8))))
            rest = content[start + len(new) :] if edit == "overwrite" else content[start:]
            content = content[:start] + new + rest
    return content


def message_of(read: Callable[[], None], error: type[Exception]) -> str | None:
    """What a reader says of a file it refuses with its own `error`; None if it reads it."""
    try:
        read()
    except error as refusal:
        return str(refusal)
    return None


class Reader(NamedTuple):
    """A reader of foreign files: what it may raise, the name of its file, and files it reads."""

    read: Callable[[Path], None]
    error: type[Exception]
    name: str
    seeds: tuple[bytes, ...]

    def check(self, folder: Path, tokens: Sequence[bytes]) -> None:
        """Give it changed files: each is read, or refused with one message that names it."""
        path = folder / self.name

        @settings(settings.get_profile("fuzz"))
        @given(mutated(self.seeds, tokens))
        def read(content: bytes) -> None:
            path.write_bytes(content)
            message = message_of(lambda: self.read(path), self.error)
            assert message is None or path.name in message

        read()
