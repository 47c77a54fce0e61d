"""Whatever is thrown at `get_loss`, a loss or a LossplugError comes out; nothing is imported."""

import sys

import keras
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import LossplugError, PluginLoss, get_loss, list_losses

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(list_losses()) | st.text(max_size=20)
KEYS = st.sampled_from(
    ["name", "params", "class_name", "config", "module", "registered_name", "id", "parameters",
     "spec_version", "provider", "reduction", "dtype", "gamma", "alpha", "delta"]
)  # fmt: skip
MODULES = {"antigravity", "this", "turtledemo", "idlelib"}


def configs(values: st.SearchStrategy) -> st.SearchStrategy:
    inner = st.dictionaries(KEYS, NAMES | JSON, max_size=5)
    return (
        st.dictionaries(KEYS, NAMES | values | inner, max_size=5)
        | st.fixed_dictionaries({"class_name": st.just("PluginLoss"), "config": inner})
        | st.fixed_dictionaries({"name": NAMES, "params": inner})
        | st.fixed_dictionaries({"module": st.sampled_from(sorted(MODULES)), "class_name": NAMES})
    )


def check(identifier, **options) -> None:
    before = set(sys.modules)
    try:
        built = get_loss(identifier, **options)
    except LossplugError:
        pass
    else:
        assert built is None or isinstance(built, keras.losses.Loss)
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not new & MODULES


@given(identifier=NAMES | JSON | st.binary() | st.sampled_from([len, object, PluginLoss, Ellipsis]))
@settings(max_examples=300, deadline=None)
def test_any_identifier(identifier) -> None:
    check(identifier)


@given(config=configs(JSON))
@settings(max_examples=500, deadline=None)
def test_any_config(config) -> None:
    check(config)


@given(
    identifier=NAMES,
    options=st.dictionaries(
        st.sampled_from(["gamma", "delta", "reduction", "name", "dtype", "convention", "x"]),
        JSON,
        max_size=3,
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_options(identifier, options) -> None:
    check(identifier, **options)
