"""All there is to know of one loss, as data. Keras is not needed for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lossplug_core.docstring import parse
from lossplug_core.forms import PREDICTIONS, TARGETS
from lossplug_core.params import Parameter, alternatives_of, parameters_of
from lossplug_core.portrait.weights import weights_of
from lossplug_core.spec import LossSpec
from lossplug_core.tasks import tasks_of

__all__ = ["document_of"]

_PAPERS = {"arXiv:": "https://arxiv.org/abs/", "doi:": "https://doi.org/"}


def document_of(spec: LossSpec, aliases: tuple[str, ...] = ()) -> dict[str, Any]:
    """All there is to know of a loss.

    Args:
        spec: The loss.
        aliases: Its other names.

    Returns:
        What `lossplug show --json` writes. Texts are those of the docstring, Markdown and LaTeX.
    """
    doc = parse(spec.doc)
    return {
        "id": spec.id,
        "summary": doc.summary,
        "description": doc.description,
        "formula": doc.formula,
        "tasks": tasks_of(spec),
        "y_true": {
            "forms": {form: TARGETS[form] for form in spec.y_true},
            "meaning": doc.args.get("y_true", ""),
        },
        "y_pred": {
            "forms": {form: PREDICTIONS[form] for form in spec.y_pred},
            "meaning": doc.args.get("y_pred", ""),
        },
        "parameters": [
            _parameter(parameter, doc.args.get(name, ""))
            for name, parameter in parameters_of(spec).items()
        ],
        "weights": weights_of(spec),
        "targets": {name: doc.args.get(name, "") for name in spec.targets},
        "outputs": spec.outputs,
        "adapts": tuple(spec.adapts),
        "conventions": spec.conventions,
        "returns": doc.returns,
        "raises": doc.raises,
        "aliases": aliases,
        "version": spec.version,
        "history": spec.history,
        "formerly": spec.formerly,
        "deprecated": None if spec.deprecated is None else asdict(spec.deprecated),
        "provider": None if spec.provider is None else asdict(spec.provider),
        "paper": spec.paper,
        "paper_url": _url(spec.paper),
        "reference": doc.reference,
        "example": doc.example,
    }


def _parameter(parameter: Parameter, meaning: str) -> dict[str, Any]:
    default = {} if parameter.required else {"default": parameter.default}
    return {
        "name": parameter.name,
        "type": parameter.type_text,
        "required": parameter.required,
        **default,
        "meaning": meaning,
        **_alternatives(parameter),
    }


def _alternatives(parameter: Parameter) -> dict[str, Any]:
    """What it can be, if it is one of several functions."""
    alternatives = alternatives_of(parameter.annotation)
    if alternatives is None:
        return {}
    described = []
    for name, function in alternatives.functions:
        doc = parse(function.__doc__)
        inner = alternatives.parameters(name).values()
        parameters = [_parameter(one, doc.args.get(one.name, "")) for one in inner]
        described.append({"name": name, "summary": doc.summary, "parameters": parameters})
    return {"alternatives": described}


def _url(paper: str | None) -> str | None:
    for prefix, address in _PAPERS.items():
        if paper and paper.startswith(prefix):
            return address + paper.removeprefix(prefix)
    return paper if paper and "://" in paper else None
