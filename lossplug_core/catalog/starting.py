"""A catalogue to start from, and its schema as editors read it."""

from __future__ import annotations

import json

from lossplug_core.catalog.model import json_schema

__all__ = ["SCHEMA_NAME", "schema_text", "start_text"]

SCHEMA_NAME = "lossplug.schema.json"

_START = """\
#:schema ./{schema}

# Which losses are used here, under which names, and who is responsible.
# Editors that know TOML complete and check this file by the schema named in the first line;
# `lossplug catalog check` does in CI. Take the "# " away from what you need.

# name = "acme"
# description = "The losses of Acme's models."

# Which losses may be used: words that are distributions, namespaces or ids. A policy without
# `allow` allows all that are not denied. No later catalogue can allow what this one denies.
# [policy]
# allow = ["keras", "lossplug-imbalance"]
# deny = ["imbalance/ghm"]

# The versions of distributions that are approved.
# [requires]
# lossplug-imbalance = ">=0.1"

# Which plugin is meant, where several have a loss of one name.
# [prefer]
# focal = "imbalance"

# Losses of distributions that need not be installed: who asks for one is told what to install.
# [index]
# acme-losses = ["churn", "fraud"]

# Losses by names of your own: get_loss("rare-events"). Only `loss` is needed. Raise the version
# when the preset means something else.
# [presets.rare-events]
# loss = "keras/binary_focal_crossentropy"
# params = {{ gamma = 2.0 }}
# version = 1
# owner = "risk@acme.example"
# description = "Binary targets of which few are positive."
# tags = ["binary"]
# links = {{ "Why" = "https://acme.example/losses/rare-events" }}

# One that is going: until its last day it warns, then `lossplug catalog check` fails.
# [presets.old-events]
# loss = "keras/binary_crossentropy"
# status = "deprecated"
# replaced_by = "rare-events"
# until = 2099-12-31

# A sum of losses.
# [presets.careful-regression.loss]
# combine = {{ "keras/huber" = 1.0, "keras/log_cosh" = 0.5 }}
"""


def start_text() -> str:
    """A catalogue that says nothing yet, and in comments what it could say."""
    return _START.format(schema=SCHEMA_NAME)


def schema_text() -> str:
    """The JSON Schema of a catalogue."""
    return json.dumps(json_schema(), indent=2) + "\n"
