"""Which names a new plugin and its loss can have."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossplug_core.errors import LossplugError
from lossplug_core.names import is_distribution
from lossplug_core.scaffold import Plugin, distribution_of
from lossplug_core.scaffold._names import loss_name


@pytest.mark.parametrize(
    ("name", "distribution", "package", "namespace"),
    [
        ("robust", "lossplug-robust", "lossplug_robust", "robust"),
        ("lossplug-robust", "lossplug-robust", "lossplug_robust", "robust"),
        ("Lossplug_Robust", "lossplug-robust", "lossplug_robust", "robust"),
        (" robust ", "lossplug-robust", "lossplug_robust", "robust"),
        ("acme-losses", "acme-losses", "acme_losses", "acme-losses"),
        ("Acme.Losses", "acme-losses", "acme_losses", "acme-losses"),
        ("acme--_.losses", "acme-losses", "acme_losses", "acme-losses"),
        ("lossplug-two-words", "lossplug-two-words", "lossplug_two_words", "two-words"),
        ("3d", "lossplug-3d", "lossplug_3d", "3d"),
        ("class", "lossplug-class", "lossplug_class", "class"),
    ],
)
def test_one_word_gets_the_prefix_and_several_stay(name, distribution, package, namespace) -> None:
    plugin = Plugin.of(name)
    assert (plugin.distribution, plugin.package, plugin.namespace) == (
        distribution,
        package,
        namespace,
    )
    assert plugin.id == f"{namespace}/charbonnier"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "No distribution can have this name"),
        ("-", "No distribution can have this name"),
        ("robust-", "Did you mean 'robust'?"),
        ("robust losses", "Did you mean 'robust-losses'?"),
        ("Größe", "Did you mean 'grosse'?"),
        ("../robust", "Did you mean 'robust'?"),
        ("robust/charbonnier", "Did you mean 'robust-charbonnier'?"),
        ("robust\n", None),
        ("ro\nbust", "No distribution can have this name"),
        ("robuſt", "No distribution can have this name"),
        ("\u212aeras", "No distribution can have this name"),
        ("keras", "'keras' belongs to another package"),
        ("lossplug-keras", "'lossplug-keras' belongs to another package"),
        ("lossplug", "'lossplug' belongs to another package"),
        ("core", "'core' belongs to another package"),
        ("lossplug-core", "'lossplug-core' belongs to another package"),
        ("Lossplug.Core", "'lossplug-core' belongs to another package"),
        ("annotated-types", "'annotated-types' belongs to another package"),
        ("torch", "'torch' belongs to another package"),
        ("imbalance", "'lossplug-imbalance' belongs to another package"),
        ("3d-losses", "Did you mean 'lossplug-3d-losses'?"),
        ("a" * 41, "too long"),
    ],
)
def test_names_that_are_refused_say_what_would_do(name, message) -> None:
    if message is None:
        assert distribution_of(name) == "lossplug-robust"
        return
    with pytest.raises(LossplugError) as refused:
        distribution_of(name)
    assert message in str(refused.value)
    for near in refused.value.nearest:
        distribution_of(near)


@pytest.mark.parametrize("name", ["charbonnier", "smooth_l1", "l2", "match", "type", "abs"])
def test_a_loss_has_a_plain_name(name) -> None:
    assert loss_name(name) == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SmoothL1", "smooth_l1"),
        ("smooth-l1", "smooth_l1"),
        ("smooth l1", "smooth_l1"),
        ("_hidden", "hidden"),
        ("twice__", "twice"),
        ("robust/charbonnier", "robust_charbonnier"),
        ("1d", "my_1d"),
        ("größe", "grosse"),
        ("lambda", "my_lambda"),
        ("ops", "my_ops"),
        ("loss", "my_loss"),
        ("Lambda", None),
        ("", None),
        ("l", None),
        ("損失", None),
        ("a" * 36, None),
    ],
)
def test_names_of_losses_that_are_refused(name, near) -> None:
    with pytest.raises(LossplugError) as refused:
        loss_name(name)
    assert refused.value.nearest == (() if near is None else (near,))


@given(st.text())
def test_whatever_comes_is_a_name_or_an_error_with_names_that_would_do(text) -> None:
    for accept in (distribution_of, loss_name):
        try:
            name = accept(text)
        except LossplugError as error:
            for near in error.nearest:
                assert accept(near)
        else:
            assert accept(name) == name
            assert is_distribution(name)
            assert name.replace("-", "_").isidentifier()
            assert not keyword.iskeyword(name.replace("-", "_"))
