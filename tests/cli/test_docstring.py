"""Docstrings taken apart: ours, and Keras's."""

import pytest

from lossplug_core.docstring import Docstring, parse

OURS = r"""One line
    that is two.

    A description.

    Of two paragraphs.

    Formula:
        $$L = \frac{a}{b}$$

        where $a$ is that.

    Args:
        y_true: Targets. Shape: `[batch]`.
        gamma: The focus,
            at least 0.
        Nothing to see here

    Returns:
        A value.

    Raises:
        DataError: It is wrong: really.
        ValueError: So is this.

    Example:
        >>> for x in range(1):
        ...     print(x)
        0

    Reference:
        Lin et al., 2017.
    """


def test_sections_keep_their_lines_and_lose_their_indentation() -> None:
    doc = parse(OURS)
    assert doc.summary == "One line that is two."
    assert doc.description == "A description.\n\nOf two paragraphs."
    assert doc.formula == "$$L = \\frac{a}{b}$$\n\nwhere $a$ is that."
    assert doc.returns == "A value."
    assert doc.example == ">>> for x in range(1):\n...     print(x)\n0"
    assert doc.reference == "Lin et al., 2017."


def test_items_are_one_line_each_by_name_in_their_order() -> None:
    doc = parse(OURS)
    assert list(doc.args.items()) == [
        ("y_true", "Targets. Shape: `[batch]`."),
        ("gamma", "The focus, at least 0. Nothing to see here"),
    ]
    assert dict(doc.raises) == {
        "DataError": "It is wrong: really.",
        "ValueError": "So is this.",
    }


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_no_docstring_has_no_sections(text) -> None:
    assert parse(text) == Docstring()


def test_sections_that_are_missing_are_empty() -> None:
    assert parse("Only this.") == Docstring(summary="Only this.")


def test_only_a_line_of_its_own_is_a_heading() -> None:
    doc = parse("Sum.\n\nArgs: not here.\n\n    Returns:\n        indented.\n\nOther:\n    text")
    assert doc.description.startswith("Args: not here.")
    assert not doc.args
    assert not doc.returns


def test_keras_indents_no_examples_and_writes_plurals() -> None:
    doc = parse(
        "Sum.\n\nFormula:\n\n```python\nloss = a\n```\n\nArgs:\n    x: It,\n    still it.\n\n"
        "Examples:\n\n>>> 1\n1\n\nReferences:\n- [Paper](https://a.b)\n"
    )
    assert doc.formula == "```python\nloss = a\n```"
    assert dict(doc.args) == {"x": "It, still it."}
    assert doc.example == ">>> 1\n1"
    assert doc.reference == "- [Paper](https://a.b)"
