"""Parameters that are one of several functions, each with parameters of its own."""

import copy
import json
import pickle
import tomllib
from functools import partial
from typing import Annotated, Any

import numpy as np
import pytest

from lossplug_core import (
    Choice,
    ClassWeights,
    Network,
    NonNegative,
    ParameterError,
    Positive,
    SpecError,
    UnknownParameterError,
    chosen,
    loss,
    one_of,
)
from lossplug_core.params import admits_float, differs, dump, parameters_of, refusals, validate
from lossplug_core.schedules import Adjustable, Linear
from lossplug_core.spec import spec_of


def hard(rows):
    return max(rows)


def multi_similarity(rows, *, epsilon: Positive = 0.1):
    return max(rows) - epsilon


def least(rows, *more):
    return min(rows, *more)


def weighted(rows, *, weights: ClassWeights, power: float = 1):
    return sum(w * row**power for w, row in zip(weights, rows, strict=True))


Mining: Any = one_of(hard, multi_similarity, weighted, smallest=least)


def nested(rows, *, mining: Mining = "hard"):
    return chosen(Mining, mining)(rows)


Deep: Any = one_of(nested)


@loss(y_true="values", y_pred="values", conventions={"peer": {"mining": "multi_similarity"}})
def example(
    y_true,
    y_pred,
    *,
    mining: Mining | None = None,
    always: Mining = "hard",
    deep: Deep = "nested",
):
    """A loss of parts."""


SPEC = spec_of(example)
MULTI = {"name": "multi_similarity", "epsilon": 0.1}


def read(value):
    return validate(SPEC, {"mining": value})["mining"]


@pytest.mark.parametrize(
    ("given", "name", "parameters", "plain"),
    [
        ("hard", "hard", {}, "hard"),
        ({"name": "hard"}, "hard", {}, "hard"),
        ("smallest", "smallest", {}, "smallest"),
        ("multi_similarity", "multi_similarity", {"epsilon": 0.1}, MULTI),
        (MULTI | {"epsilon": 2}, "multi_similarity", {"epsilon": 2.0}, MULTI | {"epsilon": 2.0}),
        (MULTI | {"epsilon": np.float32(2)}, "multi_similarity", {"epsilon": 2.0}, None),
        (
            {"name": "weighted", "weights": np.array([1, 2])},
            "weighted",
            {"weights": (1.0, 2.0), "power": 1.0},
            {"name": "weighted", "weights": [1.0, 2.0], "power": 1.0},
        ),
    ],
)
def test_a_name_or_a_mapping_becomes_a_choice_and_plain_data_again(given, name, parameters, plain):
    for choice in (read(given), chosen(Mining, given), read(read(given))):
        assert (choice.name, choice.parameters) == (name, parameters)
    written = dump(SPEC, {"mining": choice})["mining"]
    assert plain is None or written == plain
    assert read(json.loads(json.dumps(written))) == choice
    toml = written if isinstance(written, str) else {key: written[key] for key in written}
    text = json.dumps(toml) if isinstance(toml, str) else _inline(toml)
    assert read(tomllib.loads(f"mining = {text}")["mining"]) == choice


def _inline(table) -> str:
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + "}"


def test_a_choice_calls_its_function_with_its_parameters() -> None:
    assert chosen(Mining, "hard")([1, 3]) == 3
    assert chosen(Mining, MULTI | {"epsilon": 1})([1, 3]) == 2.0
    assert chosen(Deep, {"name": "nested", "mining": MULTI | {"epsilon": 1}})([1, 3]) == 2.0


def test_none_is_a_value_only_where_the_type_says_so() -> None:
    assert chosen(Mining, None) is chosen(Mining | None, None) is None
    assert read(None) is None
    with pytest.raises(ParameterError, match="'always' of 'example' does not name an alternative"):
        validate(SPEC, {"always": None})


def test_defaults_and_conventions_are_completed_too() -> None:
    values = validate(SPEC, {}, convention="peer")
    assert values["mining"] == Choice("multi_similarity", multi_similarity, {"epsilon": 0.1})
    assert values["always"] == Choice("hard", hard)
    assert values["deep"].parameters["mining"] == Choice("hard", hard)
    plain = {"mining": MULTI, "always": "hard", "deep": {"name": "nested", "mining": "hard"}}
    assert dump(SPEC, values) == plain
    assert validate(SPEC, plain) == values
    assert [name for name in values if differs(SPEC, name, values[name])] == ["mining"]


@pytest.mark.parametrize(
    ("value", "kind", "parameter", "says"),
    [
        ("hrd", ParameterError, "mining", "no alternative 'hrd'.*'hard', or 'multi_.*mean 'hard'"),
        ({"name": "hrd"}, ParameterError, "mining", "Did you mean 'hard'"),
        (3, ParameterError, "mining", "does not name an alternative.*Received 3"),
        (True, ParameterError, "mining", "does not name an alternative"),
        ({"epsilon": 1}, ParameterError, "mining", "does not name an alternative"),
        ({"name": 1}, ParameterError, "mining", "does not name an alternative"),
        (multi_similarity, ParameterError, "mining", "does not name an alternative"),
        (Choice("other", min), ParameterError, "mining", "no alternative 'other'"),
        (MULTI | {"epsilon": 0}, ParameterError, "mining.epsilon", "mining.epsilon: float > 0"),
        (MULTI | {"epsilon": None}, ParameterError, "mining.epsilon", "valid number"),
        (MULTI | {"epsilom": 1}, UnknownParameterError, "mining.epsilom", "mean 'epsilon'"),
        (MULTI | {7: 1}, UnknownParameterError, "mining.7", "no parameter 7"),
        ({"name": "hard", "epsilon": 1}, UnknownParameterError, "mining.epsilon", "no parameters"),
        ("weighted", ParameterError, "mining.weights", "'weighted' needs the parameter 'weights'"),
        (Linear(0, 1, 5), ParameterError, "mining", "'mining' of 'example' cannot be a schedule"),
        (
            MULTI | {"epsilon": Adjustable(1)},
            ParameterError,
            "mining.epsilon",
            "be a schedule.*loss",
        ),
        (
            MULTI | {"epsilon": Linear(1, 2, 5).as_data()},
            ParameterError,
            "mining.epsilon",
            "cannot be a schedule",
        ),
    ],
)
def test_what_is_not_a_choice_is_refused_with_its_place(value, kind, parameter, says) -> None:
    with pytest.raises(kind, match=f"(?s){says}") as caught:
        read(value)
    assert type(caught.value) is kind
    assert caught.value.parameter == parameter
    assert "`lossplug show example`" in str(caught.value) or "schedule" in str(caught.value)
    with pytest.raises(kind):  # where somebody calls the loss's function
        chosen(Mining, value)


def test_an_error_deep_inside_names_all_of_its_place() -> None:
    with pytest.raises(ParameterError) as caught:
        validate(SPEC, {"deep": {"name": "nested", "mining": MULTI | {"epsilon": -1}}})
    assert caught.value.parameter == "deep.mining.epsilon"


def test_a_choice_is_a_value() -> None:
    choice, same, other = (chosen(Mining, MULTI | {"epsilon": e}) for e in (0.2, 0.2, 0.3))
    assert repr(choice) == "multi_similarity(epsilon=0.2)"
    assert choice == same != other
    assert len({choice, same, chosen(Mining, {"name": "weighted", "weights": [1]})}) == 2
    for again in (pickle.loads(pickle.dumps(choice)), copy.deepcopy(choice)):
        assert again == choice
        assert chosen(Mining, again) is again
    with pytest.raises(AttributeError):
        choice.name = "hard"
    with pytest.raises(TypeError):
        choice.parameters["epsilon"] = 1


def test_a_choice_of_other_functions_is_read_by_its_name() -> None:
    elsewhere = Choice("multi_similarity", min, {"epsilon": 3})
    assert chosen(Mining, elsewhere) == chosen(Mining, MULTI | {"epsilon": 3})


def test_a_type_is_told_in_words() -> None:
    parameters = parameters_of(SPEC)
    assert parameters["always"].type_text == (
        "'hard', or 'multi_similarity' (epsilon: float > 0 = 0.1), or 'weighted' "
        "(weights: sequence of float ≥ 0, power: float = 1), or 'smallest'"
    )
    assert parameters["mining"].type_text == parameters["always"].type_text + ", or None"
    assert not any(admits_float(p.annotation) for p in parameters.values())


def keyword_name(rows, *, name: str = "a"): ...
def keyword_schedule(rows, *, schedule: str = "a"): ...


@pytest.mark.parametrize(
    ("functions", "named", "says"),
    [
        ([], {}, "nothing to choose from"),
        ([hard], {"hard": min}, "Several alternatives are called 'hard'"),
        ([lambda rows: rows], {}, "a function with a name"),
        ([partial(multi_similarity, epsilon=1.0)], {}, "a function with a name"),
        ([3], {}, "a function with a name"),
        ([keyword_name], {}, "cannot have a parameter 'name'"),
        ([keyword_schedule], {}, "cannot have a parameter 'schedule'"),
        ([], {"max": 3}, "cannot be read"),
    ],
)
def test_alternatives_that_could_not_be_told_apart_are_refused(functions, named, says) -> None:
    with pytest.raises(SpecError, match=says):
        one_of(*functions, **named)


def first_refusal(spec) -> None:
    for _, refusal in refusals(spec):
        raise SpecError(refusal)


def refusing(rows, *, epsilon: Positive = -1.0): ...
def unread(rows, *, epsilon: "NoSuchType" = 1.0): ...  # noqa: F821
def taught(rows, *, teacher: Network): ...


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (one_of(hard, refusing), "'part.refusing.epsilon' of 'broken' is not valid"),
        (one_of(hard, unread), "NoSuchType"),
        (one_of(taught), "is a network"),
        (one_of(hard) | float, "nothing else, beside None"),
        (Annotated[NonNegative, "mark"] | one_of(hard), "nothing else, beside None"),
        (tuple[one_of(hard), ...], "nothing else, beside None"),
    ],
)
def test_mistakes_of_an_author_are_found_without_a_user(annotation, says) -> None:
    @loss(y_true="values", y_pred="values")
    def broken(y_true, y_pred, *, part: annotation = "hard"): ...

    with pytest.raises(SpecError, match=says):
        first_refusal(spec_of(broken))


def test_only_a_type_of_one_of_can_be_chosen_from() -> None:
    with pytest.raises(SpecError, match="no type of one_of"):
        chosen(float, "hard")
