"""`lossplug show ID`: all there is to know of one loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli import _complete
from lossplug_core.cli._output import deprecation_json, json_option, print_json, provider_json
from lossplug_core.forms import PREDICTIONS, TARGETS

if TYPE_CHECKING:
    from lossplug_core.docstring import Docstring
    from lossplug_core.params import Parameter
    from lossplug_core.spec import LossSpec

__all__ = ["command"]

_PAPERS = {"arXiv:": "https://arxiv.org/abs/", "doi:": "https://doi.org/"}


@click.command("show")
@click.argument("id", shell_complete=_complete.ids)
@json_option
def command(id: str, as_json: bool) -> None:
    """Show all there is to know of a loss.

    Formula, forms of target and prediction, parameters, conventions, example, reference. Its plugin
    is imported; Keras only for the losses of Keras itself.
    """
    from lossplug_core.cli._specs import find
    from lossplug_core.docstring import parse

    spec, aliases = find(id)
    document = _document(spec, parse(spec.doc), aliases)
    if as_json:
        print_json(**document)
    else:
        from lossplug_core.cli._page import print_page

        print_page(document)


def _document(spec: LossSpec, doc: Docstring, aliases: tuple[str, ...]) -> dict[str, Any]:
    """What is shown, as data."""
    from lossplug_core.cli._weights import weights_of
    from lossplug_core.params import parameters_of

    return {
        "id": spec.id,
        "summary": doc.summary,
        "description": doc.description,
        "formula": doc.formula,
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
        "deprecated": deprecation_json(spec.deprecated),
        "provider": None if spec.provider is None else provider_json(spec.provider),
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
    from lossplug_core.docstring import parse
    from lossplug_core.params import alternatives_of

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
