"""What speaks for caution with a cohort that can be fused."""

from __future__ import annotations

from histohet.common.arrays import Ints
from histohet.common.settings import quoted
from histohet.fusion.competing_risks import EVENT, of_cause
from histohet.fusion.models import Blocks

EVENTS_PER_BLOCK = 10
"""With fewer, how strongly a block is penalised is hardly more than chance."""


def few_events(blocks: Blocks, state: Ints) -> str:
    """Say that there are few events for the blocks whose penalty is chosen; "" if there are enough.

    Parameters
    ----------
    blocks
        Of n patients, by name.
    state
        How their follow-up ended, (n,).
    """
    tuned = [name for name, block in blocks.items() if block.tuned]
    events = int(of_cause(state, EVENT).sum())
    if events >= EVENTS_PER_BLOCK * len(tuned):
        return ""
    return (
        f"{events} events among {len(state)} patients: fewer than {EVENTS_PER_BLOCK} for each "
        f"block whose penalty is chosen, {quoted(tuned)}; expect wide intervals"
    )
