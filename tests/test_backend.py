"""The backend that Keras would use, found out without Keras."""

import json
import subprocess
import sys

import pytest

from lossplug_core import _backend


@pytest.fixture
def keras_json(tmp_path, monkeypatch):
    """Keras's own file, with this text."""

    def write(text: str) -> str:
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        (tmp_path / "keras.json").write_text(text)
        return str(tmp_path / "keras.json")

    return write


def test_the_backend_is_that_of_keras_json(keras_json) -> None:
    path = keras_json('{"backend": "torch"}')
    assert _backend.backend() == _backend.Backend("torch", path)


def test_the_environment_wins_over_keras_json(keras_json, monkeypatch) -> None:
    keras_json('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert _backend.backend() == _backend.Backend("jax", "KERAS_BACKEND")


def test_without_both_it_is_that_of_keras(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert _backend.backend().name == "tensorflow"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_keras_json_that_cannot_be_read_is_a_finding(keras_json, text) -> None:
    keras_json(text)
    (found,) = [f for f in _backend.backend_findings() if f.kind == "keras-config"]
    assert "Keras writes it again" in found.fix


@pytest.mark.backend
@pytest.mark.parametrize("source", ["KERAS_BACKEND", "keras.json"])
def test_keras_itself_decides_like_that(keras_json, monkeypatch, source) -> None:
    import keras

    chosen = keras.backend.backend()
    keras_json(json.dumps({"backend": chosen if source == "keras.json" else "no_such_backend"}))
    if source == "KERAS_BACKEND":
        monkeypatch.setenv("KERAS_BACKEND", chosen)
    code = "import keras; print(keras.backend.backend())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert _backend.backend().name == done.stdout.strip() == chosen


@pytest.mark.parametrize(
    "code", ["from lossplug_core import get_loss", "lossplug_core.find_spec('keras/huber')"]
)
def test_a_backend_that_is_not_there_is_told_with_its_fix(code, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    script = f"import lossplug_core\ntry: {code}\nexcept lossplug_core.BackendError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Keras cannot start" in done.stdout, done.stderr
    assert "Next: Set KERAS_BACKEND to" in done.stdout
