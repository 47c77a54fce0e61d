"""Many checks of many losses, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lossplug_core.testing.check import Profile, Result
from lossplug_core.testing.examine import Examination
from lossplug_core.testing.expected import check_expected, expected_reason, judged
from lossplug_core.testing.oracles import Oracles, of_loss
from lossplug_core.testing.selection import Loss, checks, select_checks, select_losses

__all__ = ["planned", "run_checks"]


def run_checks(
    losses: Loss | Iterable[Loss],
    *,
    profile: Profile = "quick",
    only: Iterable[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    oracles: Oracles | None = None,
    seed: int = 0,
) -> list[Result]:
    """Check losses in this process, on its backend.

    Args:
        losses: Ids, namespaces or distributions, functions marked `@loss`, specs; one or several.
        profile: `"quick"`, a few examples; `"thorough"`, many, and all checks.
        only: The ids of the checks to run; all of the profile if None.
        expected_failures: Reasons by `"check"` or `"loss:check"`. What is expected to fail and
            passes is a failure.
        oracles: For a loss, by id or name: for its conventions, `(y_true, y_pred, **parameters) ->
            values` in NumPy. The convention None is the loss's own definition.
        seed: Decides which examples are drawn.

    Returns:
        One result for each loss and check, in order.

    Raises:
        LossplugError: A name means no loss, or there is no such check or profile.

    Example:
        >>> results = run_checks("imbalance/focal", only=["signature", "defaults"])
        >>> [(result.check, result.status) for result in results]
        [('signature', 'passed'), ('defaults', 'passed')]
    """
    plan = planned(losses, profile, only, expected_failures, oracles, seed)
    return [judged(examination.result(id), reason) for examination, id, reason in plan]


def planned(
    losses: Loss | Iterable[Loss],
    profile: Profile,
    only: Iterable[str] | None,
    expected_failures: Mapping[str, str] | None,
    oracles: Oracles | None,
    seed: int,
) -> Iterator[tuple[Examination, str, str | None]]:
    """Each loss with each of its checks, and why that is expected to fail, if it is.

    Raises:
        LossplugError: As `run_checks`.
    """
    expected = expected_failures or {}
    ids = select_checks(only, thorough=profile == "thorough")
    selected = select_losses(losses)
    check_expected(expected, selected, checks())
    for loss in selected:
        examination = Examination(loss, profile=profile, seed=seed, oracles=of_loss(oracles, loss))
        for id in ids:
            yield examination, id, expected_reason(expected, examination.id, id)
