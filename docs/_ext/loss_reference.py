"""One page for each loss, written when the documentation is built.

A page says what `lossplug show ID --json` says, and shows what `lossplug plot ID` draws. The losses
are those of the plugins that are installed; Keras's own are one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from lossplug_core._keras_table import KERAS_LOSSES
from lossplug_core.cli import main
from lossplug_core.forms import PREDICTIONS, TARGETS
from lossplug_core.names import KERAS

FOLDER = Path(__file__).parents[1] / "reference" / "losses"

PLOTS = {
    "imbalance/active_passive": "passive=reverse_crossentropy,absolute_error",
    "imbalance/asymmetric": "gamma_negative=0,2,4",
    "imbalance/asymmetric_single_label": "gamma_positive=0,1,2",
    "imbalance/balanced_softmax": "samples_per_class=[900,90,10]",
    "imbalance/binary_logit_adjusted": "positive_prior=0.5,0.1,0.01",
    "imbalance/bootstrapped_crossentropy": "mode=soft,hard",
    "imbalance/categorical_f_beta": "beta=0.5,1,2",
    "imbalance/categorical_focal": "gamma=0,1,2,5",
    "imbalance/class_balanced": "samples_per_class=[900,90,10]",
    "imbalance/confidence_penalty": "beta=0,0.1,0.5",
    "imbalance/cost_sensitive_crossentropy": "costs=[[0,1,1],[1,0,1],[9,1,0]] alpha=0,0.5,1",
    "imbalance/equalization": "num_classes=3",
    "imbalance/focal": "gamma=0,1,2,5",
    "imbalance/forward_correction": "transitions=[[0.8,0.2],[0.1,0.9]]",
    "imbalance/generalized_crossentropy": "q=0,0.3,0.7,1",
    "imbalance/ghm": "bins=10",
    "imbalance/ldam": "samples_per_class=[900,90,10] max_margin=2 scale=2",
    "imbalance/logit_adjusted": "class_priors=[0.9,0.09,0.01] tau=0,1,2",
    "imbalance/margin_hinge": "margin=[1,2]",
    "imbalance/multiclass_margin_hinge": "margin=[1,2,3]",
    "imbalance/pairwise_auc": "margin=0.5,1,2",
    "imbalance/poly1_crossentropy": "epsilon=-1,0,1,2",
    "imbalance/poly1_focal": "epsilon=-1,0,1",
    "imbalance/reduced_focal": "gamma=0,1,2,5",
    "imbalance/running_class_balanced": "num_classes=3",
    "imbalance/seesaw": "num_classes=3 q=0,1,2",
    "imbalance/smooth_average_precision": "temperature=0.1,0.3,1",
    "imbalance/smoothed_binary_crossentropy": "smoothing=0,0.1,0.3",
    "imbalance/smoothed_crossentropy": "smoothing=-0.3,0,0.1,0.3",
    "imbalance/soft_f_beta": "beta=0.5,1,2",
    "imbalance/symmetric_crossentropy": "log_zero=-9.2,-4,-2",
    "imbalance/vector_scaling": "samples_per_class=[900,90,10] gamma=0,0.15,0.3",
    "imbalance/weighted_binary_crossentropy": "positive_weight=1,3,9",
    "imbalance/weighted_categorical_crossentropy": "class_weights=[1,3,9]",
    "metric-learning/angular": "angle=0.6,0.8,1",
    "metric-learning/circle": "margin=0.2,0.4",
    "metric-learning/contrastive": "margin=0.5,1,1.5",
    "metric-learning/cross_batch_memory": "embedding_size=2",
    "metric-learning/fast_ap": "num_bins=5,10,20",
    "metric-learning/generalized_lifted": "margin=0.5,1,2",
    "metric-learning/lifted_structure": "margin=0.5,1,2",
    "metric-learning/multi_similarity": "alpha=1,2,5",
    "metric-learning/nca": "scale=0.5,1,2",
    "metric-learning/nt_xent": "temperature=0.1,0.5,1",
    "metric-learning/pair_contrastive": "margin=0.5,1,1.5",
    "metric-learning/pn": "margin=0.5,1,2",
    "metric-learning/ranked_list": "margin=0.2,0.4,0.8",
    "metric-learning/soft_nearest_neighbour": "temperature=0.5,1,2",
    "metric-learning/supcon": "temperature=0.1,0.5,1",
    "metric-learning/triplet_margin": "margin=0.05,0.2,1",
    "metric-learning/triplet_semi_hard": "margin=0.2,0.5,1",
    "metric-learning/tuplet_margin": "scale=4,16,64",
    "regression/scaled_squared_error": "scale=0.5,1,2",
}
"""What is drawn on a loss's page: parameters, of which one may have several values.

Others are drawn as they are, and those that cannot be drawn have no picture.
"""


def write_reference(app: Any) -> None:
    """Write all pages, and delete those of losses that are gone."""
    del app
    ids = [loss["id"] for loss in _lossplug("list")["losses"] if loss["namespace"] != KERAS]
    losses = [_lossplug("show", id) for id in ids]
    pages = {
        FOLDER / "index.md": _index(losses),
        FOLDER / "keras.md": _keras(),
        FOLDER / "forms.md": _forms(),
    }
    for loss in losses:
        pages[FOLDER / f"{loss['id']}.md"] = "\n\n".join(_page(loss)) + "\n"
    for page, text in pages.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    for page in set(FOLDER.rglob("*.md")) - set(pages):
        page.unlink()


def _lossplug(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    document: dict[str, Any] = json.loads(result.stdout or "{}")
    if result.exit_code and document.get("error", {}).get("type") != "NoPictureError":
        raise RuntimeError(f"lossplug {' '.join(arguments)}: {result.output}")
    return document


def _page(loss: Mapping[str, Any]) -> Iterator[str]:
    id = loss["id"]
    yield f"# {id.rpartition('/')[2]}"
    yield loss["summary"]
    yield f"```python\n{_call(loss)}\n```"
    yield loss["description"]
    yield f"## Formula\n\n{loss['formula']}"
    yield from _picture(id)
    yield "## Target and prediction"
    yield _table(("argument", "forms", "meaning"), _arguments(loss))
    yield f"Returns: {loss['returns']}"
    if loss["parameters"]:
        yield "## Parameters"
        yield _table(("name", "type", "default", "meaning"), map(_parameter, loss["parameters"]))
    if loss["weights"]:
        yield "## Weights"
        yield _table(("name", "shape", "kind", "starts as"), map(_weight, loss["weights"]))
    if loss["conventions"]:
        yield "## Conventions"
        yield "`convention=` sets what makes the loss agree with a well-known implementation:"
        rows = [(f"`{name}`", _assigned(values)) for name, values in loss["conventions"].items()]
        yield _table(("convention", "parameters"), rows)
    if loss["raises"]:
        yield "## Errors"
        yield _table(("error", "when"), [(f"`{e}`", when) for e, when in loss["raises"].items()])
    yield f"## Example\n\n```pycon\n{loss['example']}\n```"
    link = f" <{loss['paper_url']}>" if loss["paper_url"] else ""
    yield f"## Reference\n\n{loss['reference']}{link}"
    yield "## Where it comes from"
    yield _table(("", ""), _origin(loss))


def _arguments(loss: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for argument in ("y_true", "y_pred"):
        forms = " or ".join(f"`{form}`" for form in loss[argument]["forms"])
        if argument == "y_pred" and loss["outputs"]:
            forms += ", of " + " and ".join(f"`{name}`" for name in loss["outputs"])
        yield f"`{argument}`", forms, loss[argument]["meaning"]
    for name, meaning in loss["targets"].items():
        yield f"`{name}`", "a further target", meaning


def _weight(weight: Mapping[str, Any]) -> tuple[str, ...]:
    shape = ", ".join(map(str, weight["shape"] or ()))
    return f"`{weight['name']}`", f"[{shape}]", weight["kind"], f"`{weight.get('initializer')}`"


def _call(loss: Mapping[str, Any]) -> str:
    arguments = [
        f"{p['name']}=..." if p["required"] else f"{p['name']}={p['default']!r}"
        for p in loss["parameters"]
    ]
    call = f"get_loss({', '.join([repr(loss['id']), *arguments])})"
    if len(call) <= 80:
        return call
    return "\n    ".join(["get_loss(", *(f"{a}," for a in [repr(loss["id"]), *arguments])]) + "\n)"


def _picture(id: str) -> Iterator[str]:
    options = [word for parameter in PLOTS.get(id, "").split() for word in ("-p", parameter)]
    picture = FOLDER / f"{id}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    if "error" in _lossplug("plot", id, *options, "-o", str(picture)):
        picture.unlink(missing_ok=True)
        return
    yield f"![Value and gradient of {id}]({picture.name})"
    yield f"This is `lossplug plot {' '.join([id.rpartition('/')[2], *options])}`."


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, ...]:
    default = "required" if parameter["required"] else f"`{parameter['default']!r}`"
    return f"`{parameter['name']}`", parameter["type"], default, parameter["meaning"]


def _assigned(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={value!r}`" for name, value in values.items())


def _origin(loss: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    provider = loss["provider"]
    yield "id", f"`{loss['id']}`"
    if loss["aliases"]:
        yield "also called", ", ".join(f"`{alias}`" for alias in loss["aliases"])
    yield "distribution", f"`{provider['distribution']}`"
    yield "function", f"`{provider['target']}`"


def _index(losses: Iterable[Mapping[str, Any]]) -> str:
    parts = [
        "# The losses",
        "Every loss of the plugins in this repository, and [all of Keras's own](keras.md). Your "
        "own list, with the plugins that you have installed, is what `lossplug list` prints.",
    ]
    for namespace, group in groupby(losses, key=lambda loss: loss["id"].partition("/")[0]):
        rows = [
            (f"[{loss['id'].rpartition('/')[2]}]({loss['id']}.md)", loss["summary"])
            for loss in group
        ]
        parts += [f"## {namespace}", _table(("loss", "summary"), rows)]
    pages = "\n".join([*(loss["id"] for loss in losses), "keras", "forms"])
    parts.append(f":::{{toctree}}\n:hidden:\n\n{pages}\n:::")
    return "\n\n".join(parts) + "\n"


def _keras() -> str:
    rows = [
        (
            ", ".join(f"`{name}`" for name in (row.name, *row.aliases)),
            " or ".join(row.y_true),
            " or ".join(row.y_pred),
        )
        for row in KERAS_LOSSES
    ]
    return "\n\n".join(
        [
            "# Keras's own losses",
            "Their namespace is `keras`, and need not be written: `mse` is "
            "`keras/mean_squared_error`. They come as Keras's own objects, so that a model saved "
            "with one does not need lossplug. Only where the installed Keras would lose a "
            "parameter when it saves a loss, as 3.15.1 does with `Huber`'s `delta`, it is wrapped, "
            "and comes back whole.",
            "`lossplug show keras/huber` prints what the installed Keras says of a loss.",
            _table(("names", "`y_true`", "`y_pred`"), rows),
            "",
        ]
    )


def _forms() -> str:
    parts = [
        "# Forms of target and prediction",
        "A loss declares which forms it takes, `y_true` and `y_pred` of `@loss`, and is found by "
        "them: `lossplug list --y-true class_ids`.",
    ]
    for heading, forms in (("Targets", TARGETS), ("Predictions", PREDICTIONS)):
        rows = [(f"`{form}`", meaning) for form, meaning in forms.items()]
        parts += [f"## {heading}", _table(("form", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
