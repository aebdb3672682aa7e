"""Pure: work that makes objects by the million, without the garbage collector looking through them all."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No looking for reference cycles meanwhile: tables and proposals have none, and looking through
    millions of them takes an eighth of the time. What nobody refers to any more is freed as ever."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
