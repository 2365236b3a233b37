"""Where the weights of a model are published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightsSource:
    """A file on the Hugging Face hub.

    Attributes
    ----------
    repository
        As the hub writes it, e.g. ``MahmoodLab/UNI2-h``.
    file
        Path inside the repository.
    revision
        Commit, tag or branch; None for whatever the lock file or the hub's default says.
    """

    repository: str
    file: str
    revision: str | None = None
