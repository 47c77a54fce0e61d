"""Everything that names a loss, and what `get_loss` makes of it."""

import copy
import json
import pickle

import keras
import pytest

from lossplug_core import (
    ConfigError,
    ForbiddenLossError,
    IdentifierError,
    ParameterError,
    PluginLoss,
    UnknownConventionError,
    UnknownLossError,
    UnknownParameterError,
    find_spec,
    get_loss,
    loss,
)


@loss(y_true="values", y_pred="values", conventions={"peer": {"scale": 5.0}})
def local(y_true, y_pred, *, scale: float = 1.0):
    """A loss of no plugin."""
    return scale * keras.ops.abs(y_true - y_pred)


@pytest.fixture
def fake(site):
    site.install("lossplug-fake", "one")
    return "fake/one"


@pytest.mark.parametrize("name", ["one", "One", "OneLoss", "one_loss", "fake/one"])
def test_a_name_in_any_spelling(fake, name) -> None:
    built = get_loss(name, scale=3)
    assert isinstance(built, PluginLoss)
    assert built.spec.id == fake
    assert built.parameters == {"scale": 3.0}


@pytest.mark.parametrize(
    "config",
    [
        {"name": "fake/one", "params": {"scale": 3}},
        {"name": "one", "params": {"scale": "3"}, "reduction": "sum", "dtype": "float16"},
        {"class_name": "One", "config": {"scale": 3}},
        {"class_name": "fake/one", "config": {"scale": 3, "reduction": "sum"}},
    ],
)
def test_a_dict(fake, config) -> None:
    built = get_loss(config)
    assert built.spec.id == fake
    assert built.parameters == {"scale": 3.0}
    for option in ("reduction", "dtype"):
        if option in config:
            assert getattr(built, option) == config[option]


def test_a_dict_gives_way_to_what_is_given(fake) -> None:
    assert get_loss({"name": fake, "params": {"scale": 3}}, scale=4).parameters == {"scale": 4.0}


def test_what_keras_serialises(fake) -> None:
    built = get_loss(fake, scale=3, reduction="sum", name="mine", dtype="float64")
    again = get_loss(json.loads(json.dumps(keras.saving.serialize_keras_object(built))))
    assert again.get_config() == built.get_config()
    huber = {"module": "keras.losses", "class_name": "Huber", "config": {"name": "h"}}
    assert get_loss(huber).name == "h"
    function = keras.losses.serialize(keras.losses.mean_squared_error)
    assert type(get_loss(function)) is keras.losses.MeanSquaredError


def test_a_function_marked_loss() -> None:
    built = get_loss(local, scale=2)
    assert built.spec.provider is None
    assert float(built([1.0], [3.0])) == 4.0


def test_a_function_of_an_installed_plugin_knows_its_plugin(fake) -> None:
    import lossplug_fake_losses

    assert get_loss(lossplug_fake_losses.one).spec is find_spec(fake)
    assert get_loss(find_spec(fake), scale=2).parameters == {"scale": 2.0}


def test_a_function_of_an_installed_plugin_obeys_the_rules(fake, monkeypatch) -> None:
    import lossplug_fake_losses

    monkeypatch.setenv("LOSSPLUG_DISABLE", "fake")
    for identifier in (lossplug_fake_losses.one, "one", {"name": "one"}):
        with pytest.raises(ForbiddenLossError):
            get_loss(identifier)


@pytest.mark.parametrize("name", ["huber", "mean_squared_error", "Huber", "CategoricalHinge"])
def test_kerass_own_functions_and_classes(name) -> None:
    built = get_loss(getattr(keras.losses, name))
    assert isinstance(built, keras.losses.Loss)
    assert type(built) is type(get_loss(name))


def test_a_loss_object_passes_through() -> None:
    for built in (keras.losses.Huber(), get_loss(local)):
        assert get_loss(built) is built
        with pytest.raises(ParameterError, match="built already"):
            get_loss(built, scale=2)


def test_none_is_none() -> None:
    assert get_loss(None) is None


@pytest.mark.parametrize("identifier", [3, b"one", ["one"], len, object, keras.losses.Loss, ""])
def test_what_names_no_loss_is_refused(identifier) -> None:
    with pytest.raises(IdentifierError):
        get_loss(identifier)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"params": {}},
        {"name": "one", "parameters": {}},
        {"name": "one", "params": 3},
        {"name": ["one"]},
        {"name": "one", "params": {1: 2}},
        {"class_name": "One", "config": "x"},
        {"class_name": "PluginLoss"},
        {"class_name": "PluginLoss", "config": {"id": "one"}},
        {"class_name": "PluginLoss", "config": {"id": "fake/one", "parameters": 3}},
        {"class_name": "PluginLoss", "config": {"id": "fake/one", "spec_version": "x"}},
        {"class_name": "PluginLoss", "config": {"id": "fake/one", "of_the_future": 1}},
    ],
)
def test_a_dict_that_describes_no_loss_is_refused(fake, config) -> None:
    with pytest.raises(ConfigError):
        get_loss(config)


@pytest.mark.parametrize(
    "config",
    [
        {"module": "os", "class_name": "system", "config": {}},
        {"class_name": "os:system", "config": {}},
        {"class_name": "__lambda__", "config": {"value": "x"}, "module": "builtins"},
        {"name": "lossplug_fake_losses:one"},
    ],
)
def test_a_dict_cannot_reach_what_is_no_installed_loss(fake, config) -> None:
    with pytest.raises(UnknownLossError):
        get_loss(config)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"scal": 1}, UnknownParameterError),
        ({"scale": float("nan")}, ParameterError),
        ({"scale": "x"}, ParameterError),
        ({"convention": "nobody"}, UnknownConventionError),
        ({"reduction": "average"}, ParameterError),
        ({"reduction": []}, ParameterError),
        ({"dtype": "float99"}, ParameterError),
        ({"dtype": 3}, ParameterError),
        ({"dtype": {"module": "os", "class_name": "system", "config": {}}}, ParameterError),
        ({"name": 3}, ParameterError),
    ],
)
@pytest.mark.parametrize("identifier", [local, "mean_squared_error"])
def test_options_that_cannot_be_are_refused(identifier, options, error) -> None:
    with pytest.raises(error):
        get_loss(identifier, **options)


def test_a_convention_gives_its_parameters() -> None:
    assert get_loss(local, convention="peer").parameters == {"scale": 5.0}
    assert get_loss(local, convention="peer", scale=2).parameters == {"scale": 2.0}


def test_the_repr_says_what_it_is_and_where_from(fake) -> None:
    assert repr(get_loss(fake)) == "<PluginLoss fake/one() from lossplug-fake 1.0>"
    assert (
        repr(get_loss(fake, scale=3)) == "<PluginLoss fake/one(scale=3.0) from lossplug-fake 1.0>"
    )
    assert repr(get_loss(local)) == "<PluginLoss local() from no installed plugin>"


def test_the_config_holds_everything(fake) -> None:
    assert get_loss(fake, scale=3, dtype="float16").get_config() == {
        "id": "fake/one",
        "spec_version": 1,
        "parameters": {"scale": 3.0},
        "provider": {"distribution": "lossplug-fake", "version": "1.0"},
        "reduction": "sum_over_batch_size",
        "dtype": "float16",
        "name": "one",
    }


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal(fake, again) -> None:
    built = get_loss(fake, scale=3, name="mine", reduction="sum", dtype="float16")
    assert again(built).get_config() == built.get_config()


def test_observers_see_every_loss_that_is_built(site) -> None:
    source = """
        from lossplug_core import hookimpl
        seen = []

        @hookimpl
        def lossplug_loss_built(loss):
            seen.append(loss)
    """
    site.install(
        "acme-audit",
        modules={"acme_audit": source},
        entry_points="[lossplug.hooks]\na = acme_audit\n",
    )
    site.install("lossplug-fake", "one")
    built = [get_loss("one"), get_loss("mse"), get_loss("huber", delta=3)]
    loaded = PluginLoss.from_config(built[0].get_config())
    import acme_audit

    assert acme_audit.seen == [*built, loaded]
