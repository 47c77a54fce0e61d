"""Models of an older plugin, loaded with the newer one: what they give, and what is said, once."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from lossplug_core import (
    AmbiguousLossError,
    ChangedLossWarning,
    DeprecatedLossWarning,
    PluginLoss,
    TrainingModel,
    combine,
    get_loss,
)

pytestmark = pytest.mark.backend

FICTIONAL = Path(__file__).parents[1] / "corpus" / "fictional"
DOCUMENT = json.loads((FICTIONAL / "expected.json").read_text())
X = np.array(DOCUMENT["x"])
ENTRY_POINTS = """
    [lossplug.losses]
    powered = fictional_newer:powered
    centered_error = fictional_newer:centered_error
    squared = fictional_newer:squared
    shifted = fictional_newer:shifted
    [lossplug.formerly]
    centred_error = fictional_newer:centered_error
    former.shifted = fictional_newer:shifted
"""


@pytest.fixture(autouse=True)
def newer(site):
    """The newer version of the plugin that saved the models."""
    site.install(
        "lossplug-fictional",
        version="2.0",
        modules={"fictional_newer": (FICTIONAL / "newer.py").read_text()},
        entry_points=ENTRY_POINTS,
    )
    return site


def told(do) -> tuple[object, list[warnings.WarningMessage]]:
    """What a call returns, and everything that it warns of, however often."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = do()
    return result, [one for one in caught if issubclass(one.category, FutureWarning)]


def value_of(model, name) -> float:
    y = DOCUMENT["models"][name]["y"]
    y = {key: np.array(y[key]) for key in y} if isinstance(y, dict) else np.array(y)
    model.run_eagerly = True
    return model.evaluate(X, y, batch_size=4, verbose=0, return_dict=True)["loss"]


SAID = {
    "a_renamed_parameter": "Version 2: focus is now called gamma.",
    "a_renamed_loss": "'fictional/centred_error' is now called 'fictional/centered_error'",
    "a_new_formula": "It was saved with nothing, which is now average=False.",
    "a_loss_that_moved": "'former/shifted' is now called 'fictional/shifted', and is of "
    "lossplug-fictional 2.0. 'fictional/shifted' is deprecated: it will be removed in 3.0.",
    "one_loss_twice": "Version 2: focus is now called gamma.",
    "one_loss_for_two_outputs": "Version 2: focus is now called gamma.",
}


def test_all_files_are_tested() -> None:
    assert set(SAID) == {path.stem for path in FICTIONAL.glob("*.keras")}


@pytest.mark.parametrize("name", SAID)
def test_an_older_model_is_loaded_with_one_warning_and_gives_what_it_gave(name, tmp_path) -> None:
    path = FICTIONAL / f"{name}.keras"
    model, (warning,) = told(lambda: keras.models.load_model(path))
    assert SAID[name] in str(warning.message)
    assert "Save the model again" in warning.message.fix
    assert issubclass(warning.category, ChangedLossWarning)
    assert (warning.category is DeprecatedLossWarning) == (name == "a_loss_that_moved")
    assert warning.filename == __file__
    expected = DOCUMENT["models"][name]["loss"]
    np.testing.assert_allclose(value_of(model, name), expected, rtol=2e-5)

    model.save(tmp_path / "again.keras")
    again, warned = told(lambda: keras.models.load_model(tmp_path / "again.keras"))
    np.testing.assert_allclose(value_of(again, name), expected, rtol=2e-5)
    assert [type(one.message) for one in warned] == (
        [DeprecatedLossWarning] if name == "a_loss_that_moved" else []
    )


def test_every_load_warns() -> None:
    path = FICTIONAL / "a_renamed_parameter.keras"
    _, warned = told(lambda: [keras.models.load_model(path) for _ in range(3)])
    assert len(warned) == 3


def test_the_steps_of_a_training_do_not_warn() -> None:
    model, _ = told(lambda: keras.models.load_model(FICTIONAL / "a_loss_that_moved.keras"))
    _, warned = told(lambda: model.fit(X, np.zeros((8, 3)), epochs=2, verbose=0))
    assert warned == []


def test_the_weights_of_a_renamed_loss_are_those_that_were_saved() -> None:
    model, _ = told(lambda: keras.models.load_model(FICTIONAL / "a_renamed_loss.keras"))
    assert isinstance(model, TrainingModel)
    assert model.loss.spec.id == "fictional/centered_error"
    assert not np.allclose(model.loss.values()["center"], 0.5)


def test_a_warning_can_be_made_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChangedLossWarning)
        with pytest.raises(ChangedLossWarning, match="focus is now called gamma"):
            keras.models.load_model(FICTIONAL / "a_renamed_parameter.keras")


def test_a_process_of_its_own_shows_the_warning_without_being_asked_to(newer, tmp_path) -> None:
    script = tmp_path / "load.py"
    path = FICTIONAL / "one_loss_for_two_outputs.keras"
    script.write_text(f"import keras, lossplug_core\nkeras.models.load_model({str(path)!r})\n")
    environment = {**os.environ, "PYTHONPATH": str(newer.folder), "PYTHONWARNINGS": ""}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.count("ChangedLossWarning") == 1
    assert f"{script}:2: ChangedLossWarning" in done.stderr


# Names


@pytest.mark.parametrize("name", ["centred_error", "fictional/CentredErrorLoss"])
def test_an_old_name_works_and_says_the_new_one(name) -> None:
    loss, (warning,) = told(lambda: get_loss(name, scale=2))
    assert loss.spec.id == "fictional/centered_error"
    assert warning.filename == __file__
    assert warning.message.fix == "Write 'fictional/centered_error'."


@pytest.mark.parametrize(
    "build",
    [
        lambda: get_loss({"name": "former/shifted", "params": {"by": 1}}),
        lambda: combine({"former/shifted": 1.0, "mse": 1.0}),
        lambda: combine([("former/shifted", 1.0), ("former/shifted", 2.0)]),
        lambda: combine([combine(["former/shifted"]), "former/shifted"]),
    ],
    ids=["dict", "combination", "twice", "nested"],
)
def test_an_old_name_is_told_wherever_it_is_written(build) -> None:
    _, warned = told(build)
    assert {type(one.message) for one in warned} == {DeprecatedLossWarning}
    assert all("now called 'fictional/shifted'" in str(one.message) for one in warned)
    assert {one.filename for one in warned} == {__file__}


def test_a_present_name_warns_of_nothing() -> None:
    for name in ("powered", "fictional/centered_error", "CenteredErrorLoss", "mse"):
        assert told(lambda name=name: get_loss(name))[1] == []


def test_what_several_parts_of_a_combination_have_in_common_is_said_once() -> None:
    _, (warning,) = told(lambda: combine([("former/shifted", 1.0), ("former/shifted", 2.0)]))
    assert type(warning.message) is DeprecatedLossWarning


@pytest.mark.parametrize("name", ["new", "newer", "moved/new", "moved/newer"])
def test_a_loss_that_moved_with_its_names_has_them_still(site, name) -> None:
    source = """
        from lossplug_core import loss

        @loss(y_true="values", y_pred="values", aliases=("newer",),
              formerly=("away/new", "away/newer"))
        def new(y_true, y_pred):
            return abs(y_true - y_pred)
    """
    site.install(
        "lossplug-moved",
        modules={"moved": source},
        entry_points="[lossplug.losses]\nnew = moved:new\nnewer = moved:new\n"
        "[lossplug.formerly]\naway.new = moved:new\naway.newer = moved:new\n",
    )
    assert told(lambda: get_loss(name))[1] == []
    assert len(told(lambda: get_loss("away/newer"))[1]) == 1


def test_an_old_name_that_was_left_among_the_names_of_today_warns_as_well(site) -> None:
    source = """
        from lossplug_core import loss

        @loss(y_true="values", y_pred="values", formerly=("old",))
        def new(y_true, y_pred):
            return abs(y_true - y_pred)
    """
    site.install(
        "lossplug-fake",
        modules={"fake_module": source},
        entry_points="[lossplug.losses]\nnew = fake_module:new\nold = fake_module:new\n",
    )
    assert told(lambda: get_loss("new"))[1] == []
    _, (warning,) = told(lambda: get_loss("old"))
    assert "'fake/old' is now called 'fake/new'" in str(warning.message)


def test_a_moved_loss_of_which_the_older_distribution_is_still_here_is_that_ones(site) -> None:
    source = (FICTIONAL / "older.py").read_text()
    site.install(
        "lossplug-former",
        modules={"former_losses": source},
        entry_points="[lossplug.losses]\nshifted = former_losses:shifted\n",
    )
    model, warned = told(lambda: keras.models.load_model(FICTIONAL / "a_loss_that_moved.keras"))
    assert model.loss.spec.provider.distribution == "lossplug-former"
    assert warned == []


def test_a_model_of_which_two_took_over_the_loss_is_not_loaded_by_chance(site) -> None:
    site.install(
        "lossplug-other",
        "one",
        entry_points="[lossplug.losses]\none = lossplug_other_losses:one\n"
        "[lossplug.formerly]\nformer.shifted = lossplug_other_losses:one\n",
    )
    with pytest.raises(AmbiguousLossError, match="lossplug-other 1"):
        keras.models.load_model(FICTIONAL / "a_loss_that_moved.keras")


# Deprecation


def test_a_deprecated_loss_warns_when_it_is_built() -> None:
    _, (warning,) = told(lambda: get_loss("fictional/shifted"))
    assert type(warning.message) is DeprecatedLossWarning
    assert warning.message.fix == "Use get_loss('fictional/powered')."


def test_a_deprecated_loss_warns_when_it_is_loaded() -> None:
    loss, _ = told(lambda: get_loss("fictional/shifted"))
    config = loss.get_config()
    _, (warning,) = told(lambda: PluginLoss.from_config(config))
    assert type(warning.message) is DeprecatedLossWarning
    assert "Save" not in warning.message.fix


def test_a_copy_of_a_loss_warns_of_nothing() -> None:
    loss, _ = told(lambda: get_loss("fictional/shifted"))
    for copied in (copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        assert told(lambda copied=copied: copied(loss))[1] == []
