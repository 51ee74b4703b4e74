"""The report in its forms: what it says, and that it fits."""

from __future__ import annotations

import csv
import io
import re
from xml.etree import ElementTree as ET

import pytest
from loadtest.lab.analysis import analyse
from loadtest.lab.compare import compare
from loadtest.lab.model import Results
from loadtest.lab.report import axes, html, rows, svg, terminal
from rich.console import Console

from fixtures.lab_results import latency, results, trial, whole_run


@pytest.fixture(scope="module")
def whole() -> Results:
    return whole_run()


def shown(made: Results, width: int = 110) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    terminal.show(analyse(made), console)
    return console.export_text()


def table_row(text: str, name: str, column: int) -> list[str]:
    """Words of the n-th line that begins with `name`."""
    lines = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
    return lines[column]


@pytest.mark.parametrize("width", [80, 110])
def test_terminal_fits_and_cuts_nothing(whole: Results, width: int) -> None:
    text = shown(whole, width)
    goals_and_headline = ("met ", "missed ", "not claimed ")
    assert (
        max(len(line) for line in text.splitlines() if not line.startswith(goals_and_headline))
        <= width
    )
    assert "…" not in text


def test_terminal_shows_rates_latencies_and_ratios(whole: Results) -> None:
    text = shown(whole)
    rate, *times, errors, backends, ratio, low, high = table_row(text, "reconnect-tcp", 0)[1:]
    assert 145 < int(rate) < 159
    assert [round(float(value)) for value in times] == [104, 140, 158, 180]
    assert (errors, backends) == ("0", "16")
    assert (ratio[:3], low[:3], high[:3]) == ("14.", "[13", "14.")
    assert table_row(text, "reconnect-tcp", 1)[1:] == ["70", "2,900", "0", "3,500", "6,470"]
    assert table_row(text, "reconnect-tcp", 2)[-4:-1] == ["fails", "fails", "fails"]


def test_terminal_says_what_is_missing_void_and_valid(whole: Results) -> None:
    text = shown(whole)
    assert (
        "not here  reconnect-mysql: MariaDB is not installed; apt-get install mariadb-server"
        in text
    )
    assert "void      no-query, 1 ×: generator used 74% of its core, more than 70%" in text
    assert "The A/A pair, one strategy under two names, gives " in text
    assert "4 of 286 trials are void." in text
    assert text.splitlines()[-1].startswith("14.")


def test_terminal_of_a_doubtful_quick_run_claims_nothing() -> None:
    text = shown(whole_run(3, twin=1.08))
    assert text.count("Nothing is claimed: the A/A pair gives 0.92") == 1
    assert "Intervals are Student's t of 3 blocks; FULL=1 makes 10 or more." in " ".join(
        text.split()
    )
    assert "instead of 16 backends" not in text


@pytest.mark.parametrize(
    "made",
    [
        results(),
        results([trial(rate=0)]),
        results([trial(block=0), trial("reconnect-tcp", 0, void=("3 failed",))]),
        results([trial("host", 0, 90.0, purpose="ladder", users=1)], suite="host"),
        results(
            [trial("host", 0, 90, purpose="open", offered=90.0, corrected=latency(3))], suite="host"
        ),
        results(
            [trial("host", 0, 0, purpose="ladder", failures=9, void=("9 failed",))], suite="host"
        ),
    ],
    ids=["nothing", "no answer", "one block", "one step", "one rate", "all failed"],
)
def test_every_output_bears_a_run_with_little_in_it(made: Results) -> None:
    assert shown(made)
    assert html.page(analyse(made)).endswith("</html>\n")
    assert rows.text(made).count("\n") == 1 + len(made.trials)


def test_validity_says_when_a_run_was_interrupted_or_shared_its_cores() -> None:
    machine = whole_run(1).machine.model_copy(update={"generator_cores": (0,)})
    text = shown(results([trial(), trial(block=1)], blocks=3, machine=machine, intended=6))
    assert "The run was interrupted: 2 of 6 trials. RESUME=1 goes on." in text
    assert "The generator and the stack share cores" in text
    assert "share cores" not in shown(whole_run(3))
    assert "interrupted" not in shown(whole_run(3))


def test_validity_says_how_slow_the_machine_was() -> None:
    text = shown(results([trial(slowness=1.02), trial(block=1, slowness=1.3)]))
    said = (
        "A fixed piece of work took 1.16 times as long during the trials as at its best, 1.30 "
        "times in the worst"
    )
    assert said in " ".join(text.split())
    assert "fixed piece of work" not in shown(results([trial()]))


def test_comparison_names_what_changed() -> None:
    old = whole_run(4)
    slower = tuple(
        trial.model_copy(update={"requests": trial.requests * 9 // 10})
        if trial.label == "pgpool"
        else trial
        for trial in old.trials
    )
    console = Console(width=100, record=True, file=io.StringIO())
    new = old.model_copy(update={"trials": slower, "versions": old.versions | {"Django": "5.2.20"}})
    terminal.show_comparison(compare(new, old), console)
    text = console.export_text()
    assert re.search(r"pgpool +0\.90× \[0\.\d\d, 0\.\d\d\] +regression", text)
    assert re.search(r"psycopg-pool +1\.00× .* no change shown", text)
    assert "updated     Django: 5.2.19 → 5.2.20" in text


def test_csv_has_a_line_for_each_trial_and_empty_fields_for_the_unknown(whole: Results) -> None:
    lines = list(csv.DictReader(io.StringIO(rows.text(whole))))
    assert len(lines) == 286
    first = lines[0]
    assert (first["label"], first["users"], first["kind"]) == ("reconnect-tcp", "16", "closed")
    assert float(first["p99_ms"]) == pytest.approx(158, abs=0.5)
    assert (first["offered_rate"], first["corrected_p99_ms"], first["sessions"], first["void"]) == (
        "",
        "",
        "",
        "",
    )
    opened = next(
        row for row in lines if row["purpose"] == "open" and row["label"] == "pgbouncer-transaction"
    )
    assert (opened["kind"], opened["offered_rate"]) == ("open", "215.0")
    assert float(opened["corrected_p50_ms"]) > 2


def test_page_is_one_file_without_script_or_address(whole: Results) -> None:
    page = html.page(analyse(whole))
    assert "<script" not in page
    assert set(re.findall(r"https?://[^\s\"<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", page) == ["data:,"]
    assert "{{" not in page
    assert "None" not in page


def test_page_says_how_to_make_the_run_again() -> None:
    asked = {"FULL": "1", "PAGE": "/queries?n=20", "STRATEGIES": "pgpool,no-query", "SEED": "1"}
    page = html.page(analyse(results([trial("pgpool"), trial("no-query")], asked=asked)))
    assert (
        "make loadtest FULL=1 PAGE=&#39;/queries?n=20&#39; STRATEGIES=pgpool,no-query SEED=1<"
        in page
    )


def test_report_of_a_host_says_what_held_its_rate_down() -> None:
    asked = {"HOST": "https://my.host", "MAX_RATE": "100", "SEED": "1"}
    made = results(
        [trial("https://my.host", 0, 90.0, purpose="ladder", users=1)], suite="host", asked=asked
    )
    said = "All was paced to MAX_RATE=100: a rate near it is not the capacity of the host."
    assert said in " ".join(shown(made).split())
    assert said in html.page(analyse(made))
    assert "RESUME" not in shown(made.model_copy(update={"intended": 9}))


def test_report_names_what_it_compares() -> None:
    made = results(
        [trial("/db"), trial("/json")],
        suite="pages",
        reference="/db",
        strategies={"/db": "a row", "/json": "none"},
    )
    text = shown(made)
    assert table_row(text, "page", 0)[:2] == ["page", "r/s"]
    assert "ratio: requests/s of /db ÷ each page, 95 % interval" in " ".join(text.split())
    page = html.page(analyse(made))
    assert "<h2>Every page</h2>" in page
    assert "/db ÷ each page" in page
    assert "strategy" not in page.partition("</style>")[2]


def test_report_names_the_most_frequent_failures() -> None:
    made = results(
        [trial(failures=9, reasons={"status 503": 8, "status 500": 1}, void=("9 failed",))]
    )
    text = shown(made)
    assert (
        "failed    pgbouncer-transaction: 8 × status 503\nfailed    pgbouncer-transaction: 1 × "
        "status 500" in text
    )
    assert "Failed: pgbouncer-transaction: 8 × status 503." in html.page(analyse(made))


def test_latency_over_rate_is_on_the_terminal_too(whole: Results) -> None:
    text = shown(whole).partition("Latency over rate")[2]
    offered, answered, p50, p99, errors = table_row(text, "pgbouncer-transaction", 0)[1:]
    assert (offered, answered, errors) == ("215", "215", "0")
    assert 2 < float(p50) < float(p99) < 10


def test_page_escapes_what_it_is_told() -> None:
    made = results(
        [trial("<b>x</b>", 0)], strategies={"<b>x</b>": "<i>"}, unavailable={"y": "<u>no</u>"}
    )
    page = html.page(analyse(made))
    for part in ("<b>x", "<i>", "<u>"):
        assert part not in page


def test_bars_are_as_long_as_the_rates(whole: Results) -> None:
    picture = re.findall(r"<svg.*?</svg>", html.page(analyse(whole)), re.DOTALL)
    rates = next(figure for figure in picture if 'aria-label="Requests per second"' in figure)
    bars = ET.fromstring(rates).findall("{http://www.w3.org/2000/svg}rect")
    widths = {str(bar[0].text).split(":")[0]: float(bar.attrib["width"]) for bar in bars}
    assert len(widths) == 12
    assert widths["no-query"] / widths["pgbouncer-transaction"] == pytest.approx(3.24, abs=0.05)
    assert widths["patched-signal"] / widths["reconnect-tcp"] == pytest.approx(14.7, abs=0.3)


def test_every_series_of_thirty_looks_different() -> None:
    looks = svg.looks([f"s{number}" for number in range(30)], reference="s3")
    assert len(set(looks.values())) == 30
    assert looks["s3"] == svg.REFERENCE
    others = [look for look in looks.values() if look != svg.REFERENCE]
    assert len({(look.css, look.dash) for look in others[:18]}) == 18


def test_scales_end_at_round_values() -> None:
    linear = axes.linear(2_110, 0, 100)
    assert (linear.low, linear.high, linear.ticks(5)) == (0, 2500, [0, 500, 1000, 1500, 2000, 2500])
    assert (linear(0), linear(1250), linear(9999)) == (0, 50, 100)
    log = axes.logarithmic(3.1, 420, 0, 90)
    assert (log.low, log.high, log.ticks()) == (2, 500, [2, 5, 10, 20, 50, 100, 200, 500])
    assert axes.logarithmic(1, 100, 0, 90)(10) == 45
    assert axes.logarithmic(5, 5, 0, 90).high == 10
