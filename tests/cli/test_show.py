"""`lossplug show ID`."""

import json

import pytest


def test_the_page_has_everything_in_its_order(plugin, run) -> None:
    page = run("show", "hard").stdout
    places = [
        page.index(text)
        for text in [
            "fake/hard\nFocus on hard examples.",
            "get_loss('fake/hard', weights=…, gamma=2.0, alpha=None, kind='a'",
            "A description of two lines.",
            "Formula\n  L = \\gamma",
            "where \\gamma is the focus.",
            "Target: y_true\n  binary  0 or 1",
            "Zeros and ones.",
            "Prediction: y_pred\n  logits",
            "Parameters",
            "Conventions\n  other  gamma=5.0",
            "Returns\n  One value per sample.",
            "Example\n  >>> 1 + 1",
            "Reference\n  Somebody, 2017.",
            "https://arxiv.org/abs/1708.02002",
            "lossplug-fake 1.0",
            "fake_losses:hard",
            "sigmoid_hard",
        ]
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "row",
    [
        ["weights", "sequence of float ≥ 0", "required", "One weight per class."],
        ["gamma", "float ≥ 0", "2.0", "The focus."],
        ["kind", "'a' or 'b'", "'a'"],
        ["from_logits", "bool", "False"],
    ],
)
def test_a_parameter_is_a_row_of_a_table(plugin, run, monkeypatch, row) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    page = run("show", "hard").stdout
    (line,) = [line for line in page.splitlines() if line.split()[:1] == row[:1]]
    places = [line.index(text) for text in row]
    assert places == sorted(places)


def test_the_page_fits_a_narrow_terminal(plugin, run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, run("show", "hard").stdout.splitlines())) <= 60


def test_a_loss_without_documentation_has_a_page(site, run) -> None:
    site.install(
        "lossplug-bare",
        modules={
            "bare_losses": """
                from lossplug_core import loss

                @loss(y_true="values", y_pred="values")
                def bare(y_true, y_pred):
                    return y_pred
            """
        },
        entry_points="[lossplug.losses]\nbare = bare_losses:bare\n",
    )
    result = run("show", "bare")
    assert result.exit_code == 0
    assert "get_loss('bare/bare')" in result.stdout
    assert "Parameters" not in result.stdout


def test_json(plugin, run) -> None:
    document = json.loads(run("show", "sigmoid_hard", "--json").stdout)
    assert document["schema_version"] == 1
    assert document["id"] == "fake/hard"
    assert document["formula"].startswith("$$L = \\gamma$$")
    assert list(document["y_pred"]["forms"]) == ["logits", "probabilities"]
    assert document["y_true"]["meaning"] == "Zeros and ones."
    assert document["conventions"] == {"other": {"gamma": 5.0}}
    assert document["aliases"] == ["sigmoid_hard"]
    assert document["paper_url"] == "https://arxiv.org/abs/1708.02002"
    weights, gamma, *_ = document["parameters"]
    assert weights == {
        "name": "weights",
        "type": "sequence of float ≥ 0",
        "required": True,
        "meaning": "One weight per class.",
    }
    assert (gamma["required"], gamma["default"]) == (False, 2.0)


PARTS = """
from typing import Any
from lossplug_core import Positive, loss, one_of

def hard(rows):
    return rows

def similar(rows, *, epsilon: Positive = 0.1):
    '''Keeps what is as similar.

    Args:
        epsilon: How similar.
    '''
    return rows

Mining: Any = one_of(hard, similar)

@loss(y_true="values", y_pred="values")
def composed(y_true, y_pred, *, mining: Mining | None = "hard"):
    '''Made of parts.

    Args:
        mining: What counts.
    '''
"""


def test_what_a_parameter_can_be_is_told_with_its_parameters(site, run, monkeypatch) -> None:
    site.install("lossplug-parts", modules={"parts": PARTS}, entry_points=COMPOSED)
    monkeypatch.setenv("COLUMNS", "100")
    text = "'hard', or 'similar' (epsilon: float > 0 = 0.1), or None"
    page = " ".join(run("show", "composed").stdout.split())
    assert "get_loss('parts/composed', mining='hard')" in page
    assert "What mining can be 'hard' 'similar' Keeps what is as similar." in page
    (mining,) = json.loads(run("show", "composed", "--json").stdout)["parameters"]
    assert (mining["type"], mining["default"]) == (text, "hard")
    hard, similar = mining["alternatives"]
    assert hard == {"name": "hard", "summary": "", "parameters": []}
    assert similar["summary"] == "Keeps what is as similar."
    assert similar["parameters"] == [
        {
            "name": "epsilon",
            "type": "float > 0",
            "required": False,
            "default": 0.1,
            "meaning": "How similar.",
        }
    ]


COMPOSED = "[lossplug.losses]\ncomposed = parts:composed\n"


def test_a_broken_plugin_is_an_error_that_names_it(site, run) -> None:
    site.install(
        "lossplug-broken",
        modules={"broken_module": "import no_such_module_at_all"},
        entry_points="[lossplug.losses]\nbroken = broken_module:broken\n",
    )
    result = run("show", "broken")
    assert result.exit_code == 1
    assert "no_such_module_at_all" in result.stderr
    assert "pip install --upgrade lossplug-broken" in result.stderr


@pytest.mark.backend
def test_keras_own_losses_are_shown_by_their_own_documentation(run) -> None:
    page = run("show", "BinaryFocalCrossentropy").stdout
    assert page.startswith("keras/binary_focal_crossentropy\nComputes focal cross-entropy")
    assert "A focusing parameter" in page
    assert "\n  reduction" not in page


def test_a_backend_that_is_missing_is_named_with_its_command(process) -> None:
    done = process("show", "keras/huber", KERAS_BACKEND="no_such_backend")
    assert done.returncode == 1
    assert "Keras cannot start" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Next: Set KERAS_BACKEND to" in done.stderr


WEIGHTS = """
from lossplug_core import PositiveInt, Weight, loss
from lossplug_core.statistics import class_priors

def _weights(num_classes, size):
    return {
        "vectors": Weight((2 * num_classes, size), "he_uniform"),
        "seen": Weight((), 0, trainable=False, dtype="int32"),
    }

@loss(y_true="labels", y_pred="embeddings", weights=_weights, targets=("mask",),
      outputs=("near", "far"), adapts={"prior": class_priors})
def owner(y_true, y_pred, *, weights, mask, num_classes: PositiveInt, size: PositiveInt = 8,
          prior: float = 0.5):
    '''Owns weights.

    Args:
        mask: Where it counts.
    '''
"""


def test_the_page_says_what_a_loss_owns_and_needs(site, run) -> None:
    site.install("lossplug-own", modules={"own": WEIGHTS}, entry_points=OWNER)
    page = " ".join(run("show", "owner").stdout.split())
    assert "get_loss('own/owner', num_classes=…, size=8, prior=0.5)" in page
    assert "vectors [2 × num_classes, 8] float32, trained, starts as he_uniform" in page
    assert "seen [] int32, state, starts as 0" in page
    assert "mask Where it counts." in page
    assert "near, far" in page
    assert "adapt(y) prior" in page


def test_what_it_owns_is_data_too(site, run) -> None:
    site.install("lossplug-own", modules={"own": WEIGHTS}, entry_points=OWNER)
    document = json.loads(run("show", "owner", "--json").stdout)
    assert document["targets"] == {"mask": "Where it counts."}
    assert document["outputs"] == ["near", "far"]
    assert document["adapts"] == ["prior"]
    assert [weight["shape"] for weight in document["weights"]] == [["2 × num_classes", 8], []]


OWNER = """
[lossplug.losses]
owner = own:owner
"""
