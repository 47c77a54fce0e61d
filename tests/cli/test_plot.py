"""`lossplug plot ID`."""

import json
import math
import sys
import xml.etree.ElementTree as ET

import pytest

from lossplug_core.cli import _parameters

FAKES = """
from lossplug_core import ClassWeights, Network, NonNegative, Weight, loss, ops

@loss(y_true="binary", y_pred="logits|probabilities")
def square(y_true, y_pred, *, scale: NonNegative = 1.0, from_logits: bool = False):
    "The squared distance of a probability to the target."
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    return ops.mean(scale * (y_true - p) ** 2, axis=-1)

@loss(y_true="class_ids", y_pred="logits|probabilities")
def classes(y_true, y_pred, *, weights: ClassWeights | None = None, from_logits: bool = False):
    "Minus the prediction for the right class, weighted."
    right = ops.one_hot(y_true, y_pred.shape[-1])
    return -ops.sum((1.0 if weights is None else ops.array(weights)) * right * y_pred, axis=-1)

@loss(y_true="signs", y_pred="scores")
def side(y_true, y_pred, *, margin: float | tuple[float, ...] = 1.0):
    "Which side."
    return -ops.mean(y_true * y_pred, axis=-1)

@loss(y_true="binary", y_pred="distances")
def apart(y_true, y_pred):
    "Distances of pairs of one class."
    return ops.reshape(y_true * y_pred, (-1,))

@loss(y_true="binary", y_pred="scores", compares_samples=True)
def crowd(y_true, y_pred):
    "The scores of all, for each positive."
    return y_true[:, 0] * ops.sum(y_pred)

@loss(y_true="labels", y_pred="embeddings")
def around(y_true, y_pred):
    "One minus the cosine of each sample and the next but none."
    return 1 - ops.sum(y_pred * ops.roll(y_pred, -1, axis=0), axis=-1)

@loss(y_true="sequences", y_pred="logits")
def letters(y_true, y_pred):
    "No picture."
    return y_pred

@loss(y_true="values", y_pred="values")
def log(y_true, y_pred):
    "Not a number below 0."
    return ops.mean(ops.log(y_pred) * y_true, axis=-1)

@loss(y_true="values", y_pred="values", weights={"calls": Weight((), 3.0, trainable=False)})
def counting(y_true, y_pred, *, weights):
    "Costs what its state is, which grows."
    return y_pred[:, 0] * weights["calls"], {"calls": weights["calls"] + 1}

@loss(y_true="values", y_pred="values", weights=lambda width: {"factor": Weight((width,))})
def learning(y_true, y_pred, *, weights, width: int):
    "Trained."
    return y_pred[:, 0] * weights["factor"]

@loss(y_true="values", y_pred="values", targets=("mask", "inputs"))
def masked(y_true, y_pred, *, mask, inputs):
    "Two more targets."
    return y_pred

@loss(y_true="values", y_pred="values", outputs=("mean", "variance"))
def several(y_true, y_pred):
    "Two outputs."
    return y_pred["mean"]

@loss(y_true="values", y_pred="values")
def taught(y_true, y_pred, *, teacher: Network, second: Network | None = None):
    "Needs a teacher."
    return teacher(y_pred)
"""


@pytest.fixture
def fakes(site) -> None:
    names = [line.split("(")[0][4:] for line in FAKES.splitlines() if line.startswith("def ")]
    lines = [f"{name} = plotted:{name}" for name in names]
    site.install(
        "lossplug-fake",
        modules={"plotted": FAKES},
        entry_points="\n".join(["[lossplug.losses]", *lines]),
    )


@pytest.fixture
def numbers(fakes, run):
    """What `lossplug plot --json` says."""

    def numbers(*arguments: object) -> dict:
        result = run("plot", *arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gamma=2", {"gamma": [2]}),
        ("gamma=0,1,2.5", {"gamma": [0, 1, 2.5]}),
        ("kind=focal", {"kind": ["focal"]}),
        ("kind=softmax, focal", {"kind": ["softmax", "focal"]}),
        ('kind="a,b",c', {"kind": ["a,b", "c"]}),
        ("alpha=null,0.25", {"alpha": [None, 0.25]}),
        ("alpha=None", {"alpha": [None]}),
        ("from_logits=false", {"from_logits": [False]}),
        ("from_logits=False", {"from_logits": [False]}),
        ("weights=[1, 2]", {"weights": [[1, 2]]}),
        ("weights=[1,2],[3,4]", {"weights": [[1, 2], [3, 4]]}),
        ("text=a=b", {"text": ["a=b"]}),
    ],
)
def test_values_are_json_or_text_and_several_are_separated_by_commas(text, expected) -> None:
    assert _parameters.parse([text]) == expected


def test_a_parameter_that_is_given_twice_has_both_values() -> None:
    assert _parameters.parse(["gamma=1", "gamma=2"]) == {"gamma": [1, 2]}


def test_without_matplotlib_the_command_that_installs_it_is_named(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("plot", "mse")
    assert result.exit_code == 1
    assert "pip install 'lossplug-core[plot]'" in result.stderr


def test_a_backend_that_is_missing_is_named_with_its_command(process) -> None:
    done = process("plot", "mse", "--json", KERAS_BACKEND="no_such_backend")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["fix"].startswith("Set KERAS_BACKEND to")
    assert "Traceback" not in done.stderr


@pytest.mark.backend
def test_numbers_are_the_loss_and_its_gradient(numbers) -> None:
    document = numbers("square", "-p", "scale=2,3")
    assert document["schema_version"] == 1
    assert document["id"] == "fake/square"
    assert (document["varied"], document["axis"]) == ("scale", "logit")
    assert document["parameters"] == {"from_logits": True}
    assert document["output"] is None
    lines = [(curve["label"], curve["value"]) for curve in document["curves"]]
    assert lines == [("y = 1", 2), ("y = 0", 2), ("y = 1", 3), ("y = 0", 3)]
    for curve in document["curves"]:
        target = float(curve["label"] == "y = 1")
        for x, loss, gradient in zip(curve["at"], curve["loss"], curve["gradient"], strict=True):
            p = 1 / (1 + math.exp(-x))
            slope = 2 * curve["value"] * (p - target) * p * (1 - p)
            assert loss == pytest.approx(curve["value"] * (target - p) ** 2, abs=1e-5)
            assert gradient == pytest.approx(slope, abs=1e-5)


@pytest.mark.backend
def test_logits_unless_told_otherwise(numbers) -> None:
    assert numbers("square")["axis"] == "logit"
    document = numbers("square", "-p", "from_logits=false")
    assert document["axis"] == "probability of y = 1"
    assert min(document["curves"][0]["at"]) > 0
    assert max(document["curves"][0]["at"]) < 1


@pytest.mark.backend
@pytest.mark.parametrize(
    ("arguments", "labels", "axis"),
    [
        (["classes"], ["right class"], "logit of the right class, of 3; the others at 0"),
        (
            ["classes", "-p", "from_logits=false"],
            ["right class"],
            "probability of the right class, of 3; the others share the rest",
        ),
        (
            ["classes", "-p", "weights=[1,2]"],
            ["class 0", "class 1"],
            "logit of the right class, of 2; the others at 0",
        ),
        (["side"], ["y = 1"], "score"),
        (["side", "-p", "margin=[1,2]"], ["y = 1", "y = −1"], "score"),
        (["apart"], ["pair of one class", "pair of two classes"], "distance of the pair"),
        (
            ["around"],
            ["positive at this angle, negative at 90°", "negative at this angle, positive at 30°"],
            "angle from the anchor, in degrees",
        ),
        (["mse"], ["y = 0"], "predicted value"),
        (["mse", "--target", "2"], ["y = 2"], "predicted value"),
        (["kld"], ["y = (0.6, 0.2, 0.2)"], "probability of the first class, of 3; the others"),
        (["categorical_hinge"], ["right class"], "score of the right class, of 3"),
        (["dice"], ["y = 1", "y = 0"], "probability of y = 1"),
    ],
)
def test_each_form_has_its_view(numbers, arguments, labels, axis) -> None:
    document = numbers(*arguments)
    assert [curve["label"] for curve in document["curves"]] == labels
    assert document["axis"].startswith(axis)


@pytest.mark.backend
def test_probabilities_of_classes_sum_to_1(numbers) -> None:
    (curve,) = numbers("sparse_categorical_crossentropy", "-p", "from_logits=false")["curves"]
    assert curve["loss"] == pytest.approx([-math.log(p) for p in curve["at"]], abs=1e-4)


@pytest.mark.backend
def test_a_weight_per_class_is_a_curve_per_class(numbers) -> None:
    first, second = numbers("classes", "-p", "weights=[1,2]", "--from", 1, "--to", 2)["curves"]
    assert second["loss"] == pytest.approx([2 * value for value in first["loss"]])


@pytest.mark.backend
def test_embeddings_turn_on_a_circle(numbers) -> None:
    turns, stays = numbers("around")["curves"]
    for x, loss, gradient in zip(turns["at"], turns["loss"], turns["gradient"], strict=True):
        assert loss == pytest.approx(1 - math.cos(math.radians(x)), abs=1e-5)
        assert gradient == pytest.approx(math.radians(math.sin(math.radians(x))), abs=1e-5)
    assert stays["loss"] == pytest.approx([1 - math.cos(math.radians(30))] * len(stays["at"]))


@pytest.mark.backend
def test_a_sample_that_is_compared_with_others_is_among_two_of_each_kind(numbers) -> None:
    picture = numbers("crowd")
    assert picture["axis"] == "score of one sample, among four"
    for curve, positives in zip(picture["curves"], (3, 2), strict=True):
        expected = [positives * (x + 0.5) / 5 for x in curve["at"]]
        assert curve["loss"] == pytest.approx(expected, abs=1e-6)
        assert curve["gradient"] == pytest.approx([positives / 5] * len(curve["at"]))


@pytest.mark.backend
def test_a_loss_of_the_whole_batch_gets_each_number_as_a_batch_of_its_own(numbers) -> None:
    positive, negative = numbers("dice")["curves"]
    for x, loss in zip(positive["at"], positive["loss"], strict=True):
        assert loss == pytest.approx(1 - 2 * x / (1 + x), abs=1e-5)
    assert negative["loss"] == pytest.approx([1] * len(negative["at"]), abs=1e-5)


@pytest.mark.backend
def test_a_loss_that_cannot_be_vectorised_is_computed_one_by_one(numbers, monkeypatch) -> None:
    import keras

    quick = numbers("around")

    def refuse(*arguments):
        raise NotImplementedError

    monkeypatch.setattr(keras.ops, "vectorized_map", refuse)
    slow = numbers("around")
    for one, other in zip(quick["curves"], slow["curves"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["gradient"] == pytest.approx(other["gradient"], abs=1e-5)


@pytest.mark.backend
def test_the_axis_can_be_chosen(numbers) -> None:
    (curve,) = numbers("mse", "--from", -1, "--to", 4)["curves"]
    assert (curve["at"][0], curve["at"][-1]) == (-1, 4)


@pytest.mark.backend
def test_what_is_not_a_number_is_null_and_can_be_drawn(numbers, tmp_path) -> None:
    document = numbers("log", "--target", 1, "-o", tmp_path / "log.png")
    (curve,) = document["curves"]
    assert curve["loss"][0] is None
    assert curve["loss"][-1] is not None
    assert (tmp_path / "log.png").stat().st_size


@pytest.mark.backend
def test_states_are_those_at_the_start(numbers) -> None:
    (curve,) = numbers("counting")["curves"]
    assert curve["loss"] == pytest.approx([3 * value for value in curve["at"]])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("masked", "further targets: mask, inputs"),
        ("several", "several outputs: mean, variance"),
        ("taught", "a network: teacher"),
        ("learning", "weights that are trained first: factor"),
        ("letters", "no picture for losses of the kind"),
    ],
)
def test_what_needs_more_than_a_prediction_has_no_picture(fakes, run, name, reason) -> None:
    """Whatever the parameters: not even required ones are asked for."""
    result = run("plot", name, "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["type"] == "NoPictureError"
    assert f"'fake/{name}'" in error["what"]
    assert reason in error["what"]


@pytest.mark.backend
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["letters"], "no picture"),
        (["square", "-p", "scale=-1"], "'scale'"),
        (["square", "-p", "skale=1"], "Did you mean 'scale'?"),
        (["square", "-p", "from_logits=true,false"], "one picture for each"),
        (["square", "--from", "2", "--to", "1"], "The axis is empty"),
        (["classes", "-p", "weights=text"], "'weights'"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(fakes, run, tmp_path, arguments, message) -> None:
    result = run("plot", *arguments, "-o", tmp_path / "picture.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.backend
def test_a_required_parameter_must_be_given(plugin, run) -> None:
    result = run("plot", "hard", "--json")
    assert result.exit_code == 1
    assert "needs the parameter 'weights'" in result.stderr


@pytest.mark.backend
def test_a_png_has_its_path_on_stdout(fakes, run, tmp_path) -> None:
    path = tmp_path / "picture.png"
    result = run("plot", "square", "-p", "scale=1,2,3", "-o", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.backend
def test_by_default_the_picture_is_named_after_the_loss(fakes, run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("plot", "around").stdout == "fake-around.png\n"
    assert (tmp_path / "fake-around.png").is_file()


@pytest.mark.backend
def test_an_svg_is_the_same_every_time(fakes, run, tmp_path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        run("plot", "square", "-p", "scale=1,2", "-o", path)
    assert first.read_bytes() == second.read_bytes()
    assert ET.parse(first).getroot().tag.endswith("svg")


@pytest.mark.backend
def test_the_picture_says_what_it_shows(fakes, run, tmp_path, monkeypatch) -> None:
    """Titles, axes and legend, read from the figure before it is written."""
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    run("plot", "square", "-p", "scale=1,2", "-o", tmp_path / "picture.png")
    (figure,) = figures
    left, right = figure.axes
    assert left.get_title("left") == "fake/square"
    assert right.get_title("right").startswith("lossplug-fake 1.0, Keras 3.")
    assert [text.get_text() for text in left.texts] == ["from_logits = True"]
    assert left.get_xlabel() == right.get_xlabel() == "logit"
    assert left.get_ylabel() == "loss"
    assert right.get_ylabel() == "gradient: d loss / d logit"
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["scale = 1", "scale = 2", "y = 1", "y = 0"]


@pytest.mark.backend
def test_numbers_alone_need_no_matplotlib(numbers, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert numbers("square")["curves"]
