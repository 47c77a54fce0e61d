"""How far a command is that takes a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["with_bar"]

_T = TypeVar("_T")


def with_bar(items: Iterable[_T], what: str, total: int) -> Iterator[_T]:
    """The items one by one, with a bar on stderr if somebody looks, which is gone afterwards.

    Args:
        items: What is worked on.
        what: What is done.
        total: How many there are.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        items,
        what,
        total=total,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
