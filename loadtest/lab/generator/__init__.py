"""The load generator: a process of its own, started by `drive`, that asks for one page and says
what it saw."""

from loadtest.lab.generator.job import BUSY, HEADERS, Job, Outcome, Progress
from loadtest.lab.generator.process import drive, drive_all, drive_pair

__all__ = ["BUSY", "HEADERS", "Job", "Outcome", "Progress", "drive", "drive_all", "drive_pair"]
