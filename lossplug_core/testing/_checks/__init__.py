"""The checks, in the order in which they run."""

from lossplug_core.testing._checks import (
    compiling,
    declared,
    elsewhere,
    installed,
    numbers,
    weighing,
)
from lossplug_core.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    installed.loads,
    declared.signature,
    declared.defaults,
    declared.documentation,
    declared.example,
    installed.light_import,
    installed.entry_points,
    weighing.values,
    elsewhere.deterministic,
    weighing.quiet,
    weighing.reductions,
    weighing.sample_weight,
    weighing.masks,
    weighing.order,
    numbers.range_,
    numbers.at_target,
    numbers.gradient,
    numbers.extremes,
    numbers.integer_labels,
    numbers.half_precision,
    numbers.double_precision_,
    compiling.jit,
    compiling.dynamic_batch,
    compiling.retracing,
    compiling.tensor_parameters,
    compiling.memory,
    elsewhere.states,
    elsewhere.config,
    elsewhere.saved_model,
    elsewhere.backends,
    elsewhere.oracle,
)
"""Every check of ours; hooks add others."""
