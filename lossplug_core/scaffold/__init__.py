"""A new plugin: what `lossplug new` makes of a name.

The template is a folder of Jinja files. Their paths have `PACKAGE` and `LOSS` where the plugin's
names go, and end in `.jinja`, so that no tool takes them for code of ours.
"""

from lossplug_core.scaffold._folder import check_free, write
from lossplug_core.scaffold._names import distribution_of
from lossplug_core.scaffold._plugin import LICENSES, Plugin, email_address
from lossplug_core.scaffold._render import render

__all__ = [
    "LICENSES",
    "Plugin",
    "check_free",
    "distribution_of",
    "email_address",
    "render",
    "write",
]
