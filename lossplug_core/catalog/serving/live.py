"""What is served at the moment, and who waits for news of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Live", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """What is served.

    Attributes:
        change: A number that grows with each news.
        build: The number of the site, 0 before the first.
        site: Its files, by their paths with slashes.
        building: Whether the next one is being made.
        failed: Whether the newest build failed, so that this is an older site.
        remarks: What there is to say of the newest build.
        ended: Whether nothing will follow.
    """

    change: int = 0
    build: int = 0
    site: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    building: bool = True
    failed: bool = False
    remarks: str = ""
    ended: bool = False

    def news(self) -> dict[str, Any]:
        """The state for a page that is open."""
        return {
            "change": self.change,
            "build": self.build,
            "building": self.building,
            "failed": self.failed,
            "remarks": self.remarks,
            "ended": self.ended,
        }


class Live:
    """The state, which changes as a whole: nobody sees half a site."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._state = State()

    @property
    def state(self) -> State:
        """What is served now."""
        return self._state

    def begin(self) -> None:
        """A build begins."""
        self._change(building=True)

    def publish(self, site: Mapping[str, bytes], remarks: str = "") -> None:
        """A build is done. The same site as before is no new one."""
        build = self._state.build + (site != self._state.site)
        self._change(site=site, build=build, building=False, failed=False, remarks=remarks)

    def fail(self, remarks: str) -> None:
        """A build failed: the site stays."""
        self._change(building=False, failed=True, remarks=remarks)

    def wait(self, change: int, timeout: float) -> State:
        """The state, as soon as it is another than that of a number, or when the time is over."""
        with self._condition:
            self._condition.wait_for(lambda: self._state.change != change, timeout)
            return self._state

    def end(self) -> None:
        """Tell those who wait that nothing will follow."""
        self._change(building=False, ended=True)

    def _change(self, **what: Any) -> None:
        with self._condition:
            self._state = replace(self._state, change=self._state.change + 1, **what)
            self._condition.notify_all()
