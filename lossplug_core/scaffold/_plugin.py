"""What a new plugin is made of."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from email.errors import MessageError
from email.headerregistry import Address
from importlib.metadata import version

from packaging.version import Version

from lossplug_core.errors import LossplugError
from lossplug_core.names import namespace_of
from lossplug_core.scaffold._names import distribution_of, loss_name

__all__ = ["LICENSES", "Plugin", "email_address"]

LICENSES = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""The licenses whose text the template has, by their SPDX names."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What its author decides, and what follows from that. Made by `Plugin.of`.

    Attributes:
        distribution: What pip installs.
        loss: The name of its first loss.
        description: What it is for, on one line.
        author: Who holds the copyright.
        email: Where the author can be reached, or nothing.
        license: One of `LICENSES`.
        year: The year of the copyright.
    """

    distribution: str
    loss: str
    description: str
    author: str
    email: str
    license: str
    year: int

    @classmethod
    def of(
        cls,
        name: str,
        *,
        loss: str = "charbonnier",
        description: str = "",
        author: str = "",
        email: str = "",
        license: str = LICENSES[0],
    ) -> Plugin:
        """A plugin of this name; what is not said has its default.

        Raises:
            LossplugError: A name cannot be used, the address is none, or the license has no text.

        Example:
            >>> plugin = Plugin.of("robust")
            >>> plugin.distribution, plugin.package, plugin.id
            ('lossplug-robust', 'lossplug_robust', 'robust/charbonnier')
        """
        distribution = distribution_of(name)
        if license not in LICENSES:
            raise LossplugError(
                "The template has no text of this license.",
                expected=f"one of {', '.join(LICENSES)}",
                received=license,
            )
        loss = loss_name(loss)
        return cls(
            distribution=distribution,
            loss=loss,
            description=_line(description) or f"Losses for Keras 3, found by name: {loss}.",
            author=_line(author) or f"The {distribution} developers",
            email=email_address(email),
            license=license,
            year=date.today().year,
        )

    @property
    def package(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def namespace(self) -> str:
        """What the ids of its losses begin with."""
        return namespace_of(self.distribution)

    @property
    def id(self) -> str:
        """The id of its first loss."""
        return f"{self.namespace}/{self.loss}"

    @property
    def core(self) -> str:
        """The versions of the core that it works with: this one, and up to the next major one."""
        here = Version(version("lossplug-core"))
        lowest = here if here.is_prerelease else f"{here.major}.{here.minor}"
        return f">={lowest},<{here.major + 1}"


def email_address(text: str) -> str:
    """An e-mail address, or nothing where there is nothing.

    Raises:
        LossplugError: It could not be written into the metadata of a distribution.
    """
    text = _line(text)
    try:
        domain = Address(addr_spec=text).domain if text else ""
    except (ValueError, IndexError, MessageError):
        domain = ""
    if text and not (domain and text.isascii()):
        raise LossplugError(
            "This is no e-mail address.", expected="one like ada@example.org", received=text
        )
    return text


def _line(text: str) -> str:
    """Text on one line, without control characters and halves of characters.

    A line break in an author's name would be one more field in the metadata of the wheel.
    """
    kept = (
        letter
        for letter in text
        if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs")
    )
    return " ".join("".join(kept).split())
