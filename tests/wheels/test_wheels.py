"""The distributions as users get them: built, installed in a fresh environment, taken out again."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {
    "lossplug_core": ROOT,
    "lossplug_distillation": ROOT / "plugins/lossplug-distillation",
    "lossplug_imbalance": ROOT / "plugins/lossplug-imbalance",
    "lossplug_metric_learning": ROOT / "plugins/lossplug-metric-learning",
    "lossplug_regression": ROOT / "plugins/lossplug-regression",
}


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if check and done.returncode:
        pytest.fail(f"{command}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """For each distribution its wheel and its sdist; the wheel is built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    for folder in DISTRIBUTIONS.values():
        run(sys.executable, "-m", "build", "--outdir", out, folder)
    return {
        name: (next(out.glob(f"{name}-*.whl")), next(out.glob(f"{name}-*.tar.gz")))
        for name in DISTRIBUTIONS
    }


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python = folder / "bin/python"
        if not self.python.exists():
            self.python = folder / "Scripts/python.exe"

    def pip(self, *arguments: object) -> None:
        run(self.python, "-m", "pip", "--quiet", *arguments)

    def lossplug(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(self.python, "-m", "lossplug_core", *arguments, check=check)

    def does(self, code: str) -> str:
        return run(self.python, "-c", code).stdout.strip()


@pytest.fixture(scope="session")
def environment(
    tmp_path_factory: pytest.TempPathFactory, built: dict[str, tuple[Path, Path]]
) -> Environment:
    """One with the core alone, and JAX, the smallest backend."""
    environment = Environment(tmp_path_factory.mktemp("env"))
    environment.pip("install", f"{built['lossplug_core'][0]}[jax]")
    return environment


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_holds_the_package_and_nothing_else(built, name) -> None:
    names = zipfile.ZipFile(built[name][0]).namelist()
    assert {path.partition("/")[0].partition("-")[0] for path in names} == {name}
    assert f"{name}/py.typed" in names
    assert any(path.endswith("licenses/LICENSE") for path in names)
    assert not [path for path in names if "/test" in path or path.endswith(".pyc")]


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
