"""What a loss is as a part of a package: complete, light, and what older code lacks."""

from __future__ import annotations

import pytest

from lossplug_core import UnknownLossError
from lossplug_core.testing import run_checks

pytestmark = pytest.mark.backend

HEAD = "from lossplug_core import loss, ops\n"
LOSS = """
@loss(y_true="values", y_pred="values"{more})
def {name}(y_true, y_pred):
    "A loss."
    return ops.mean(ops.square(y_true - y_pred), axis=-1)
"""


def source(*names: str, head: str = "", more: str = "") -> str:
    return HEAD + head + "".join(LOSS.format(name=name, more=more) for name in names)


def found(site, check: str, modules: dict[str, str], *entry_points: str) -> dict[str, str]:
    """The messages of the losses of a package that fail a check; empty if it is content."""
    text = "\n".join(["[lossplug.losses]", *entry_points])
    site.install("acme-losses", modules=modules, entry_points=text)
    results = run_checks("acme-losses", only=[check])
    assert all(result.status in ("passed", "failed") for result in results)
    return {result.loss: result.message for result in results if not result.ok}


# --- One fault each -------------------------------------------------------------------------------

WHOLE = """
from faults import squares, suspect
{head}
@suspect()
def first(y_true, y_pred):
    return squares(y_true, y_pred)
"""
SECOND = """
@suspect()
def second(y_true, y_pred):
    return squares(y_true, y_pred)
"""
PACKAGES = {
    "loads": ("", "missing"),
    "light-import": ("import numpy", "first"),
    "entry-points": (SECOND, "first"),
    None: ("", "first"),
}


def test_only_this_check_finds_the_fault(site):
    for check, (head, attribute) in PACKAGES.items():
        name = f"acme_{check}".replace("-", "_").lower()
        site.install(
            name,
            modules={name: WHOLE.format(head=head)},
            entry_points=f"[lossplug.losses]\nfirst = {name}:{attribute}\n",
        )
    failed = {check: set() for check in PACKAGES}
    for check in PACKAGES:
        for result in run_checks(f"acme-{check}".lower()):
            if not result.ok:
                failed[check].add(result.check)
    assert failed == {check: {check} - {None} for check in PACKAGES}


def test_a_package_without_losses(site):
    site.install("acme-empty", version="2.0", entry_points="[console_scripts]\nx = a:b\n")
    site.install("acme-malformed", entry_points="[lossplug.losses]\nx = no function\n")
    with pytest.raises(UnknownLossError, match=r"acme-empty 2.0 is installed, and has no losses\."):
        run_checks("acme-empty")
    with pytest.raises(UnknownLossError, match=r"has no losses: .*'no function'"):
        run_checks("acme-malformed")


# --- entry-points ---------------------------------------------------------------------------------


def test_every_loss_and_alias_has_an_entry_point(site):
    modules = {"acme_one": source("first", more=', aliases=("one",)')}
    names = ("first = acme_one:first", "one = acme_one:first")
    assert found(site, "entry-points", modules, *names) == {}


def test_a_loss_beside_it_without_an_entry_point(site):
    modules = {"acme_one": source("first", "second")}
    failed = found(site, "entry-points", modules, "first = acme_one:first")
    assert "acme_one:second has no entry point" in failed["acme-losses/first"]


def test_a_loss_in_a_module_of_the_package_without_any(site):
    (site.folder / "acme_package").mkdir()
    for name, text in {"__init__": "", "one": source("first"), "two": source("second")}.items():
        (site.folder / "acme_package" / f"{name}.py").write_text(text)
    failed = found(site, "entry-points", {}, "first = acme_package.one:first")
    assert "acme_package.two:second has no entry point" in failed["acme-losses/first"]


def test_what_is_imported_from_elsewhere_is_not_its_own(site):
    modules = {"acme_one": "from lossplug_imbalance import focal\n" + source("first")}
    assert found(site, "entry-points", modules, "first = acme_one:first") == {}


def test_an_alias_without_an_entry_point(site):
    modules = {"acme_one": source("first", more=', aliases=("one",)')}
    failed = found(site, "entry-points", modules, "first = acme_one:first")
    assert "declares the alias 'one'" in failed["acme-losses/first"]


def test_an_entry_point_that_no_loss_declares(site):
    modules = {"acme_one": source("first")}
    names = ("first = acme_one:first", "one = acme_one:first")
    failed = found(site, "entry-points", modules, *names)
    assert "is an alias that @loss does not declare" in failed["acme-losses/first"]


# --- light-import ---------------------------------------------------------------------------------

SLOW = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("", None),
        ("import math, typing\n", None),
        ("import keras\n", "imports keras, "),
        ("import numpy\n", "imports numpy"),
        ("print('hello')\n", "prints"),
        (SLOW, "takes too long"),
    ],
    ids=["nothing", "the standard library", "keras", "numpy", "print", "slow"],
)
def test_an_import_is_light(site, head, says):
    modules = {"acme_light": source("first", head=head)}
    failed = found(site, "light-import", modules, "f = acme_light:first")
    assert (says is None) == (not failed)
    assert says is None or says in failed["acme-losses/f"]


# --- Older code -----------------------------------------------------------------------------------


def test_the_checks_say_what_older_code_lacks(site):
    modules = {
        "acme_old": "import keras\n"
        "def old(y_true, y_pred, power=2):\n"
        "    return keras.ops.mean(abs(y_true - y_pred) ** power, axis=-1)\n"
    }
    site.install(
        "acme-losses", modules=modules, entry_points="[lossplug.losses]\nold = acme_old:old\n"
    )
    results = {result.check: result for result in run_checks("acme-losses")}
    assert results["loads"].ok
    assert "does not declare what its target" in results["signature"].message
    assert "The docstring lacks" in results["documentation"].message
    assert "imports keras" in results["light-import"].message
    failed = {check for check, result in results.items() if not result.ok}
    assert failed == {"signature", "documentation", "light-import"}
