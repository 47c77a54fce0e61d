"""What an audit hears: losses that are built, refused, or used though deprecated."""

from __future__ import annotations

import logging
import sys

import pytest

from lossplug_core import DeprecatedLossWarning, ForbiddenLossError, find_spec
from lossplug_core.events import Event

HOOK = """
from lossplug_core import hookimpl

heard = []

@hookimpl
def lossplug_event(event):
    heard.append(event)
"""
CATALOGUE = """
[policy]
deny = ["fake/two"]

[presets.usual]
loss = "fake/one"
params = {scale = 2.0}
version = 3

[presets.old]
loss = "usual"
status = "deprecated"
replaced_by = "usual"

[presets.bad]
loss = "fake/two"

[presets.both]
loss = {combine = ["fake/one", "mse"]}
"""


@pytest.fixture
def heard(site, tmp_path, monkeypatch):
    """The events that a hook plugin hears."""
    (tmp_path / "acme.toml").write_text(CATALOGUE)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(tmp_path / "acme.toml"))
    site.install("lossplug-fake", "one", "two")
    site.install(
        "acme-audit", modules={"acme_audit": HOOK}, entry_points="[lossplug.hooks]\na = acme_audit"
    )
    find_spec("fake/one")
    return sys.modules["acme_audit"].heard


@pytest.mark.parametrize("name", ["fake/two", "TwoLoss", "bad"])
def test_what_is_refused_is_heard(heard, name) -> None:
    with pytest.raises(ForbiddenLossError):
        find_spec(name)
    (event,) = heard
    assert (event.kind, event.id, event.distribution) == ("vetoed", "fake/two", "lossplug-fake")
    assert "acme.toml:3 denies 'fake/two'" in event.reason
    assert event.preset == ("bad" if name == "bad" else None)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("one", [Event("built", "fake/one", "lossplug-fake", "1.0")]),
        ("usual", [Event("built", "fake/one", "lossplug-fake", "1.0", "usual", 3)]),
    ],
)
def test_what_is_built_is_heard(heard, name, events) -> None:
    from lossplug_core import get_loss

    get_loss(name)
    assert heard == events


@pytest.mark.backend
def test_a_combination_is_heard_with_its_parts(heard) -> None:
    from lossplug_core import get_loss

    get_loss("both")
    assert [(e.kind, e.id, e.preset) for e in heard] == [
        ("built", "fake/one", None),
        ("built", "keras/mean_squared_error", None),
        ("built", None, "both"),
    ]


@pytest.mark.backend
def test_the_use_of_a_deprecated_preset_is_heard(heard) -> None:
    from lossplug_core import get_loss

    with pytest.warns(DeprecatedLossWarning):
        get_loss("old")
    assert [(e.kind, e.id, e.preset, e.preset_version) for e in heard] == [
        ("deprecated", None, "old", 1),
        ("built", "fake/one", "old", 1),
    ]
    assert "get_loss('usual')" in heard[0].reason


@pytest.mark.backend
def test_the_log_has_the_facts_as_fields(heard, caplog) -> None:
    from lossplug_core import get_loss

    with caplog.at_level(logging.INFO, "lossplug.audit"):
        get_loss("usual")
        with pytest.raises(ForbiddenLossError):
            get_loss("two")
    built, vetoed = caplog.records
    assert (built.levelname, built.lossplug_kind, built.lossplug_id) == (
        "INFO",
        "built",
        "fake/one",
    )
    assert (built.lossplug_preset, built.lossplug_preset_version) == ("usual", 3)
    assert (vetoed.levelname, vetoed.lossplug_kind) == ("WARNING", "vetoed")
    assert "denies 'fake/two'" in vetoed.lossplug_reason
    assert "of lossplug-fake 1.0, as the preset usual 3" in built.getMessage()


@pytest.mark.backend
@pytest.mark.parametrize(
    "command", [("catalog", "check"), ("catalog", "build", "page"), ("plot", "usual", "--json")]
)
def test_to_look_at_losses_is_not_to_use_them(heard, run, tmp_path, monkeypatch, command) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*command).stdout
    assert heard == []


def test_without_a_handler_nothing_is_written(heard, capfd, monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with pytest.raises(ForbiddenLossError):
        find_spec("two")
    assert capfd.readouterr().err == ""


@pytest.mark.backend
def test_where_nobody_listens_no_event_is_made(site, monkeypatch) -> None:
    from lossplug_core import get_loss

    monkeypatch.setattr("lossplug_core.bridge.announcing.Event", None)
    site.install("lossplug-fake", "one")
    get_loss("one")
