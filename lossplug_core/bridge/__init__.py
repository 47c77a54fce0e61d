"""Between specs and Keras: the only part of the core that imports Keras."""

from lossplug_core.bridge.build import get_loss
from lossplug_core.bridge.plugin_loss import PluginLoss

__all__ = ["PluginLoss", "get_loss"]
