"""Models as Keras saves them, made without Keras: only what tells their losses is in them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["compiled", "plugin_loss", "saved_model"]


def saved_model(folder: Path, config: Any, name: str = "model.keras") -> Path:
    """A `.keras` file with this `config.json`: an object, or bytes as they are."""
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", config if isinstance(config, bytes) else json.dumps(config))
    return path


def compiled(loss: Any, **layers: Any) -> dict[str, Any]:
    """The config of a model that was compiled with a loss, serialized already."""
    return {
        "class_name": "Functional",
        "config": {"layers": [{"class_name": "Dense", "config": layers}]},
        "compile_config": {"optimizer": {"class_name": "Adam", "config": {}}, "loss": loss},
    }


def plugin_loss(id: str, **changes: Any) -> dict[str, Any]:
    """What Keras writes for a loss of a plugin."""
    config = {
        "id": id,
        "spec_version": 1,
        "parameters": {},
        "provider": {"distribution": f"lossplug-{id.partition('/')[0]}", "version": "1.0"},
        "reduction": "sum_over_batch_size",
        "dtype": "float32",
        "name": "loss",
    }
    return {
        "module": "lossplug_core.bridge.plugin_loss",
        "class_name": "PluginLoss",
        "config": {**config, **changes},
        "registered_name": "lossplug>PluginLoss",
    }
