"""`lossplug catalog check`: whether a catalogue holds, for CI."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossplug_core.catalog.drifting import LOCK
from lossplug_core.cli._output import json_option, print_json, printable, today_option
from lossplug_core.cli.catalog._locks import drifted
from lossplug_core.errors import BackendError, BrokenPluginError, CatalogError, LossplugError

if TYPE_CHECKING:
    from lossplug_core.catalog.active import Catalogue
    from lossplug_core.catalog.remarks import Remark

__all__ = ["command"]

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command("check")
@click.argument(
    "files", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[FILE|FOLDER]..."
)
@click.option("--no-build", is_flag=True, help="Build no preset, and start no Keras.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@today_option
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option(
    "--locked",
    is_flag=False,
    flag_value=LOCK,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="[LOCK]",
    help=f"Compare what is installed and allowed with a lock, {LOCK} if none is named.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    no_build: bool,
    strict: bool,
    today: date,
    junit: Path | None,
    locked: Path | None,
    as_json: bool,
) -> None:
    """Check that a catalogue holds: for CI.

    Presets lead to losses that are installed and allowed, have valid parameters, and are built
    where a backend of Keras is; nothing is deprecated past its date; preferred words, replacements
    and required versions are there; rules contradict neither themselves nor each other.

    Without a FILE all catalogues of this process are checked as one, else those files, as layers
    in this order. The exit code is 1 if there are errors, with --strict also if there are warnings.
    """
    if junit and not junit.absolute().parent.is_dir():
        raise click.BadParameter(f"There is no folder {str(junit.parent)!r}.", param_hint="--junit")
    catalogue, remarks = _examine(files, today, builds=not no_build, lock=locked)
    if junit:
        from lossplug_core.cli._junit import remarks_xml

        _write(junit, remarks_xml(catalogue, remarks))
    if as_json:
        print_json(
            today=str(today),
            layers=[layer.source for layer in catalogue.layers],
            presets=[named.name for named in catalogue.presets.values()],
            findings=[dataclasses.asdict(remark) for remark in remarks],
        )
    else:
        _print(catalogue, remarks)
    fatal = ("error", "warning") if strict else ("error",)
    ctx.exit(1 if any(remark.severity in fatal for remark in remarks) else 0)


def _examine(
    files: Sequence[Path], today: date, *, builds: bool, lock: Path | None
) -> tuple[Catalogue, list[Remark]]:
    """The catalogue, and what there is to say of it."""
    from lossplug_core._app import registry
    from lossplug_core.catalog.active import Catalogue, alone
    from lossplug_core.catalog.checking import check
    from lossplug_core.catalog.remarks import remark
    from lossplug_core.cli.catalog._layers import catalogue_of

    try:
        catalogue = catalogue_of(files)
    except (CatalogError, BrokenPluginError) as error:
        return Catalogue([]), [_nothing_to_check(error)]
    with registry.started_by(alone(catalogue)) if files else nullcontext():
        build, why_not = _builder() if builds and catalogue.presets else (None, None)
        remarks = check(catalogue, registry, today=today, build=build)
        if lock is not None:
            remarks += drifted(lock, catalogue)
    if why_not is not None:
        problem = f"Presets are not built: {why_not.what}"
        at = (catalogue.layers[-1], ())
        remarks.append(remark("note", "not-built", at, "presets", problem, why_not.fix))
    return catalogue, remarks


def _nothing_to_check(error: CatalogError | BrokenPluginError) -> Remark:
    """Why there is no catalogue: one cannot be read, or `LOSSPLUG_STRICT` forbids a broken hook."""
    from lossplug_core.catalog.remarks import Remark, without_fix

    facts: dict[str, Any] = error.__dict__
    problem = without_fix(error)
    if isinstance(error, BrokenPluginError):
        name = facts["distribution"]
        return Remark("error", "broken-hook", name, None, "hooks", problem, error.fix)
    if facts["path"] is None:
        raise error
    path, line, called = facts["path"], facts["line"], facts.get("called")
    found = Remark("error", "unreadable", path, line, path, problem, error.fix, called)
    # The message may begin with the place, which the finding has already.
    return dataclasses.replace(found, problem=problem.removeprefix(f"{found.place}: "))


def _builder() -> tuple[Callable[[str], Any] | None, LossplugError | None]:
    """What builds a loss by its name, or why nothing does."""
    from lossplug_core.cli._machine import start_keras

    try:
        start_keras()
    except BackendError as error:
        return None, error
    from lossplug_core.bridge import get_loss

    return get_loss, None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise LossplugError(f"The results cannot be written: {error}.") from error


def _print(catalogue: Catalogue, remarks: Sequence[Remark]) -> None:
    for remark in remarks:
        first, *rest = map(printable, remark.problem.splitlines())
        click.echo(f"{printable(_near(remark))}: ", nl=False)
        click.secho(remark.severity, fg=_COLOURS[remark.severity], bold=True, nl=False)
        subject = "" if remark.subject == remark.path else f"{printable(remark.subject)}: "
        click.echo(f": {subject}{first} [{remark.kind}]")
        rest += [f"Next: {printable(remark.fix)}"] if remark.fix else []
        for line in rest:
            click.echo(f"  {line}")
    from lossplug_core.catalog.remarks import SEVERITIES

    counts = Counter(remark.severity for remark in remarks)
    if catalogue.layers:
        found = ", ".join(_count(counts[severity], severity) for severity in SEVERITIES)
        presets = _count(len(catalogue.presets), "preset")
        layers = _count(len(catalogue.layers), "layer")
        click.secho(f"{presets} in {layers}: {found}.", fg="red" if counts["error"] else "green")


def _near(remark: Remark) -> str:
    """The place of a remark, from here if that is below."""
    path = Path(remark.path)
    if remark.called is None and path.is_relative_to(Path.cwd()):
        return dataclasses.replace(remark, path=str(path.relative_to(Path.cwd()))).place
    return remark.place


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
