"""`pytest --lossplug imbalance`: the checks of installed losses, without a test file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lossplug_core.errors import LossplugError

if TYPE_CHECKING:
    from lossplug_core.testing.examine import Examination

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; nothing else is done without them."""
    group = parser.getgroup("lossplug", "conformance of losses")
    group.addoption(
        "--lossplug",
        action="append",
        metavar="NAME",
        default=[],
        help="check these losses: an id, a namespace or a distribution; may be repeated",
    )
    group.addoption(
        "--lossplug-profile",
        choices=["quick", "thorough"],
        default="quick",
        help="how thoroughly (default: quick)",
    )
    group.addoption(
        "--lossplug-check",
        action="append",
        metavar="CHECK",
        default=[],
        help="only these checks; may be repeated",
    )
    group.addoption(
        "--lossplug-seed", type=int, default=0, metavar="N", help="which examples are drawn"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the checks to what was collected, before `-k` chooses."""
    if names := config.getoption("lossplug"):
        try:
            items.extend(_items(session, names, config))
        except LossplugError as error:
            raise pytest.UsageError(str(error)) from error


def _items(
    session: pytest.Session, names: list[str], config: pytest.Config
) -> Iterator[pytest.Item]:
    from lossplug_core.testing.examine import Examination
    from lossplug_core.testing.selection import select_checks, select_losses

    profile = config.getoption("lossplug_profile")
    only = config.getoption("lossplug_check") or None
    ids = select_checks(only, thorough=profile == "thorough")
    for loss in select_losses(names):
        examination = Examination(loss, profile=profile, seed=config.getoption("lossplug_seed"))
        for id in ids:
            yield ConformanceItem.from_parent(
                session, name=f"{examination.id}-{id}", examination=examination, check=id
            )


class ConformanceItem(pytest.Item):
    """One check of one loss."""

    def __init__(self, *, examination: Examination, check: str, **more: Any) -> None:
        super().__init__(**more)
        self.examination, self.check = examination, check

    def runtest(self) -> None:
        """Run the check."""
        from lossplug_core.testing.parametrize import report

        report(self.examination.result(self.check))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone: the place in the kit that noticed helps nobody."""
        del style
        if isinstance(excinfo.value, LossplugError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The heading of a failure."""
        return self.path, None, self.name
