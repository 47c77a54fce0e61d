"""`lossplug plot ID`: a loss and its gradient, drawn over the prediction."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.cli import _complete, _parameters
from lossplug_core.cli._output import json_option, print_json
from lossplug_core.errors import LossplugError
from lossplug_core.names import KERAS

if TYPE_CHECKING:
    from lossplug_core.portrait.curves import Picture
    from lossplug_core.spec import LossSpec

__all__ = ["command"]

_EPILOG = """\b
lossplug plot focal -p gamma=0,1,2,5
lossplug plot class_balanced -p samples_per_class=[900,90,10] -o balanced.svg
"""
_SUFFIXES = (".png", ".svg")


def _picture_file(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    del ctx, param
    if path is not None and path.suffix not in _SUFFIXES:
        raise click.BadParameter(f"{path.name!r} ends in neither {' nor '.join(_SUFFIXES)}.")
    if path is not None and not path.absolute().parent.is_dir():
        raise click.BadParameter(f"There is no folder {str(path.parent)!r}.")
    return path


@click.command("plot", epilog=_EPILOG)
@click.argument("id", shell_complete=_complete.ids)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE[,VALUE...]",
    callback=lambda _ctx, _param, given: _parameters.parse(given),
    help="A parameter, in JSON or as a text. Several values of one are several curves.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture_file,
    metavar="FILE",
    help="The picture, .png or .svg. By default NAMESPACE-NAME.png in this folder.",
)
@click.option("--from", "low", type=float, metavar="NUMBER", help="Where the axis starts.")
@click.option("--to", "high", type=float, metavar="NUMBER", help="Where the axis ends.")
@click.option(
    "--target",
    type=float,
    default=0.0,
    metavar="NUMBER",
    help="The target, for losses of real values. By default 0.",
)
@json_option
def command(
    id: str,
    parameters: dict[str, list[Any]],
    output: Path | None,
    low: float | None,
    high: float | None,
    target: float,
    as_json: bool,
) -> None:
    """Draw a loss, or that of a preset, and its gradient over the prediction.

    The numbers are those of the installed code, on the installed backend. A loss of logits or
    probabilities is drawn over logits, unless -p from_logits=false. The states of a loss are
    those it starts with. With --json the numbers are written to stdout, and a picture is drawn only
    if it has an --output.
    """
    from lossplug_core._app import registry
    from lossplug_core.cli._machine import start_keras
    from lossplug_core.cli._presets import parameters_of as preset_parameters
    from lossplug_core.cli._specs import find
    from lossplug_core.params import parameters_of
    from lossplug_core.portrait.views import check_drawable

    draws = output is not None or not as_json
    if draws and importlib.util.find_spec("matplotlib") is None:
        raise LossplugError(
            "Drawing needs matplotlib, which is not installed.",
            fix="pip install 'lossplug-core[plot]'",
        )
    spec, _ = find(id)
    check_drawable(spec)
    if (lead := registry.lead(id)) is not None:
        for name, value in preset_parameters(lead, spec).items():
            parameters.setdefault(name, [value])
    if "from_logits" in parameters_of(spec):
        parameters.setdefault("from_logits", [True])
    varied, settings = _parameters.complete(spec, parameters)
    start_keras()
    from lossplug_core.portrait.curves import picture_of

    picture = picture_of(spec, varied, settings, span=(low, high), target=target)
    if draws:
        output = output or Path(f"{spec.id.replace('/', '-')}.png")
        _draw(spec, picture, output)
    if as_json:
        print_json(**_json(spec, picture, output))
    else:
        click.echo(output)


def _draw(spec: LossSpec, picture: Picture, output: Path) -> None:
    import keras

    from lossplug_core.cli._figure import draw

    source = f"Keras {keras.__version__} on {keras.backend.backend()}"
    if spec.namespace != KERAS:
        source = f"{spec.provider}, {source}"
    try:
        draw(picture, output, title=spec.id, source=source)
    except OSError as error:
        raise LossplugError(f"The picture cannot be written: {error}.") from error


def _json(spec: LossSpec, picture: Picture, output: Path | None) -> Mapping[str, Any]:
    return {
        "id": spec.id,
        "parameters": picture.fixed,
        "varied": picture.varied,
        "axis": picture.view.axis,
        "output": None if output is None else str(output),
        "curves": [
            {
                "label": curve.label,
                "value": curve.value,
                "at": curve.at.tolist(),
                "loss": curve.loss.tolist(),
                "gradient": curve.gradient.tolist(),
            }
            for curve in picture.curves
        ],
    }
