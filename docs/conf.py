"""How Sphinx builds this documentation: `sphinx-build -W docs docs/_build/html`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lossplug"
author = "The lossplug developers"
copyright = author
release = version = version_of("lossplug-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "loss_reference",
    "mathml",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Docstrings write code as Markdown does, in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"lossplug {release}"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
