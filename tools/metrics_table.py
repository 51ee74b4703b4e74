"""The table of metrics in docs/observability.md, from what the exporter declares.

`GOLDEN=write pytest tests/contract/test_metrics_page.py` writes it between its marks.
"""

from __future__ import annotations

from pathlib import Path

from pgstack.metrics import exporter
from pgstack.metrics.model import PREFIX

PAGE = Path(__file__).resolve().parents[1] / "docs" / "observability.md"
BEGIN, END = "<!-- metrics: made by `make derive` -->\n", "<!-- end of the metrics -->"
SOURCES = {
    "up": "The exporter",
    "scrape": "The exporter",
    "info": "The plan",
    "plan": "The plan",
    "pgbouncer": "PgBouncer",
    "postgresql": "PostgreSQL",
    "apache": "Apache",
    "wsgi": "Web processes",
    "backup": "Backup and certificate",
    "certificate": "Backup and certificate",
    "machine": "The machine",
    "cluster": "A cluster",
    "balancer": "Balancers",
    "drill": "A host alone",
    "verify": "A host alone",
    "release": "A host alone",
}
"""heading by the first word of a metric's name"""


def table() -> str:
    """A section for each source, with a row for each metric."""
    sections: dict[str, list[str]] = {}
    for metric in exporter.declared():
        source = SOURCES[metric.name.removeprefix(PREFIX).partition("_")[0]]
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        row = f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |"
        sections.setdefault(source, []).append(row)
    head = "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n"
    return "\n".join(
        f"\n### {source}\n\n{head}" + "\n".join(rows) + "\n"
        for source in dict.fromkeys(SOURCES.values())
        for rows in [sections[source]]
    )


def written() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}\n{END}{after}"
