"""What a loss says of itself, before anything is calculated."""

from __future__ import annotations

import doctest
import inspect
import io
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

from lossplug_core.docstring import parse
from lossplug_core.params import Parameter, alternatives_of, parameters_of, refusals
from lossplug_core.spec import LossSpec
from lossplug_core.testing.check import ConformanceError, check
from lossplug_core.testing.subject import Subject

__all__ = ["defaults", "documentation", "example", "signature"]


@check(
    "signature",
    "Types and bounds are what `get_loss` checks and `lossplug show` prints; what they do not say, "
    "users find out while training.",
    backend=False,
)
def signature(subject: Subject) -> None:
    """Every parameter has a type that can be checked, and every number bounds.

    Those of alternatives too. Where any number is right, the type `Real` says so. Target and
    prediction have a form.
    """
    spec = subject.spec
    if "any" in (*spec.y_true, *spec.y_pred):
        raise ConformanceError(
            "It does not declare what its target and its prediction are.",
            fix="@loss(y_true=…, y_pred=…): lossplug_core.TARGETS and PREDICTIONS are the words.",
        )
    for name, parameter, has_type in _parameters(spec.function, parameters_of(spec)):
        if not has_type:
            raise ConformanceError(
                f"The parameter {name!r} has no type.",
                expected="a type of lossplug_core.types, such as NonNegative",
            )
        if _unbounded(parameter.annotation):
            raise ConformanceError(
                f"The parameter {name!r} is a number without bounds.",
                expected="a type with bounds, such as Positive, or Real where any number is right",
                received=parameter.type_text,
            )


def _parameters(
    function: Callable[..., Any], declared: Mapping[str, Parameter], prefix: str = ""
) -> Iterator[tuple[str, Parameter, bool]]:
    """All parameters, those of alternatives with them, and whether the author gives a type."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in declared.items():
        yield f"{prefix}{name}", parameter, name in hints
        if alternatives := alternatives_of(parameter.annotation):
            for other, part in alternatives.functions:
                within = f"{prefix}{name}.{other}."
                yield from _parameters(part, alternatives.parameters(other), within)


def _unbounded(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        inner = typing.get_args(annotation)[0]
        return inner not in (int, float) and _unbounded(inner)
    if typing.get_origin(annotation) is typing.Literal:
        return False
    return annotation in (int, float) or any(map(_unbounded, typing.get_args(annotation)))


@check(
    "defaults",
    "A default that the loss itself refuses is an error that only users meet.",
    needs=("signature",),
    backend=False,
)
def defaults(subject: Subject) -> None:
    """Defaults and the parameters of conventions are within the bounds."""
    for what, refusal in refusals(subject.spec):
        raise ConformanceError(f"{what}: {refusal}")


@check(
    "documentation",
    "`lossplug show` and every page about the loss print its docstring.",
    backend=False,
)
def documentation(subject: Subject) -> None:
    """The docstring has a summary, formula, all arguments, returns, an example, a reference."""
    spec = subject.spec
    found = parse(spec.doc)
    arguments = [name for name in inspect.signature(spec.function).parameters if name != "self"]
    examples = ">>>" in found.example
    missing = [
        *(section for section in _SECTIONS if not getattr(found, section)),
        *(f"the argument {name!r}" for name in arguments if not found.args.get(name)),
        *(["doctests (>>>) in the example"] if found.example and not examples else []),
    ]
    if missing:
        raise ConformanceError(
            f"The docstring lacks {', '.join(missing)}.",
            expected="Google form: a summary, Formula, Args, Returns, Example, Reference",
        )


_SECTIONS = ("summary", "formula", "returns", "example", "reference")


def _no_example(spec: LossSpec) -> str | None:
    return None if ">>>" in parse(spec.doc).example else "it has no example"


@check(
    "example",
    "The example is what users copy first.",
    skip=_no_example,
)
def example(subject: Subject) -> None:
    """The example of the docstring does what it says, on this backend."""
    function = subject.spec.function
    names = dict(vars(import_module(function.__module__)))
    test = doctest.DocTestParser().get_doctest(
        subject.spec.doc, names, subject.spec.id, function.__code__.co_filename, None
    )
    report = io.StringIO()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(verbose=False, optionflags=flags)
    with redirect_stdout(report):
        failed = runner.run(test, out=report.write).failed
    if failed:
        raise ConformanceError(f"The example is not true.\n{report.getvalue().strip()}")
