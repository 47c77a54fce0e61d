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


NEW = """
from lossplug_core import deprecated, loss

@loss(y_true="values", y_pred="values"{declared})
def new(y_true, y_pred, *, gamma: float = 1.0):
    "A loss."
    return gamma * (y_true - y_pred) ** 2
"""


def install(site, distribution="lossplug-fake", *former, declared="", version="2.0"):
    """A distribution with the loss `new`, which formerly had other names."""
    module = distribution.replace("-", "_")
    lines = [
        "[lossplug.losses]",
        f"new = {module}:new",
        "[lossplug.formerly]",
        *(f"{name} = {module}:new" for name in former),
    ]
    return site.install(
        distribution,
        version=version,
        modules={module: NEW.format(declared=f", {declared}" if declared else "")},
        entry_points="\n".join(lines),
    )


def config(id, version=1, **parameters):
    """A config as an older version of a plugin saved it."""
    return {"id": id, "spec_version": version, "parameters": parameters}


# Names that a loss had


@pytest.mark.parametrize("name", ["old", "OldLoss", "fake/old", "Fake/Old"])
def test_a_former_name_finds_the_loss_in_every_spelling(site, name) -> None:
    install(site, "lossplug-fake", "old")
    assert find_spec(name).id == "fake/new"
    assert registry.resolve(name).formerly
    assert not registry.resolve("new").formerly


@pytest.mark.parametrize("name", ["old", "acme/old", "ACME/OldLoss"])
def test_a_loss_that_moved_is_found_by_the_id_that_it_had(site, name) -> None:
    install(site, "lossplug-fake", "acme.old")
    assert find_spec(name).id == "fake/new"
    assert find_spec(name).formerly == ("acme/old",)


def test_former_names_are_found_without_an_import(site) -> None:
    site.install(
        "lossplug-fake",
        modules={"fake_module": "raise SystemExit('imported')"},
        entry_points="[lossplug.losses]\nnew = fake_module:new\n"
        "[lossplug.formerly]\nold = fake_module:new\n",
    )
    assert registry.entry("old").id == "fake/new"
    assert registry.resolve("fake/old").rule == "the only loss that had this name"


def test_nobody_is_shown_a_former_name(site) -> None:
    install(site, "lossplug-fake", "venerable", "acme.ancient")
    assert "fake/new" in list_losses()
    assert [entry.aliases for entry in registry.entries() if entry.namespace == "fake"] == [()]
    assert list_losses(text="venerable") == []
    for typo in ("venerablle", "fake/venerablle", "anciennt"):
        with pytest.raises(UnknownLossError) as caught:
            find_spec(typo)
        assert caught.value.nearest == ()


def test_the_distribution_that_has_an_id_keeps_it(site) -> None:
    install(site, "lossplug-fake", "acme.old")
    site.install("lossplug-acme", "old")
    assert find_spec("acme/old").provider.distribution == "lossplug-acme"
    assert find_spec("old").id == "acme/old"


def test_an_older_distribution_without_the_loss_does_not_keep_its_id(site) -> None:
    install(site, "lossplug-fake", "acme.old")
    site.install("lossplug-acme", "other")
    assert find_spec("acme/old").id == "fake/new"


def test_a_distribution_that_is_switched_off_keeps_its_ids(site, monkeypatch) -> None:
    install(site, "lossplug-fake", "acme.old")
    site.install("lossplug-acme", "old")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "acme/old")
    with pytest.raises(ForbiddenLossError, match="'acme/old' of lossplug-acme"):
        find_spec("acme/old")


def test_a_distribution_that_cannot_be_read_keeps_its_ids(site) -> None:
    install(site, "lossplug-fake", "acme.old")
    site.install("lossplug-acme", entry_points="[lossplug.losses]\nno equals sign\n")
    with pytest.raises(BrokenPluginError, match="lossplug-acme is installed, but"):
        find_spec("acme/old")


@pytest.mark.parametrize("name", ["old", "acme/old"])
def test_two_distributions_that_say_they_took_over_an_id_are_both_named(site, name) -> None:
    install(site, "lossplug-one", "acme.old")
    install(site, "lossplug-two", "acme.old", version="3.0")
    with pytest.raises(AmbiguousLossError) as caught:
        find_spec(name)
    assert caught.value.candidates == ("one/new", "two/new")
    for text in ("they were called", "lossplug-one 2.0", "lossplug-two 3.0", "LOSSPLUG_DISABLE"):
        assert text in str(caught.value)


def test_one_of_two_that_took_over_an_id_can_be_switched_off(site, monkeypatch) -> None:
    install(site, "lossplug-one", "acme.old")
    install(site, "lossplug-two", "acme.old")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "lossplug-two")
    assert find_spec("acme/old").id == "one/new"


@pytest.mark.parametrize(
    ("claim", "problem"),
    [
        ("keras.huber", "Keras's for ever"),
        ("Keras.mean_squared_error", "Keras's for ever"),
        ("new", "it has today"),
        ("fake.New", "it has today"),
        ("acme/old", "old-namespace.old_name"),
        ("...", "old-namespace.old_name"),
    ],
)
def test_a_false_claim_is_a_finding_and_changes_nothing(site, claim, problem) -> None:
    install(site, "lossplug-fake", claim)
    (finding,) = [f for f in registry.findings() if f.kind == "false-former-name"]
    assert finding.subject == "lossplug-fake"
    assert problem in finding.problem
    assert find_spec("new").formerly == ()
    assert registry.resolve("keras/huber").winner.namespace == "keras"


def test_a_former_name_must_lead_to_a_loss_of_the_same_distribution(site) -> None:
    site.install(
        "lossplug-fake",
        "one",
        entry_points="[lossplug.losses]\none = lossplug_fake_losses:one\n"
        "[lossplug.formerly]\nold = os:system\n",
    )
    (finding,) = [f for f in registry.findings() if f.kind == "false-former-name"]
    assert "none of its losses" in finding.problem
    with pytest.raises(UnknownLossError):
        find_spec("old")


def test_two_losses_that_had_each_others_name_are_what_they_are_called(site) -> None:
    site.install(
        "lossplug-fake",
        "one",
        "two",
        entry_points="""
            [lossplug.losses]
            one = lossplug_fake_losses:one
            two = lossplug_fake_losses:two
            [lossplug.formerly]
            two = lossplug_fake_losses:one
            one = lossplug_fake_losses:two
        """,
    )
    assert [find_spec(name).id for name in ("one", "two")] == ["fake/one", "fake/two"]
    assert len([f for f in registry.findings() if f.kind == "false-former-name"]) == 2


def test_distributions_that_took_over_from_each_other_do_not_lead_in_circles(site) -> None:
    install(site, "lossplug-a", "b.new")
    install(site, "lossplug-b", "a.new")
    assert find_spec("a/new").id == "a/new"
    assert find_spec("b/new").id == "b/new"


# Rules


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("fake/new", "acme/old"),
        ("fake", "acme/old"),
        ("lossplug-fake", "acme/old"),
        ("acme/old", "acme/old"),
        ("acme/old", "fake/new"),
        ("acme/old", "new"),
        ("acme", "acme/old"),
        ("lossplug-acme", "acme/old"),
        ("acme", "old"),
    ],
)
def test_a_rule_against_either_id_is_one_against_the_loss(site, monkeypatch, word, asked) -> None:
    install(site, "lossplug-fake", "acme.old")
    monkeypatch.setenv("LOSSPLUG_DISABLE", word)
    with pytest.raises(ForbiddenLossError, match=f"LOSSPLUG_DISABLE={word}"):
        find_spec(asked)


def test_a_rule_against_all_of_the_older_distribution_leaves_the_new_id_alone(
    site, monkeypatch
) -> None:
    install(site, "lossplug-fake", "acme.old")
    monkeypatch.setenv("LOSSPLUG_DISABLE", "acme")
    assert find_spec("fake/new").id == "fake/new"


@pytest.mark.parametrize("word", ["acme/other", "other/old", "other/new"])
def test_a_rule_against_another_loss_is_not_one_against_this(site, monkeypatch, word) -> None:
    install(site, "lossplug-fake", "acme.old")
    monkeypatch.setenv("LOSSPLUG_DISABLE", word)
    assert find_spec("acme/old").id == find_spec("fake/new").id == "fake/new"


@pytest.mark.parametrize("forbidden", ["fake/new", "acme/old"])
@pytest.mark.parametrize("asked", ["fake/new", "acme/old", "old"])
def test_a_veto_is_asked_about_each_id(site, forbidden, asked) -> None:
    install(site, "lossplug-fake", "acme.old")

    class Policy:
        @hookimpl
        def lossplug_veto(self, id, provider):
            return "not here" if id == forbidden else None

    registry.hooks.register(Policy())
    with pytest.raises(ForbiddenLossError, match="not here"):
        find_spec(asked)


# What was saved


def test_renamed_parameters_are_a_mapping(site) -> None:
    install(site, declared="version=2, migrate={'focus': 'gamma'}")
    saved = read(config("fake/new", focus=3.0), registry)
    assert saved.parameters == {"gamma": 3.0}
    assert read(config("fake/new", gamma=3.0), registry).parameters == {"gamma": 3.0}
    with pytest.raises(ConfigError, match="under its old name and its new one"):
        read(config("fake/new", focus=3.0, gamma=2.0), registry)


def test_the_warning_says_what_the_history_says(site) -> None:
    install(
        site,
        declared="version=3, migrate={'focus': 'gamma'}, history={2: 'focus is now called gamma.',"
        " 3: 'The values are\\n squared.'}",
    )
    warning = read(config("fake/new", focus=3.0), registry).warning
    assert warning.changes == (
        "Version 2: focus is now called gamma.",
        "Version 3: The values are squared.",
    )
    assert "version 1" in warning.what
    assert "lossplug-fake 2.0 it is version 3" in warning.what
    assert "model.save" in warning.fix
    assert str(warning).count("\n") == 3
    later = read(config("fake/new", version=2, gamma=3.0), registry).warning
    assert later.changes == ("Version 3: The values are squared.",)
    assert read(config("fake/new", version=3, gamma=3.0), registry).warning is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"focus": 3.0}, {"gamma": 3.0}, "saved with focus=3.0, which is now gamma=3.0"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 4}, "saved with b=2, which is now b=4"),
        ({"a": 1}, {"a": 1, "b": 0}, "saved with nothing, which is now b=0"),
        ({"a": 1, "b": 2}, {"a": 1}, "saved with b=2, which is now nothing"),
        ({"a": 1}, {"a": 1}, "does not say what changed"),
        ({"a": None}, {"b": None}, "saved with a=None, which is now b=None"),
    ],
)
def test_without_a_history_the_difference_is_told(before, after, said) -> None:
    (sentence,) = changes_since(declared(version=2, migrate={}), 1, before, after)
    assert said in sentence


@pytest.mark.parametrize(
    ("migrate", "problem"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("None", "TypeError: it returned None"),
        ("[('gamma', 1)]", "TypeError: it returned"),
        ("{'focus': 1.0}", "'focus', which there is not"),
        ("{1: 1.0}", "1, which there is not"),
        ("parameters.clear()", "TypeError: it returned None"),
    ],
)
def test_a_migration_that_fails_is_the_plugins_fault_and_says_so(site, migrate, problem) -> None:
    install(site, declared=f"version=2, migrate=lambda version, parameters: {migrate}")
    with pytest.raises(ConfigError, match="cannot migrate 'fake/new' from version 1") as caught:
        read(config("fake/new", focus=3.0), registry)
    assert problem in str(caught.value)
    assert "focus" in str(caught.value)
    assert "author of lossplug-fake" in caught.value.fix


def test_a_migration_may_change_what_it_is_given(site) -> None:
    source = """
        from lossplug_core import loss

        def migrate(version, parameters):
            parameters["gamma"] = parameters.pop("inner")["focus"]
            return parameters

        @loss(y_true="values", y_pred="values", version=2, migrate=migrate)
        def new(y_true, y_pred, *, gamma: float = 1.0):
            return y_pred
    """
    site.install(
        "lossplug-fake",
        modules={"fake_module": source},
        entry_points="[lossplug.losses]\nnew = fake_module:new\n",
    )
    given = config("fake/new", inner={"focus": 3.0})
    saved = read(given, registry)
    assert saved.parameters == {"gamma": 3.0}
    assert saved.changes == ("It was saved with inner={'focus': 3.0}, which is now gamma=3.0.",)
    assert given == config("fake/new", inner={"focus": 3.0})


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
def test_what_is_no_version_is_refused(site, version) -> None:
    install(site, declared="version=2, migrate={}")
    with pytest.raises(ConfigError):
        read(config("fake/new", version=version), registry)


def test_a_renamed_loss_is_loaded_with_its_parameters(site) -> None:
    install(site, "lossplug-fake", "old", declared="version=2, migrate={'focus': 'gamma'}")
    saved = read(config("fake/old", focus=3.0), registry)
    assert (saved.spec.id, saved.formerly) == ("fake/new", "fake/old")
    assert saved.parameters == {"gamma": 3.0}
    assert "'fake/old' is now called 'fake/new', and is of lossplug-fake 2.0" in str(saved.warning)


def test_the_warning_for_a_moved_loss_names_who_provides_it(site) -> None:
    install(site, "lossplug-fake", "acme.old")
    warning = read(config("acme/old", gamma=3.0), registry).warning
    assert "'acme/old' is now called 'fake/new', and is of lossplug-fake 2.0." in warning.what
    assert warning.id == "fake/new"


def test_a_moved_loss_that_nobody_took_over_is_answered_with_the_pip_command(site) -> None:
    install(site)
    saved = config("acme/old")
    saved["provider"] = {"distribution": "lossplug-acme", "version": "1.0"}
    with pytest.raises(LossNotInstalledError, match=r"pip install lossplug-acme==1\.0"):
        read(saved, registry)


# Deprecation


@pytest.mark.parametrize(
    ("deprecation", "said"),
    [
        (deprecated(), ("will be removed.", "Use another loss.")),
        (deprecated(removed_in="3.0"), ("will be removed in 3.0.", "Use another loss.")),
        (deprecated(replaced_by="a/b"), ("will be removed.", "Use get_loss('a/b').")),
    ],
)
def test_a_deprecation_says_what_to_use_instead(deprecation, said) -> None:
    warning = warning_for(declared(deprecated=deprecation))
    assert type(warning) is DeprecatedLossWarning
    assert (warning.what.endswith(said[0]), warning.fix) == (True, said[1])


def test_one_warning_says_it_all(site) -> None:
    install(
        site,
        "lossplug-fake",
        "old",
        declared="version=2, migrate={'focus': 'gamma'}, history={2: 'Renamed.'},"
        " deprecated=deprecated(replaced_by='a/b')",
    )
    warning = read(config("fake/old", focus=1.0), registry).warning
    assert isinstance(warning, DeprecatedLossWarning)
    for text in (
        "now called 'fake/new'",
        "version 1",
        "Version 2: Renamed.",
        "Use get_loss('a/b')",
    ):
        assert text in str(warning)


def test_the_warnings_are_shown_to_users_and_can_be_filtered() -> None:
    assert issubclass(DeprecatedLossWarning, ChangedLossWarning)
    assert issubclass(
        ChangedLossWarning, FutureWarning
    )  # which Python shows, wherever it is raised
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ChangedLossWarning)
        warnings.warn(warning_for(declared(deprecated=deprecated())), stacklevel=1)


def test_looking_a_loss_up_warns_of_nothing(site) -> None:
    install(site, "lossplug-fake", "old", declared="deprecated=deprecated()")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lossplug_core.find_spec("old")
        list(registry.described(registry.entries()))
