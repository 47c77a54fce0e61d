"""What a loss is for, told from its forms."""

import pytest

from lossplug_core import Network, loss
from lossplug_core.forms import ANY, PREDICTIONS, TARGETS
from lossplug_core.spec import spec_of
from lossplug_core.tasks import _OF_FORMS, TASKS, tasks_of


def spec(y_true, y_pred, **declared):
    @loss(y_true=y_true, y_pred=y_pred, **declared)
    def one(y_true, y_pred):
        return y_pred

    return spec_of(one)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "tasks"),
    [
        ("binary", "logits|probabilities", "binary classification, multilabel classification"),
        ("signs", "scores", "binary classification"),
        ("class_ids|one_hot", "logits", "multiclass classification"),
        ("probabilities", "probabilities", "multiclass classification"),
        ("multi_hot", "logits", "multilabel classification"),
        ("values", "values", "regression"),
        ("labels|multi_hot", "embeddings", "metric learning"),
        ("binary", "distances", "metric learning"),
        ("sequences", "logits", "sequence labelling"),
        ("any", "any", ""),
        ("any", "logits", ""),
        ("values", "embeddings", ""),
    ],
)
def test_forms_tell_the_task(y_true, y_pred, tasks):
    assert ", ".join(tasks_of(spec(y_true, y_pred))) == tasks


def test_the_forms_of_outputs_count():
    both = spec("values", "values", outputs={"mean": "values", "variance": "scales"})
    assert tasks_of(both) == ("regression", "uncertainty estimation")


@pytest.mark.parametrize(("y_true", "is_one"), [("class_ids", True), ("values", False)])
def test_classes_beside_a_network_are_distillation(y_true, is_one):
    @loss(y_true=y_true, y_pred="logits|values")
    def taught(y_true, y_pred, *, teacher: Network):
        return y_pred

    assert ("knowledge distillation" in tasks_of(spec_of(taught))) == is_one


def test_the_table_has_forms_and_tasks_that_there_are():
    for targets, predictions, tasks in _OF_FORMS:
        assert {*targets} <= {*TARGETS} - {ANY}
        assert {*predictions} <= {*PREDICTIONS} - {ANY}
        assert {*tasks} <= {*TASKS}


@pytest.mark.parametrize("forms", [TARGETS, PREDICTIONS])
def test_no_form_is_forgotten(forms):
    told = {form for *pair, _ in _OF_FORMS for one in pair for form in one}
    assert {*forms} - {ANY} <= told
