"""What a catalogue may say: the one description, of which the JSON Schema is made too."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from lossplug_core.names import is_distribution, key, split

__all__ = ["CatalogueFile", "Policy", "Preset", "Status", "json_schema"]

Status = Literal["experimental", "approved", "deprecated"]


def _word(text: str) -> str:
    namespace, name = split(text)
    if not (is_distribution(namespace) and key(name) if namespace else is_distribution(text)):
        raise ValueError("not a distribution, a namespace, or an id")
    return text


def _versions(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError("not a range of versions, such as '>=1.2,<2'") from error
    return text


def _distribution(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError("not the name of a distribution") from error
    if requirement.name != text.strip():
        raise ValueError("a name alone, without versions")
    return text


def _preset_name(text: str) -> str:
    if "/" in text or not key(text):
        raise ValueError("a name of letters and digits, without '/'")
    return text


def _day(value: Any) -> Any:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("a date without quotes and without a time, such as 2027-01-31")
    return value


Word = Annotated[str, AfterValidator(_word)]
"""A distribution, a namespace, or an id."""

Distribution = Annotated[str, AfterValidator(_distribution)]
Versions = Annotated[str, AfterValidator(_versions)]
PresetName = Annotated[str, AfterValidator(_preset_name)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Policy(_Part):
    """Which losses may be used. What is denied is denied, whatever is allowed."""

    allow: list[Word] | None = Field(
        default=None,
        description="Only these distributions, namespaces and ids; all if it is left out.",
    )
    deny: list[Word] = Field(
        default=[], description="None of these distributions, namespaces and ids."
    )


class Preset(_Part):
    """A loss with a name of its own, and what the organisation says of it."""

    loss: str | dict[str, Any] = Field(
        description="The name of a loss or of another preset; or a table, as `as_dict` writes it."
    )
    params: dict[str, Any] = Field(default={}, description="Its parameters.")
    convention: str | None = Field(
        default=None, description="A well-known implementation to agree with."
    )
    reduction: str | None = Field(default=None, description="How the values of a batch become one.")
    version: int = Field(
        default=1, ge=1, description="Raise it when the preset means something else now."
    )
    owner: str | None = Field(default=None, description="Whom to ask.")
    description: str = Field(default="", description="What it is for.")
    status: Status = Field(default="approved", description="Whether to use it.")
    replaced_by: str | None = Field(
        default=None, description="What to use instead of a deprecated one."
    )
    until: Annotated[date, BeforeValidator(_day)] | None = Field(
        default=None, description="The last day on which a deprecated one may be used."
    )
    tags: list[str] = Field(default=[], description="Words to find it by.")
    links: dict[str, str] = Field(
        default={}, description="Addresses to read more at, by their titles."
    )

    @model_validator(mode="after")
    def _of_deprecated_ones(self) -> Preset:
        if self.status != "deprecated" and (self.replaced_by or self.until):
            raise ValueError("`replaced_by` and `until` are for presets of status 'deprecated'")
        if isinstance(self.loss, dict) and (self.params or self.convention or self.reduction):
            raise ValueError("a loss that is a table has its parameters in it")
        return self

    def is_past(self, today: date) -> bool:
        """Whether the last day on which it may be used is over."""
        return self.until is not None and self.until < today


class CatalogueFile(_Part):
    """A catalogue: `lossplug.toml`, or `[tool.lossplug]` of a `pyproject.toml`."""

    name: str | None = Field(default=None, description="What the catalogue is called.")
    description: str = Field(default="", description="What it is for.")
    policy: Policy = Field(default=Policy(), description="Which losses may be used.")
    prefer: dict[str, Word] = Field(
        default={},
        description="For a name that several plugins have, the namespace or id that is meant.",
    )
    requires: dict[Distribution, Versions] = Field(
        default={}, description="Distributions, and the versions of them that are approved."
    )
    index: dict[Distribution, list[str]] = Field(
        default={}, description="Distributions, and the losses in them, to tell what to install."
    )
    presets: dict[PresetName, Preset] = Field(
        default={}, description="Losses by names of your own."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `lossplug.toml`, for editors."""
    schema = CatalogueFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "lossplug.toml"
    return schema
