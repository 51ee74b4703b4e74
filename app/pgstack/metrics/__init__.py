"""The exporter: what the servers say of themselves, beside what was planned for them, in
Prometheus' text format.

Each source has a module that reads, and a pure function that makes samples of what was read.
"""
