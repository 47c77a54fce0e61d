"""How Sphinx builds this documentation: `sphinx-build -W docs docs/_build/html`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lossplug"
author = "The lossplug developers"
copyright = author
release = version = version_of("lossplug-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "check_reference",
    "loss_reference",
    "mathml",
]
exclude_patterns = ["_build", "examples"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

smartquotes_action = "D"  # dashes yes, quotes as they are

# Docstrings write code as Markdown does, in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"lossplug {release}"
html_static_path = ["_static"]
html_css_files = ["lossplug.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False


def _of_errors(_app: Any, _what: str, name: str, *_: Any) -> tuple[str, None] | None:
    """All errors are built like the one that they derive from: say it there, and once."""
    inherited = name.endswith("Error") and not name.endswith("LossplugError")
    return ("", None) if inherited else None


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("autodoc-process-signature", _of_errors)
