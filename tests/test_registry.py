"""The ladder, and what is said when it leads nowhere."""

import os
import threading

import pytest

import lossplug_core
from lossplug_core import (
    AmbiguousLossError,
    BrokenPluginError,
    ForbiddenLossError,
    IdentifierError,
    LossNotInstalledError,
    LossplugError,
    ParameterError,
    PluginWarning,
    UnknownLossError,
    find_spec,
    list_losses,
)
from lossplug_core._app import registry


@pytest.mark.parametrize("name", ["one", "One", "OneLoss", "one_loss", "fake/one", "Fake/One"])
def test_every_spelling_finds_the_loss(site, name) -> None:
    site.install("lossplug-fake", "one")
    spec = find_spec(name)
    assert spec.id == "fake/one"
    assert (spec.provider.distribution, spec.provider.version) == ("lossplug-fake", "1.0")


def test_a_spec_is_made_once(site) -> None:
    site.install("lossplug-fake", "one")
    assert find_spec("one") is find_spec("fake/One")


def test_kerass_own_loss_comes_first(site) -> None:
    site.install("lossplug-fake", "mse")
    assert registry.resolve("mse").winner.id == "keras/mean_squared_error"
    assert [loser.entry.id for loser in registry.resolve("mse").losers] == ["fake/mse"]
    assert find_spec("fake/mse").id == "fake/mse"


@pytest.mark.parametrize("order", [("lossplug-a", "lossplug-b"), ("lossplug-b", "lossplug-a")])
def test_two_plugins_with_one_name_are_ambiguous_in_any_order(site, order) -> None:
    for name in order:
        site.install(name, "one")
    with pytest.raises(AmbiguousLossError, match="get_loss\\('a/one'\\)") as caught:
        find_spec("one")
    assert caught.value.candidates == ("a/one", "b/one")
    assert find_spec("b/one").id == "b/one"


def test_two_distributions_with_one_namespace_are_ambiguous_where_they_clash(site) -> None:
    site.install("lossplug-acme", "one", "two")
    site.install("acme", "one", "three")
    with pytest.raises(AmbiguousLossError, match="LOSSPLUG_DISABLE"):
        find_spec("acme/one")
    assert find_spec("acme/two").provider.distribution == "lossplug-acme"
    assert find_spec("acme/three").provider.distribution == "acme"


@pytest.mark.parametrize("name", ["onne", "fake/onne"])
def test_a_typo_is_answered_with_the_nearest(site, name) -> None:
    site.install("lossplug-fake", "one")
    with pytest.raises(UnknownLossError) as caught:
        find_spec(name)
    assert caught.value.nearest[0] == name.replace("onne", "one")
    assert not isinstance(caught.value, LossNotInstalledError)


def test_a_known_loss_of_a_missing_package_is_answered_with_the_pip_command(
    site, monkeypatch
) -> None:
    monkeypatch.setattr(
        "lossplug_core._failures.KNOWN_LOSSES", {"lossplug-far": ("distant", "remote")}
    )
    for name in ("distant", "DistantLoss", "far/remote"):
        with pytest.raises(LossNotInstalledError, match="pip install lossplug-far") as caught:
            find_spec(name)
        assert caught.value.distribution == "lossplug-far"


def test_an_unknown_namespace_names_no_package_as_trusted(site) -> None:
    with pytest.raises(LossNotInstalledError, match="once you know that you trust it"):
        find_spec("nobody/one")


def test_what_is_installed_and_forbidden_is_not_told_to_be_installed(site, monkeypatch) -> None:
    site.install("lossplug-fake", "one")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "fake")
    with pytest.raises(UnknownLossError, match="No installed loss is called 'fake/on'") as caught:
        find_spec("fake/on")
    assert not caught.value.nearest


@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('boom')",
        "import a_module_that_is_not_there",
        "raise SystemExit(3)",
        "def one(y_true): ...",
        "def one(y_true, y_pred, **anything): ...",
        "class one: ...",
        "one = 3",
        "",
        "def (",
    ],
)
def test_a_broken_plugin_costs_its_own_losses_only(site, source) -> None:
    site.install(
        "lossplug-bad",
        modules={"bad_module": source},
        entry_points="[lossplug.losses]\none = bad_module:one\n",
    )
    site.install("lossplug-good", "two")
    assert find_spec("two").id == "good/two"
    with pytest.raises(BrokenPluginError) as caught:
        find_spec("one")
    assert caught.value.__cause__ is not None
    assert caught.value.distribution == "lossplug-bad"
    assert [f.kind for f in registry.findings() if f.subject == "bad/one"] == ["broken-plugin"]


def test_a_plugin_whose_metadata_is_malformed_is_said_to_be_broken_not_missing(site) -> None:
    site.install("lossplug-bad", entry_points="[lossplug.losses]\nno equals sign\n")
    with pytest.raises(BrokenPluginError, match="metadata cannot be read"):
        find_spec("bad/one")


def test_a_typo_beside_a_duplicate_is_still_a_typo(site, tmp_path, monkeypatch) -> None:
    site.install("lossplug-fake", "one", version="1.0")
    site.folder = tmp_path / "second"
    site.folder.mkdir()
    monkeypatch.syspath_prepend(str(site.folder))
    site.install("lossplug-fake", "one", version="2.0")
    with pytest.raises(UnknownLossError, match="Did you mean 'fake/one'"):
        find_spec("fake/onne")


def test_searching_leaves_a_broken_plugin_out_with_a_warning(site) -> None:
    site.install(
        "lossplug-bad",
        modules={"bad_module": "raise RuntimeError('boom')"},
        entry_points="[lossplug.losses]\none = bad_module:one\n",
    )
    site.install("lossplug-good", "two")
    with pytest.warns(PluginWarning, match="boom"):
        assert "good/two" in list_losses(text="fake")


def test_strict_raises_at_once(site, monkeypatch) -> None:
    site.install(
        "lossplug-bad",
        modules={"bad_module": "raise RuntimeError('boom')"},
        entry_points="[lossplug.losses]\none = bad_module:one\n",
    )
    monkeypatch.setenv("LOSSPLUG_STRICT", "1")
    with pytest.raises(BrokenPluginError, match="boom"):
        list_losses(text="fake")


def test_strict_raises_malformed_metadata_at_once(site, monkeypatch) -> None:
    site.install("lossplug-bad", entry_points="[lossplug.losses]\nno equals sign\n")
    monkeypatch.setenv("LOSSPLUG_STRICT", "1")
    with pytest.raises(BrokenPluginError):
        list_losses()


@pytest.mark.parametrize(
    "words",
    ["fake", "lossplug-fake", "fake/one", "Fake/OneLoss", "other, fake/alias", "x lossplug_fake"],
)
def test_what_is_disabled_is_forbidden_before_anything_is_imported(
    site, monkeypatch, words
) -> None:
    site.install(
        "lossplug-fake",
        modules={"bad_module": "raise RuntimeError('imported')"},
        entry_points="[lossplug.losses]\none = bad_module:one\nalias = bad_module:one\n",
    )
    monkeypatch.setenv("LOSSPLUG_DISABLE", words)
    with pytest.raises(ForbiddenLossError, match="LOSSPLUG_DISABLE=") as caught:
        find_spec("one")
    assert caught.value.distribution == "lossplug-fake"
    assert "fake/one" not in list_losses()


def test_disabling_one_of_two_leaves_the_other(site, monkeypatch) -> None:
    site.install("lossplug-a", "one")
    site.install("lossplug-b", "one")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "a")
    assert find_spec("one").id == "b/one"
    monkeypatch.setenv("LOSSPLUG_DISABLE", "b/one")
    assert find_spec("one").id == "a/one"


@pytest.mark.parametrize("identifier", [None, 3, b"one", "", "/", "---", "fake/", ["one"]])
def test_what_is_no_name_is_refused(site, identifier) -> None:
    with pytest.raises(IdentifierError):
        find_spec(identifier)


def test_a_run_time_install_is_seen_after_refresh(site) -> None:
    with pytest.raises(LossplugError):
        find_spec("fake/one")
    site.install("lossplug-fake", "one")  # refreshes
    assert find_spec("fake/one").id == "fake/one"


def test_a_run_time_install_is_seen_though_the_folder_looks_unchanged(site) -> None:
    site.install("lossplug-fake", "one")
    before = site.folder.stat()
    assert list_losses(namespace="other") == []
    site.install("lossplug-other", "two")
    os.utime(site.folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    lossplug_core.refresh()
    assert list_losses(namespace="other") == ["other/two"]


def test_entry_points_edited_in_place_are_seen_after_refresh(site) -> None:
    info = site.install("lossplug-fake", "one", "two", entry_points="[lossplug.losses]\n")
    assert list_losses(namespace="fake") == []
    (info / "entry_points.txt").write_text("[lossplug.losses]\none = lossplug_fake_losses:one\n")
    lossplug_core.refresh()
    assert list_losses(namespace="fake") == ["fake/one"]


def test_threads_that_ask_at_once_get_one_spec(site) -> None:
    site.install("lossplug-fake", "one")
    barrier, found, failed = threading.Barrier(8), [], []

    def ask() -> None:
        barrier.wait()
        try:
            found.append(find_spec("one"))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(set(map(id, found))) == 1


ASKING = """
asked = []

class AskingError(Exception):
    def __str__(self):
        from lossplug_core import BrokenPluginError, find_spec
        for name in asked:
            try:
                find_spec(name)
            except BrokenPluginError:
                pass
        return "asking"
"""


def test_another_plugin_may_be_found_broken_while_the_findings_are_told(site) -> None:
    site.install(
        "lossplug-bad",
        modules={
            "asking": ASKING,
            "one_bad": "import asking\nraise asking.AskingError",
            "two_bad": "1 / 0",
        },
        entry_points="[lossplug.losses]\none = one_bad:one\ntwo = two_bad:two\n",
    )
    with pytest.raises(BrokenPluginError):
        find_spec("bad/one")
    import asking

    asking.asked.append("bad/two")
    assert {f.subject for f in registry.findings() if f.kind == "broken-plugin"} >= {"bad/one"}
    assert {f.subject for f in registry.findings()} >= {"bad/one", "bad/two"}


def test_filters_narrow_the_list(site) -> None:
    site.install("lossplug-fake", "one", "two")
    assert list_losses(namespace="fake", y_true="values", text="ONE") == ["fake/one"]
    assert list_losses(namespace="FAKE") == ["fake/one", "fake/two"]
    assert list_losses(namespace="fake", y_true="labels") == []
    assert list_losses(namespace="keras", y_pred="embeddings") == ["keras/circle"]
    with pytest.raises(ParameterError, match="no form of y_true"):
        list_losses(y_true="lables")


def test_every_failure_has_the_form_of_the_design(site) -> None:
    with pytest.raises(LossplugError) as caught:
        find_spec("fo_cl")
    assert caught.value.what
    assert caught.value.fix
    assert f"Next: {caught.value.fix}" in str(caught.value)
