"""Valid files with something wrong: bytes, cells and parts changed as damage and mischief would."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

EDITS = ("value", "value", "insert", "overwrite", "delete", "repeat", "truncate")
VALUE = re.compile(rb'[^\t\n,;:"<>=\[\]{}]+')
"""What stands between the separators of tables, JSON and XML."""


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of `seeds` after up to six edits, some of which put in one of `tokens`; or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=400))
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 6)))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        edit = draw(st.sampled_from(EDITS))
        value = VALUE.search(content, start)
        if edit == "value" and value:
            before, after = content[: value.start()], content[value.end() :]
            content = before + draw(st.sampled_from(tokens)) + after
        elif edit == "truncate":
            content = content[:start]
        elif edit == "delete":
            content = content[:start] + content[end:]
        elif edit == "repeat":
            content = content[:end] + content[start:]
        else:
            new = draw(st.sampled_from(tokens) | st.binary(max_size=8))
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
