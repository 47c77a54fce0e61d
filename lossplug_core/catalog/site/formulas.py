"""Formulas as MathML, which browsers draw themselves: nothing to download, and no JavaScript."""

from __future__ import annotations

import re

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

__all__ = ["FormulaError", "mathml"]

# docutils knows \Bigl( and \Bigr), but not \Big, and leaves no space in \log p and p \log.
_NAMES = "arccos|arcsin|arctan|arg|cosh?|cot|det|exp|lg|ln|log|Pr|sinh?|tanh?"
_OPERAND = r"(?=[A-Za-z0-9]|\\(?!left|right|[Bb]ig|q?quad|limits)[A-Za-z])"
_REPLACEMENTS = (
    (re.compile(r"\\([Bb]igg?)(?=[(\[])"), r"\\\1l"),
    (re.compile(r"\\([Bb]igg?)(?=[)\]])"), r"\\\1r"),
    (re.compile(r"\\(max|min) (?=[a-z\\])"), r"\\\1\\,"),
    (re.compile(rf"\\({_NAMES})(?![A-Za-z])\s*{_OPERAND}"), r"\\\1\\,"),
    (re.compile(rf"(?<=[A-Za-z0-9)\]}}])\s*\\({_NAMES})(?![A-Za-z])"), r"\\,\\\1"),
)
# It also puts the index of \hat{y}_k under the y.
_ACCENT_AND_INDEX = re.compile(
    r"<munderover>\s*(<mi>[^<]*</mi>)\s*(<m[in]>[^<]*</m[in]>)"
    r"\s*(<mo stretchy=\"false\">[ˆ¯˜]</mo>)\s*</munderover>"
)
_LONGEST = 10_000


class FormulaError(ValueError):
    """It is no formula, or one that cannot be drawn."""


def mathml(latex: str, *, as_block: bool) -> str:
    r"""A formula as MathML.

    Args:
        latex: The formula, without dollars.
        as_block: Whether it stands on lines of its own.

    Returns:
        An element `math`, in which all text is escaped.

    Raises:
        FormulaError: It cannot be read.

    Example:
        >>> mathml("a < b", as_block=False)[:50].partition(">")[0]
        '<math xmlns="http://www.w3.org/1998/Math/MathML"'
    """
    if len(latex) > _LONGEST:
        raise FormulaError(f"a formula of {len(latex)} letters")
    for pattern, replacement in _REPLACEMENTS:
        latex = pattern.sub(replacement, latex)
    try:
        drawn: str = tex2mathml(latex, as_block=as_block)
    except MathError as error:
        raise FormulaError(str(error)) from error
    except Exception as error:  # on a formula that is cut short it stumbles in many ways
        raise FormulaError(f"{type(error).__name__}: {error}") from error
    return _ACCENT_AND_INDEX.sub(r"<msub><mover>\1\3</mover>\2</msub>", drawn)
