"""No way leads around a policy: every way to ask for a loss, against every kind of rule."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import lossplug_core
from lossplug_core import ForbiddenLossError, LossplugError, find_spec, list_losses
from lossplug_core._app import registry

TRACE = "import builtins\nbuiltins.traces.append({name!r})\n"
LOSSES = """
from lossplug_core import loss

@loss(y_true="values", y_pred="values", aliases=("uno",), formerly=("oldest", "older/one"))
def one(y_true, y_pred, *, scale: float = 1.0):
    '''A fake loss.'''
    return scale * abs(y_true - y_pred)

@loss(y_true="values", y_pred="values")
def two(y_true, y_pred):
    '''Another.'''
    return abs(y_true - y_pred)
"""
ENTRY_POINTS = """
[lossplug.losses]
one = fake_losses:one
uno = fake_losses:one
two = fake_losses:two

[lossplug.formerly]
oldest = fake_losses:one
older.one = fake_losses:one

[lossplug.hooks]
rules = fake_hooks
"""
PRESETS = """
prefer = {one = "fake/one"}

[presets.usual]
loss = "fake/one"

[presets.both]
loss = {combine = ["mae", {loss = {combine = ["one"]}}]}
"""

RULES = {
    "deny a distribution": 'policy.deny = ["lossplug-fake"]',
    "deny a distribution, spelt otherwise": 'policy.deny = ["Lossplug_Fake"]',
    "deny a namespace": 'policy.deny = ["fake"]',
    "deny an id": 'policy.deny = ["fake/one"]',
    "deny an id, spelt otherwise": 'policy.deny = ["Fake/OneLoss"]',
    "deny an alias": 'policy.deny = ["fake/uno"]',
    "deny a former name": 'policy.deny = ["fake/oldest"]',
    "deny a former id": 'policy.deny = ["older/one"]',
    "deny what is allowed": 'policy = {allow = ["fake", "keras"], deny = ["fake/one"]}',
    "allow another distribution": 'policy.allow = ["lossplug-other", "keras"]',
    "allow another namespace": 'policy.allow = ["other", "keras"]',
    "allow another id": 'policy.allow = ["fake/two", "keras"]',
    "allow an id that it had": 'policy.allow = ["older/one", "fake/oldest", "keras"]',
    "allow nothing": "policy.allow = []",
    "require a version": 'requires = {lossplug-fake = ">=2"}',
}


@pytest.fixture
def traces(monkeypatch) -> list[str]:
    """The modules of the fake distribution that were imported."""
    import builtins

    found: list[str] = []
    monkeypatch.setattr(builtins, "traces", found, raising=False)
    return found


@pytest.fixture
def catalogue(site, tmp_path, monkeypatch, traces) -> Callable[..., None]:
    """Puts rules in force for a distribution whose modules leave a trace when imported."""
    site.install(
        "lossplug-fake",
        modules={
            "fake_losses": TRACE.format(name="losses") + LOSSES,
            "fake_hooks": TRACE.format(name="hooks"),
        },
        entry_points=ENTRY_POINTS,
    )

    def put(rule: str, presets: str = PRESETS) -> None:
        path = tmp_path / "acme.toml"
        path.write_text(f"{rule}\n{presets}")
        monkeypatch.setenv("LOSSPLUG_CATALOG", str(path))
        lossplug_core.refresh()
        with warnings.catch_warnings():
            # Hooks of a wrong version are left out with a warning, which has a test of its own.
            warnings.simplefilter("ignore", lossplug_core.PluginWarning)
            list_losses()

    return put


NAMES = ["fake/one", "one", "One", "OneLoss", "FAKE/ONE_LOSS", "Fake/uno", "uno", "fake/oldest"]
NAMES += ["older/one", "Older/One", "usual", "USUAL"]


def refused(ways: Mapping[str, Callable[[], Any]]) -> dict[str, bool]:
    """Whether each way ends at the rule."""
    found = {}
    for name, way in ways.items():
        try:
            way()
        except ForbiddenLossError as error:
            found[name] = "acme.toml" in str(error)
        else:
            found[name] = False
    return found


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_name_finds_a_forbidden_loss_and_nothing_is_imported(catalogue, traces, rule) -> None:
    catalogue(rule)
    ways = {name: lambda name=name: find_spec(name) for name in NAMES}
    assert refused(ways) == dict.fromkeys(NAMES, True)
    assert "losses" not in traces


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_forbidden_loss_is_not_listed(catalogue, traces, rule) -> None:
    catalogue(rule)
    assert "fake/one" not in list_losses()
    assert "losses" not in traces


@pytest.mark.parametrize(
    "rule",
    [
        'policy.deny = ["fake/two", "other"]',
        'policy.allow = ["fake/one", "keras"]',
        'policy.allow = ["fake/uno"]',
        'policy.allow = ["FAKE"]',
        'policy.allow = ["lossplug_fake"]',
        'requires = {lossplug_fake = ">=1,<2"}',
        'policy.deny = ["older"]',
    ],
)
def test_every_name_finds_the_loss_where_it_is_not_forbidden(catalogue, rule) -> None:
    catalogue(rule)
    assert {name: find_spec(name).id for name in NAMES} == dict.fromkeys(NAMES, "fake/one")


@pytest.mark.parametrize(
    ("rule", "hooks"),
    [
        ('policy.deny = ["lossplug-fake"]', False),
        ('policy.deny = ["fake"]', False),
        ('policy.deny = ["fake/one", "fake/two"]', True),
        ('policy.allow = ["keras"]', True),
        ("", True),
    ],
)
def test_a_denied_distribution_has_no_hooks_either(catalogue, traces, rule, hooks) -> None:
    catalogue(rule)
    list_losses()
    assert ("hooks" in traces) is hooks


def test_hooks_of_a_version_that_is_not_approved_are_left_out_loudly(catalogue, traces) -> None:
    catalogue('requires = {lossplug-fake = ">=2"}')
    assert traces == []
    assert [(f.kind, f.fix) for f in registry.findings()] == [
        ("forbidden-hook", "pip install 'lossplug-fake>=2'")
    ]
    lossplug_core.refresh()
    with pytest.warns(lossplug_core.PluginWarning, match=r"acme.toml:1 requires .* 1.0 is here"):
        list_losses()


def test_the_other_loss_of_that_name_is_found_instead(catalogue, site) -> None:
    site.install("lossplug-other", "one")
    catalogue('policy.deny = ["fake"]')
    assert find_spec("one").id == "other/one"


def ways_to_build() -> dict[str, Callable[[], Any]]:
    """The ways to build the loss, or to load it where it was saved when it was allowed."""
    import keras

    from lossplug_core import CombinedLoss, PluginLoss, combine, get_loss

    config = {
        "id": "fake/one",
        "spec_version": 1,
        "parameters": {"scale": 2.0},
        "provider": {"distribution": "lossplug-innocent", "version": "1.0"},
    }
    saved = {
        "module": "lossplug_core.bridge.plugin_loss",
        "class_name": "PluginLoss",
        "config": config,
        "registered_name": "lossplug>PluginLoss",
    }
    nested = [{"loss": {"combine": [{"loss": {"combine": ["usual"]}}]}}]
    parts = {"parts": [{"loss": saved, "weight": 1.0}]}
    return {
        **{name: lambda name=name: get_loss(name) for name in NAMES},
        "dict": lambda: get_loss({"name": "Uno", "params": {"scale": 1}}),
        "Keras's dict": lambda: get_loss({"class_name": "OneLoss", "config": {}}),
        "of a function": lambda: get_loss({"class_name": "function", "config": "one"}),
        "dict of a saved loss": lambda: get_loss(saved),
        "preset of a combination": lambda: get_loss("both"),
        "dict of a combination": lambda: get_loss({"combine": ["mae", "one"]}),
        "combine": lambda: combine({"mae": 1.0, "fake/uno": 1.0}),
        "combine, nested": lambda: combine(nested),
        "from_config": lambda: PluginLoss.from_config(config),
        "CombinedLoss.from_config": lambda: CombinedLoss.from_config(parts),
        "Keras's deserialize": lambda: keras.losses.deserialize(saved),
    }


@pytest.mark.backend
class TestBuilt:
    """The ways that build a loss."""

    @pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
    def test_no_way_builds_a_forbidden_loss(self, catalogue, traces, rule) -> None:
        catalogue(rule)
        ways = ways_to_build()
        assert refused(ways) == dict.fromkeys(ways, True)
        assert "losses" not in traces

    def test_each_way_leads_somewhere_without_a_rule(self, catalogue) -> None:
        catalogue("")
        assert refused(ways_to_build()) == dict.fromkeys(ways_to_build(), False)

    @pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
    def test_a_function_or_spec_of_a_forbidden_plugin_that_a_program_has_imported_is_refused(
        self, catalogue, rule
    ) -> None:
        catalogue(rule)
        function = importlib.import_module("fake_losses").one
        spec = lossplug_core.spec.spec_of(function)
        for way in (
            lambda: lossplug_core.get_loss(function),
            lambda: lossplug_core.get_loss(spec),
            lambda: lossplug_core.PluginLoss(spec),
            lambda: lossplug_core.combine([function]),
        ):
            with pytest.raises(ForbiddenLossError):
                way()

    def test_a_function_of_ones_own_is_no_plugin(self, catalogue) -> None:
        @lossplug_core.loss(y_true="values", y_pred="values")
        def one(y_true, y_pred):
            """My own."""
            return abs(y_true - y_pred)

        catalogue("policy.allow = []")
        assert lossplug_core.get_loss(one).spec.id == "one"

    def test_a_saved_model_is_refused_where_its_loss_is_forbidden(
        self, catalogue, tmp_path
    ) -> None:
        import keras

        catalogue("")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(loss=lossplug_core.get_loss("usual"))
        model.save(tmp_path / "model.keras")
        catalogue('policy.deny = ["fake/uno"]')
        with pytest.raises(LossplugError) as caught:
            keras.models.load_model(tmp_path / "model.keras")
        assert isinstance(caught.value, ForbiddenLossError)

    @pytest.mark.parametrize(
        "rule",
        [
            'policy.deny = ["keras"]',
            'policy.deny = ["keras/mse"]',
            'policy.deny = ["keras/MeanSquaredError"]',
            'policy.allow = ["fake"]',
            'requires = {keras = "<3"}',
        ],
    )
    def test_kerass_own_losses_obey_too(self, catalogue, rule) -> None:
        import keras

        catalogue(rule)
        asked = [
            "mse",
            "keras/mean_squared_error",
            {"name": "MSE"},
            {"combine": ["mean_squared_error"]},
            keras.losses.MeanSquaredError,
            keras.losses.MeanSquaredError(),
            keras.losses.mean_squared_error,
            keras.losses.serialize(keras.losses.MeanSquaredError()),
        ]
        ways = {str(one): lambda one=one: lossplug_core.get_loss(one) for one in asked}
        assert refused(ways) == dict.fromkeys(ways, True)

    def test_a_class_that_is_registered_with_keras_obeys_the_rules_for_its_loss(
        self, catalogue, site
    ) -> None:
        import keras

        site.install(
            "lossplug-classy",
            modules={
                "classy": """
                import keras

                @keras.saving.register_keras_serializable(package="classy")
                class Classy(keras.losses.Loss):
                    def call(self, y_true, y_pred):
                        return y_true - y_pred
                """
            },
            entry_points="[lossplug.losses]\nclassy = classy:Classy",
        )
        catalogue("")
        lossplug_core.get_loss("classy")
        config = keras.losses.serialize(sys.modules["classy"].Classy())
        lossplug_core.get_loss(config)
        catalogue('policy.deny = ["classy"]')
        with pytest.raises(ForbiddenLossError):
            lossplug_core.get_loss(config)
