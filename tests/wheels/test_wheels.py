"""The distributions as users get them: built, installed in a fresh environment, taken out again."""

from __future__ import annotations

import tarfile
import zipfile

import pytest
from fresh import DISTRIBUTIONS, run


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_holds_the_package_and_nothing_else(built, name) -> None:
    names = zipfile.ZipFile(built[name][0]).namelist()
    assert {path.partition("/")[0].partition("-")[0] for path in names} == {name}
    assert f"{name}/py.typed" in names
    assert any(path.endswith("licenses/LICENSE") for path in names)
    code = [path for path in names if "/scaffold/template/" not in path]
    assert not [path for path in code if "/tests/" in path or path.endswith(".pyc")]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_an_sdist_holds_what_the_build_needs(built, name) -> None:
    with tarfile.open(built[name][1]) as archive:
        paths = {path.partition("/")[2].partition("/")[0] for path in archive.getnames()}
    expected = {"LICENSE", "README.md", "CHANGELOG.md", "PKG-INFO", "pyproject.toml", ".gitignore"}
    code = {"lossplug_core" if name == "lossplug_core" else "src"}
    assert paths - {""} <= expected | code
    assert paths >= (expected | code) - {".gitignore"}


def test_the_core_alone(environment) -> None:
    assert environment.lossplug("list").stdout.count("keras/") >= 20
    environment.lossplug("doctor", check=False)
    missing = environment.lossplug("show", "focal", check=False)
    assert missing.returncode == 1
    assert "pip install lossplug-imbalance" in missing.stderr
    assert "MeanSquaredError" in environment.does(
        "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "from lossplug_core import get_loss; print(type(get_loss('mse')).__name__)"
    )


TRAIN = """
import os; os.environ["KERAS_BACKEND"] = "jax"
import keras, numpy as np
from lossplug_core import get_loss
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
model.compile("adam", loss=get_loss({name!r}, {parameters}))
model.fit(np.random.rand(8, 4), {target}, verbose=0)
model.save({path!r})
"""
IDS, VALUES = "np.array([0, 1] * 4)", "np.random.rand(8, 4)"
LOAD = """
import os; os.environ["KERAS_BACKEND"] = "jax"
import keras, lossplug_core
print(keras.models.load_model({path!r}).loss)
"""


@pytest.mark.parametrize(
    ("loss", "parameters", "target"),
    [
        ("distillation/perceptual", "extractor=keras.layers.ReLU()", VALUES),
        ("imbalance/categorical_focal", "from_logits=True", IDS),
        ("metric-learning/supcon", "temperature=0.2", IDS),
        ("regression/scaled_squared_error", "scale=2.0", VALUES),
    ],
)
def test_a_plugin_comes_and_goes(environment, built, tmp_path, loss, parameters, target) -> None:
    distribution = f"lossplug-{loss.partition('/')[0]}"
    path = str(tmp_path / "model.keras")
    environment.pip("install", built[distribution.replace("-", "_")][0])
    assert loss in environment.lossplug("list").stdout
    assert loss in environment.lossplug("show", loss).stdout
    environment.does(TRAIN.format(name=loss, parameters=parameters, target=target, path=path))
    assert loss in environment.does(LOAD.format(path=path))
    assert environment.lossplug("inspect", path).returncode == 0

    environment.pip("uninstall", "--yes", distribution)
    assert loss not in environment.lossplug("list").stdout
    failed = run(environment.python, "-c", LOAD.format(path=path), check=False)
    assert failed.returncode == 1
    assert f"pip install {distribution}==" in failed.stderr
    inspected = environment.lossplug("inspect", path, check=False)
    assert inspected.returncode == 1
    assert f"pip install {distribution}==" in inspected.stdout + inspected.stderr
