"""Files that pretend to be models: each is made by a function, and refused for a reason."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saved import compiled, plugin_loss, saved_model

__all__ = ["HOSTILE"]

Make = Callable[[Path], Any]


def _zipped(path: Path, *members: tuple[str, str | bytes], packed: int = 8) -> None:
    with zipfile.ZipFile(path, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in members:
            archive.writestr(name, content)


def _config(content: str | bytes) -> Make:
    return lambda path: _zipped(path, ("config.json", content))


def _losses(*losses: Any) -> Make:
    return lambda path: saved_model(path.parent, compiled([*losses]), path.name)


def _beside(name: str) -> Make:
    return lambda path: _zipped(path, ("config.json", "{}"), (name, "x"))


def _bomb(path: Path) -> None:
    """A hundred megabytes in a hundred kilobytes."""
    block = b" " * 2**24
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("config.json", "w") as member,
    ):
        for _ in range(8):
            member.write(block)


def _lying_bomb(path: Path) -> None:
    """What is unpacked is larger than the file says."""
    _bomb(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 8 * 2**24), struct.pack("<L", 2)))


def _truncated(path: Path) -> None:
    saved_model(path.parent, compiled("mse"), path.name)
    path.write_bytes(path.read_bytes()[:-40])


def _encrypted(path: Path) -> None:
    _zipped(path, ("config.json", "{}"), packed=0)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)


def _endless_contents(path: Path) -> None:
    """A table of contents of which the reader would make gigabytes."""
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 5 * 2**20, 0, 0)
    path.write_bytes(b"PK\x01\x02" + bytes(5 * 2**20 - 4) + end)


HOSTILE: dict[str, tuple[Make, str]] = {
    "text": (lambda path: path.write_text("model"), "no .keras file"),
    "nothing": (lambda path: path.write_bytes(b""), "no .keras file"),
    "noise": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 9), "no .keras"),
    "a truncated file": (_truncated, "no .keras file"),
    "an encrypted entry": (_encrypted, "json is encrypted"),
    "an empty folder": (lambda path: path.mkdir(), "no config.json"),
    "a zip of something else": (lambda path: _zipped(path, ("a.txt", "a")), "no config.json"),
    "a bomb": (_bomb, "larger than 64 MiB"),
    "a bomb that lies": (_lying_bomb, "larger than 64 MiB|cannot be read|no .keras file"),
    "an endless table of contents": (_endless_contents, "table of contents is too large"),
    "a method of packing that takes gigabytes": (
        lambda path: _zipped(path, ("config.json", "{}"), packed=zipfile.ZIP_LZMA),
        "packed in a way",
    ),
    "a path upwards": (_beside("../../etc/cron.d/x"), "unpacked elsewhere"),
    "a path upwards, for Windows": (_beside("assets\\..\\..\\x"), "unpacked elsewhere"),
    "a path from the root": (_beside("/etc/passwd"), "unpacked elsewhere"),
    "a path on another drive": (_beside("C:/x"), "unpacked elsewhere"),
    "two configs": (
        lambda path: _zipped(path, ("config.json", "{}"), ("config.json", "{}")),
        "config.json twice",
    ),
    "half a config": (_config('{"class_name": "Func'), "damaged"),
    "a config that is no text": (_config(b"\xff\xfe\xff"), "damaged"),
    "a config that is a list": (_config("[]"), "Expected a JSON object"),
    "deep nesting": (_config("[" * 10**6), "damaged"),
    "many values": (_config('{"a": [' + "[]," * 10**6 + "[]]}"), "more than 2,000,000 values"),
    "a number of many digits": (_config('{"a": ' + "9" * 10**5 + "}"), "damaged"),
    "many losses": (_losses(*["mse"] * 1001), "more than 1000 losses"),
    "an id that is a page": (_losses(plugin_loss("a/" + "b" * 10**6)), "damaged"),
    "parameters that are none": (_losses(plugin_loss("a/b", parameters=[1])), "damaged"),
    "a preset that is none": (_losses(plugin_loss("a/b", preset="x")), "preset of .* damaged"),
    "a preset without end": (
        _losses(plugin_loss("a/b", preset={"name": "b", "version": [[]]})),
        "preset of .* damaged",
    ),
    "a provider that is none": (_losses(plugin_loss("a/b", provider="x")), "damaged"),
}
"""What the file is -> how to make it at a path, and what is said of it."""

if hasattr(os, "mkfifo"):
    HOSTILE["a pipe"] = (lambda path: os.mkfifo(path), "a pipe, a socket or a device")
if hasattr(os, "symlink"):
    HOSTILE["a link to itself"] = (lambda path: path.symlink_to(path), "cannot be read")
    HOSTILE["a link to nothing"] = (lambda path: path.symlink_to("nothing"), "cannot be read")
    HOSTILE["a device"] = (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket|cannot be")
