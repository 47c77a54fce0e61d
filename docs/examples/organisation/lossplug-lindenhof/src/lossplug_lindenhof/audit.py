"""A line of JSON for each loss that is built, forbidden, or used though it is deprecated."""

from __future__ import annotations

import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossplug_core import hookimpl

FILE = "LINDENHOF_AUDIT"
"""The environment variable that names the file; where it is not set, nothing is written."""


@hookimpl
def lossplug_event(event: Any) -> None:
    """Append what happened, with who and when."""
    if path := os.environ.get(FILE):
        who = {"at": datetime.now(UTC).isoformat(), "by": getpass.getuser(), "in": sys.argv[0]}
        line = json.dumps({**who, **event.facts}) + "\n"
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line)
