"""A loss changes: what its author declares, and what is said to those who use the older one."""

from __future__ import annotations

import warnings

import pytest

import lossplug_core
from lossplug_core import (
    AmbiguousLossError,
    BrokenPluginError,
    ForbiddenLossError,
    LossNotInstalledError,
    SpecError,
    UnknownLossError,
    deprecated,
    find_spec,
    hookimpl,
    list_losses,
    loss,
)
from lossplug_core._app import registry
from lossplug_core.config import read
from lossplug_core.errors import ChangedLossWarning, ConfigError, DeprecatedLossWarning
from lossplug_core.migration import changes_since, warning_for
from lossplug_core.spec import spec_of


def declared(**declarations):
    @loss(y_true="values", y_pred="values", **declarations)
    def changed(y_true, y_pred, *, gamma: float = 1.0):
        return y_pred

    return spec_of(changed)


@pytest.mark.parametrize(
    "declarations",
    [
        {"version": 0},
        {"version": True},
        {"version": "2"},
        {"migrate": 3},
        {"migrate": {"focus": "gama"}},
        {"migrate": {"gamma": "gamma"}},
        {"history": {2: "It is twice as large."}},
        {"version": 2, "history": {1: "It was made."}},
        {"version": 2, "history": {3: "It is twice as large."}},
        {"version": 2, "history": {"2": "It is twice as large."}},
        {"version": 2, "history": {2: " "}},
        {"version": 2, "history": {2: None}},
        {"formerly": ("changed",)},
        {"formerly": ("ChangedLoss",)},
        {"aliases": ("other",), "formerly": ("other",)},
        {"formerly": ("keras/huber",)},
        {"formerly": ("",)},
        {"formerly": (None,)},
        {"formerly": ("acme/",)},
        {"deprecated": "imbalance/focal"},
        {"deprecated": True},
    ],
    ids=str,
)
def test_a_declaration_that_makes_no_sense_is_refused(declarations) -> None:
    with pytest.raises(SpecError):
        declared(**declarations)


@pytest.mark.parametrize("given", [{"replaced_by": 3}, {"removed_in": 2.0}, {"removed_in": ""}])
def test_a_deprecation_is_made_of_texts(given) -> None:
    with pytest.raises(SpecError, match="is not a text"):
        deprecated(**given)
