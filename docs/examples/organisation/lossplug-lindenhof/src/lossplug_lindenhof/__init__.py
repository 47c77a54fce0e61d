"""What Lindenhof Hospitals train with."""

from lossplug_lindenhof.decision import decision_crossentropy

__all__ = ["decision_crossentropy"]
