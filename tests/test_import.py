"""What an import costs: no Keras, no pydantic, no plugin."""

import subprocess
import sys

import pytest

HEAVY = {"keras", "pydantic", "pluggy", "importlib_metadata", "rich", "click", "numpy"}


def imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not imported_by("import lossplug_core") & HEAVY


def test_what_an_author_needs_imports_nothing_heavy() -> None:
    assert not imported_by("from lossplug_core import NonNegative, loss, ops") & HEAVY


@pytest.mark.parametrize(
    "code",
    [
        "import lossplug_core; lossplug_core.list_losses()",
        "import lossplug_core; lossplug_core.list_losses(y_true='labels')",
        "from lossplug_core._app import registry; registry.resolve('mse')",
    ],
)
def test_looking_imports_neither_keras_nor_pydantic(code) -> None:
    assert not imported_by(code) & {"keras", "pydantic", "numpy"}


NEED_KERAS = {
    "CombinedLoss",
    "PluginLoss",
    "SetParameter",
    "TrainingModel",
    "as_dict",
    "combine",
    "get_loss",
}


def test_public_names_are_all_there() -> None:
    modules = imported_by(
        f"import lossplug_core\nfor name in {{*lossplug_core.__all__}} - {NEED_KERAS}:\n"
        "    getattr(lossplug_core, name)"
    )
    assert "keras" not in modules
