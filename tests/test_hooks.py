"""Hook plugins: they forbid losses, they observe them, and they fail alone."""

import threading
import warnings

import pytest

from lossplug_core import BrokenPluginError, ForbiddenLossError, PluginWarning, find_spec
from lossplug_core._app import registry
from lossplug_core.hooks import HookCaller, hookimpl

IMPLEMENT = "from lossplug_core import hookimpl\n@hookimpl\ndef "
VETO = """
from lossplug_core import hookimpl

@hookimpl
def lossplug_veto(id, provider):
    if id == "fake/one":
        return f"not approved ({provider.distribution})"
"""


def install_hook(site, source: str, name: str = "acme-rules") -> None:
    module = name.replace("-", "_")
    site.install(
        name, modules={module: source}, entry_points=f"[lossplug.hooks]\nrules = {module}\n"
    )


def test_a_veto_forbids_a_loss_with_its_reason(site) -> None:
    site.install("lossplug-fake", "one", "two")
    install_hook(site, VETO)
    with pytest.raises(ForbiddenLossError, match="not approved \\(lossplug-fake\\)"):
        find_spec("one")
    assert find_spec("two").id == "fake/two"


def test_a_veto_is_asked_at_every_look_up(site) -> None:
    site.install("lossplug-fake", "one")
    install_hook(
        site, f"approved = True\n{IMPLEMENT}lossplug_veto(): return None if approved else 'no'"
    )
    assert find_spec("one").id == "fake/one"
    import acme_rules

    acme_rules.approved = False
    with pytest.raises(ForbiddenLossError):
        find_spec("one")


def test_a_veto_leaves_the_other_plugin_of_that_name(site) -> None:
    site.install("lossplug-fake", "one")
    site.install("lossplug-other", "one")
    install_hook(site, VETO)
    assert find_spec("one").id == "other/one"


def test_a_hook_plugin_may_be_an_object_in_a_module(site) -> None:
    site.install("lossplug-fake", "one")
    source = VETO.replace("def lossplug_veto(id", "def lossplug_veto(self, id").replace(
        "\n", "\n    "
    )
    site.install(
        "acme-rules",
        modules={"acme_rules": f"class Rules:{source}\nrules = Rules()\n"},
        entry_points="[lossplug.hooks]\nrules = acme_rules:rules\n",
    )
    with pytest.raises(ForbiddenLossError):
        find_spec("one")


@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('boom')",
        f"{IMPLEMENT}lossplug_nonsense(): ...",
        f"{IMPLEMENT}lossplug_veto(wrong): ...",
        f"{IMPLEMENT}lossplug_veto(id): raise ValueError(id)",
    ],
)
def test_a_hook_plugin_that_fails_is_a_warning_and_costs_nobody_else(site, source) -> None:
    site.install("lossplug-fake", "one")
    install_hook(site, source)
    with pytest.warns(PluginWarning, match="acme-rules"):
        find_spec("one")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_spec("one").id == "fake/one"
    assert [f.kind for f in registry.findings() if f.subject == "acme-rules"] == ["broken-hook"]


def test_a_hook_plugin_with_one_unknown_hook_is_left_out_whole(site) -> None:
    site.install("lossplug-fake", "one")
    install_hook(site, f"{VETO}\n@hookimpl\ndef lossplug_of_the_future(): ...")
    with pytest.warns(PluginWarning, match="acme-rules"):
        assert find_spec("one").id == "fake/one"


def test_a_hook_plugin_that_fails_does_not_silence_the_others(site) -> None:
    site.install("lossplug-fake", "one")
    failing = f"{IMPLEMENT}lossplug_veto(id): raise ValueError"
    install_hook(site, failing, "a-rules")
    install_hook(site, VETO, "b-rules")
    install_hook(site, failing, "c-rules")
    with pytest.warns(PluginWarning), pytest.raises(ForbiddenLossError):
        find_spec("one")


def test_strict_raises_at_once(site, monkeypatch) -> None:
    monkeypatch.setenv("LOSSPLUG_STRICT", "1")
    install_hook(site, "raise RuntimeError('boom')")
    with pytest.raises(BrokenPluginError, match="boom"):
        find_spec("mse")


@pytest.mark.parametrize("word", ["lossplug-rules", "Lossplug_Rules", "rules"])
def test_a_disabled_distribution_has_no_hooks_either(site, monkeypatch, word) -> None:
    monkeypatch.setenv("LOSSPLUG_DISABLE", word)
    install_hook(site, "raise RuntimeError('imported')", "lossplug-rules")
    site.install("lossplug-fake", "one")
    assert find_spec("one").id == "fake/one"


class Veto:
    @hookimpl
    def lossplug_veto(self) -> str:
        return "no"


@pytest.mark.parametrize("ask", [HookCaller.has, HookCaller.may_change])
def test_a_plugin_that_registers_while_another_thread_asks_is_asked_next(monkeypatch, ask) -> None:
    caller = HookCaller()
    late = threading.Thread(target=caller.register, args=(Veto(),))
    look = caller._one_by_one

    def slowly(hook):
        found = look(hook)
        late.start()
        late.join(0.05)  # which it cannot: it waits until what was found is noted
        return found

    monkeypatch.setattr(caller, "_one_by_one", slowly)
    assert not ask(caller, "lossplug_veto")
    late.join()
    monkeypatch.undo()
    assert ask(caller, "lossplug_veto")
