"""The hazards of transaction pooling: one catalogue for the audit, the guard, the checks and the
documentation."""

from pgstack.hazards.catalogue import CATALOGUE
from pgstack.hazards.model import Detector, Hazard, Severity

__all__ = ["CATALOGUE", "Detector", "Hazard", "Severity"]
