"""What is read from a `.keras` file, and how a file that is none is refused."""

import json
import subprocess
import sys
import tracemalloc
import zipfile

import pytest

from hostile import HOSTILE
from lossplug_core import archive
from saved import compiled, plugin_loss, saved_model

FOCAL = plugin_loss("imbalance/focal", parameters={"gamma": 3.0})
HUBER = {
    "module": "keras.losses",
    "class_name": "Huber",
    "config": {"name": "huber", "reduction": "sum", "dtype": "float32", "delta": 2.0},
    "registered_name": None,
}


def function(name):
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def combined(preset=None, **parts):
    config = {"parts": [{"name": name, "loss": loss} for name, loss in parts.items()]}
    config["preset"] = preset
    return {
        "module": "lossplug_core.bridge.combined",
        "class_name": "CombinedLoss",
        "config": config,
        "registered_name": "lossplug>CombinedLoss",
    }


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (None, []),
        ("mse", [("keras", "keras/mean_squared_error", "loss")]),
        ("MeanSquaredError", [("keras", "keras/mean_squared_error", "loss")]),
        (HUBER, [("keras", "keras/huber", "loss")]),
        ({"class_name": "Huber", "config": {}}, [("keras", "keras/huber", "loss")]),
        (function("mean_squared_error"), [("keras", "keras/mean_squared_error", "loss")]),
        (FOCAL, [("plugin", "imbalance/focal", "loss")]),
        (function("mine>error"), [("custom", "mine>error", "loss")]),
        (function("error"), [("custom", "error", "loss")]),
        ("mine>mse", [("custom", "mine>mse", "loss")]),
        (
            {"module": None, "class_name": "Huber", "config": {}, "registered_name": "mine>Huber"},
            [("custom", "mine>Huber", "loss")],
        ),
        (
            {"class_name": "__lambda__", "config": {"value": ["4w"]}},
            [("lambda", "a lambda", "loss")],
        ),
        (
            ["mse", None, FOCAL],
            [
                ("keras", "keras/mean_squared_error", "loss[0]"),
                ("plugin", "imbalance/focal", "loss[2]"),
            ],
        ),
        (
            {"a": {"b": FOCAL}, "c": "mae"},
            [
                ("plugin", "imbalance/focal", "loss.a.b"),
                ("keras", "keras/mean_absolute_error", "loss.c"),
            ],
        ),
        (
            plugin_loss("acme/around", parameters={"losses": [FOCAL, HUBER]}),
            [
                ("plugin", "acme/around", "loss"),
                ("plugin", "imbalance/focal", "loss.config.parameters.losses[0]"),
                ("keras", "keras/huber", "loss.config.parameters.losses[1]"),
            ],
        ),
        (
            combined(rare=FOCAL, inner=combined(near=HUBER, own=function("mine>error"))),
            [
                ("plugin", "imbalance/focal", "loss.rare"),
                ("keras", "keras/huber", "loss.inner.near"),
                ("custom", "mine>error", "loss.inner.own"),
            ],
        ),
        (combined(), []),
        ({"class_name": "CombinedLoss", "module": "lossplug_core", "config": {"parts": [3]}}, []),
        (
            {"class_name": "CombinedLoss", "module": "lossplug_core", "config": None},
            [("custom", "CombinedLoss", "loss")],
        ),
    ],
    ids=str,
)
def test_every_loss_given_to_compile_is_found(tmp_path, loss, expected) -> None:
    found = archive.read(saved_model(tmp_path, compiled(loss)))
    assert found.compiled
    assert [(loss.kind, loss.name, loss.where) for loss in found.losses] == expected


def test_a_loss_is_found_anywhere_in_the_model_but_no_other_object_is_taken_for_one(tmp_path):
    layers = {"own_loss": FOCAL, "activation": function("relu"), "name": "mse", "other": HUBER}
    found = archive.read(saved_model(tmp_path, compiled(None, **layers)))
    assert [(loss.name, loss.where) for loss in found.losses] == [
        ("imbalance/focal", "model.config.layers[0].config.own_loss"),
        ("keras/huber", "model.config.layers[0].config.other"),
    ]


def test_a_loss_has_its_parameters_version_and_provider(tmp_path) -> None:
    loss = plugin_loss("imbalance/focal", parameters={"gamma": 3.0}, spec_version=2)
    (found,) = archive.read(saved_model(tmp_path, compiled(loss))).losses
    assert (found.parameters, found.version) == ({"gamma": 3.0}, 2)
    assert (found.distribution, found.distribution_version) == ("lossplug-imbalance", "1.0")
    (keras,) = archive.read(saved_model(tmp_path, compiled(HUBER))).losses
    assert (keras.parameters, keras.version, keras.distribution) == ({"delta": 2.0}, None, None)


FRAUD, RARE = ("fraud", 3), ("rare", 2)
PRESETS = [{"name": name, "version": version} for name, version in (FRAUD, RARE)]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (FOCAL, [()]),
        (plugin_loss("imbalance/focal", preset=PRESETS[0]), [(FRAUD,)]),
        (combined(PRESETS[0], near=HUBER, own=function("a>b")), [(FRAUD,), (FRAUD,)]),
        (
            combined(PRESETS[0], a=plugin_loss("a/b", preset=PRESETS[1]), b=combined(x=FOCAL)),
            [(FRAUD, RARE), (FRAUD,)],
        ),
        (combined(PRESETS[0], inner=combined(PRESETS[1], x=FOCAL)), [(FRAUD, RARE)]),
        ([combined(PRESETS[0], x=FOCAL), "mse"], [(FRAUD,), ()]),
    ],
)
def test_a_loss_has_the_presets_that_it_and_the_combinations_around_it_were_made_from(
    tmp_path, loss, expected
) -> None:
    found = archive.read(saved_model(tmp_path, compiled(loss))).losses
    assert [loss.presets for loss in found] == expected


@pytest.mark.parametrize("compile_config", [{}, {"compile_config": None}, {"compile_config": {}}])
def test_a_model_saved_without_compile_needs_nothing(tmp_path, compile_config) -> None:
    found = archive.read(saved_model(tmp_path, {"class_name": "Functional", **compile_config}))
    assert found == archive.Archive("3.15.1", compiled=False, losses=())


def test_a_folder_is_read_like_the_archive_it_was(tmp_path) -> None:
    path = saved_model(tmp_path, compiled(FOCAL))
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    assert archive.read(tmp_path / "folder") == archive.read(path)


def zipped(path, **files) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(f"{name}.json", text)


def damaged(path) -> None:
    zipped(path, config=json.dumps({"text": "a" * 10_000}))
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *HOSTILE.values(),
        (lambda path: None, "cannot be read"),
        (lambda path: zipped(path, config="{}", metadata="1"), "Expected a JSON object"),
        (damaged, "cannot be read|damaged|no .keras file"),
        (
            lambda path: zipped(
                path, config=json.dumps(compiled(plugin_loss("a/b", spec_version="1")))
            ),
            "loss at 'loss' is damaged",
        ),
    ],
    ids=[*HOSTILE, "nothing there", "other metadata", "flipped bits", "another version"],
)
def test_what_is_no_model_is_refused_with_a_reason(tmp_path, make, message) -> None:
    path = tmp_path / "model.keras"
    make(path)
    with pytest.raises(archive.ArchiveError, match=message):
        archive.read(path)


def test_reading_imports_nothing_since_threads_do_it_at_once(tmp_path) -> None:
    path = saved_model(tmp_path, compiled(FOCAL))
    code = f"""
import sys
from pathlib import Path
from lossplug_core import archive

before = {{*sys.modules}}
archive.read(Path({str(path)!r}))
assert before == {{*sys.modules}}, {{*sys.modules}} - before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_of_any_length_are_shown_in_a_line(tmp_path) -> None:
    layer = {"o" * 10**5: {"p" * 10**5: [plugin_loss("a/b", provider={"distribution": "d" * 999})]}}
    path = saved_model(tmp_path, compiled("n" * 10**6, **layer))
    custom, plugin = archive.read(path).losses
    assert max(map(len, (custom.name, plugin.where, plugin.distribution))) <= 200
    assert plugin.where.startswith("model.config.layers[0]")


def test_long_keys_above_many_values_take_no_memory(tmp_path) -> None:
    # As paths, written out, these would be ten gigabytes.
    path = saved_model(tmp_path, compiled(None, **{"k" * 10**6: {"k" * 10**5: [[]] * 10**4}}))
    tracemalloc.start()
    archive.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_a_config_may_nest_as_deep_as_json_can_be_read(tmp_path) -> None:
    config = b'{"a":' * 900 + json.dumps(FOCAL).encode() + b"}" * 900
    (found,) = archive.read(saved_model(tmp_path, config)).losses
    assert found.name == "imbalance/focal"
