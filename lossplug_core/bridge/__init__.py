"""Between specs and Keras: the only part of the core that imports Keras."""

from lossplug_core.bridge.build import get_loss
from lossplug_core.bridge.combined import CombinedLoss, combine
from lossplug_core.bridge.describe import as_dict
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.set_parameter import SetParameter
from lossplug_core.bridge.training import TrainingModel

__all__ = [
    "CombinedLoss",
    "PluginLoss",
    "SetParameter",
    "TrainingModel",
    "as_dict",
    "combine",
    "get_loss",
]
