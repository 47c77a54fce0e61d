"""The curves on the page of a catalogue: of one loss with its parameters moved, of combinations."""

from __future__ import annotations

import ast

import numpy as np
import pytest

pytest.importorskip("docutils", reason="the page needs lossplug-core[catalog]")
pytest.importorskip("plotly", reason="the page needs lossplug-core[catalog]")

from lossplug_core import find_spec, get_loss

PLUGIN = '''
from lossplug_core import NonNegative, loss, ops

calls = []

@loss(y_true="values", y_pred="values")
def scaled(y_true, y_pred, *, scale: NonNegative = 1.0):
    """It remembers when it was called."""
    calls.append(scale)
    return scale * ops.sum(abs(y_true - y_pred), axis=-1)

@loss(y_true="labels", y_pred="embeddings", compares_samples=True)
def turned(y_true, y_pred, *, scale: NonNegative = 1.0):
    """It remembers when it was called, and compares samples."""
    calls.append(scale)
    near = ops.sum(y_pred * ops.mean(y_pred, axis=0), axis=-1)
    return scale * (1 - near) + 0 * ops.cast(y_true, "float32")

@loss(y_true="values", y_pred="values")
def stubborn(y_true, y_pred, *, scale: NonNegative = 1.0):
    """It takes Python's numbers only."""
    factor = 2.0 * scale if scale > 1 else scale
    return factor * ops.sum(abs(y_true - y_pred), axis=-1)

@loss(y_true="binary", y_pred="logits", compares_samples=True)
def spread(y_true, y_pred, *, scale: NonNegative = 1.0):
    """It compares samples."""
    y_pred = ops.reshape(y_pred, (-1,))
    return scale * abs(y_pred - ops.mean(y_pred)) + 0 * ops.reshape(y_true, (-1,))
'''

ENTRY_POINTS = "[lossplug.losses]\n" + "\n".join(
    f"{name} = acme_curves:{name}" for name in ("scaled", "turned", "stubborn", "spread")
)

LOGITS = '{ name = "keras/binary_crossentropy", params = { from_logits = true } }'

WARM = '{ schedule = "linear", start = 0.5, end = 1.0, steps = 9 }'

CATALOGUE = f"""
[presets]
both.loss = {{ combine = [{{ loss = "acme/scaled" }}, {{ loss = "keras/huber", weight = 0.5 }}] }}
twice.loss = {{ combine = [{{ loss = "both", weight = 2.0 }}, {{ loss = "keras/huber" }}] }}
less.loss = {{ combine = [{{ loss = "acme/scaled" }}, {{ loss = "keras/huber", weight = -1.0 }}] }}
warm.loss = {{ combine = [
    {{ loss = "acme/scaled", weight = {WARM} }},
    {{ loss = "keras/huber" }},
] }}
compared.loss = {{ combine = [{{ loss = {LOGITS} }}, {{ loss = "acme/spread" }}] }}
angles.loss = {{ combine = [
    {{ loss = "acme/turned" }}, {{ loss = "acme/turned", name = "more", weight = 0.1 }},
] }}
unlike.loss = {{ combine = [{{ loss = "acme/scaled" }}, {{ loss = "acme/turned" }}] }}
outputs.loss = {{ combine = [
    {{ loss = "acme/scaled", output = "a" }}, {{ loss = "keras/huber", output = "b" }},
] }}
learned.loss = {{ combine = [{{ loss = "both" }}, {{ loss = "keras/huber" }}], weighting = "ema" }}
within.loss = {{ combine = [{{ loss = "learned" }}, {{ loss = "keras/huber" }}] }}
undrawn.loss = {{ combine = [{{ loss = "keras/ctc" }}, {{ loss = "keras/huber" }}] }}
"""


@pytest.fixture
def acme(site, tmp_path, monkeypatch) -> None:
    """The plugin, and a catalogue with presets."""
    site.install("lossplug-acme", modules={"acme_curves": PLUGIN}, entry_points=ENTRY_POINTS)
    path = tmp_path / "lossplug.toml"
    path.write_text(CATALOGUE)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(path))
    import lossplug_core

    lossplug_core.refresh()


def figure(name: str):
    from lossplug_core.catalog.site.figures import figure_of

    return figure_of(find_spec(name), {})


def figure_of_preset(name: str):
    from lossplug_core.catalog.site.sums import figure_of_sum

    return figure_of_sum(get_loss(name))


def calls() -> list:
    import acme_curves

    return acme_curves.calls


def parameters(move: dict) -> list:
    return [ast.literal_eval(text) for text in move["values"]]


@pytest.mark.backend
@pytest.mark.parametrize(
    "name", ["acme/scaled", "acme/stubborn", "acme/turned", "keras/circle", "keras/huber"]
)
def test_wherever_a_slider_stands_the_curves_are_those_of_that_value(acme, name) -> None:
    """Whether it is traced for all values at once or computed for each by itself."""
    from lossplug_core.params import validate
    from lossplug_core.portrait.curves import picture_of

    spec, drawn = find_spec(name), figure(name)
    assert drawn["moves"]
    for move in drawn["moves"]:
        assert move["curves"][move["start"]] == drawn["curves"]
        for value, curves in [*zip(parameters(move), move["curves"], strict=True)][::3]:
            setting = validate(spec, {move["name"]: value})
            expected = picture_of(spec, None, [setting], target=1.0, points=len(drawn["at"]))
            for curve, other in zip(curves, expected.curves, strict=True):
                for key in ("loss", "gradient"):
                    numbers = getattr(other, key)
                    least = 2e-4 * float(np.max(np.abs(numbers)))
                    assert curve[key] == pytest.approx(numbers, rel=1e-3, abs=least), value


@pytest.mark.backend
@pytest.mark.parametrize(
    ("name", "traced_by"), [("acme/turned", {"jax", "tensorflow"}), ("acme/scaled", {"jax"})]
)
def test_a_loss_is_traced_once_for_all_values_of_a_number(acme, name, traced_by) -> None:
    import keras

    (move,) = figure(name)["moves"]
    assert len(move["values"]) == 11
    assert len(calls()) >= 1
    if keras.backend.backend() in traced_by:
        assert len(calls()) < len(move["values"])


@pytest.mark.backend
@pytest.mark.parametrize(
    ("preset", "parts", "moved"),
    [
        ("both", {"acme/scaled": 1.0, "keras/huber": 0.5}, ["scaled_weight", "huber_loss_weight"]),
        (
            "twice",
            {"acme/scaled": 2.0, "keras/huber": 2.0},
            ["combined_weight", "huber_loss_weight"],
        ),
        ("less", {"acme/scaled": 1.0, "keras/huber": -1.0}, ["scaled_weight", "huber_loss_weight"]),
        ("warm", {"acme/scaled": 0.5, "keras/huber": 1.0}, ["huber_loss_weight"]),
    ],
)
def test_a_combination_is_the_sum_of_the_curves_of_its_parts(acme, preset, parts, moved) -> None:
    drawn = figure_of_preset(preset)
    own = {name: figure(name) for name in parts}
    assert {drawn["axis"], *(one["axis"] for one in own.values())} == {"predicted value"}
    for key in ("loss", "gradient"):
        expected = sum(
            weight * np.interp(drawn["at"], own[name]["at"], own[name]["curves"][0][key])
            for name, weight in parts.items()
        )
        off_the_kinks = np.abs(np.abs(np.array(drawn["at"]) - 1) % 1) > 0.1
        found = np.array(drawn["curves"][0][key])
        assert found[off_the_kinks] == pytest.approx(expected[off_the_kinks], rel=5e-3, abs=5e-3)
    assert [move["name"] for move in drawn["moves"]] == moved


@pytest.mark.backend
def test_a_weight_can_be_moved(acme) -> None:
    drawn, huber = figure_of_preset("both"), figure("keras/huber")
    move = drawn["moves"][1]
    at = np.array(drawn["at"])
    of_huber = np.interp(at, huber["at"], huber["curves"][0]["loss"])
    assert parameters(move)[move["start"]] == 0.5
    assert parameters(move)[0] == 0.0
    assert move["curves"][move["start"]] == drawn["curves"]
    for weight, (curve,) in zip(parameters(move), move["curves"], strict=True):
        assert curve["loss"] == pytest.approx(abs(at - 1) + weight * of_huber, rel=5e-3, abs=5e-3)


@pytest.mark.backend
@pytest.mark.parametrize("preset", ["compared", "angles"])
def test_a_combination_of_losses_that_compare_samples_is_that_of_a_batch(acme, preset) -> None:
    drawn = figure_of_preset(preset)
    loss = get_loss(preset)
    for place in (5, 20, 50):
        x = drawn["at"][place]
        if preset == "compared":
            batch = np.array([[1], [1], [1], [0], [0]], "float32")
            y_pred = np.array([[x], [2.0], [0.0], [0.5], [-2.0]], "float32")
        else:
            batch = np.array([0, 0, 1])
            radians = np.radians([0, x, 90])
            y_pred = np.stack([np.cos(radians), np.sin(radians)], -1).astype("float32")
        expected = float(loss(batch, y_pred, training=False))
        assert drawn["curves"][0]["loss"][place] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert drawn["axis"].endswith(
        "among four" if preset == "compared" else "in degrees; the mean of the batch"
    )


@pytest.mark.backend
@pytest.mark.parametrize(
    ("preset", "reasons"),
    [
        (
            "unlike",
            (
                "nothing to draw all parts over",
                "'acme/scaled' takes values and values",
                "'acme/turned' takes labels and embeddings",
            ),
        ),
        ("outputs", ("several outputs", "'a'")),
        ("learned", ("Training finds the weights",)),
        ("within", ("Training finds the weights",)),
        ("undrawn", ("no picture for losses of the kind of 'keras/ctc'",)),
    ],
)
def test_a_combination_that_cannot_be_drawn_says_why(acme, preset, reasons) -> None:
    from lossplug_core._app import catalogue, registry
    from lossplug_core.catalog.site.entries import _preset

    item = _preset(catalogue().presets[preset], registry, catalogue())
    assert item.figure is None
    assert not item.problem
    assert [reason for reason in reasons if reason not in item.why_no_figure] == []
