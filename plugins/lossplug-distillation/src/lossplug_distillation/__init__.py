"""Losses around another model: a teacher's knowledge, an extractor's features."""

from lossplug_distillation.distillation import distillation, precomputed_distillation
from lossplug_distillation.perceptual import perceptual

__all__ = ["distillation", "perceptual", "precomputed_distillation"]
