// Asks for the figures every few seconds, and shows them: words and tables here, lines in charts.js.
"use strict";

(() => {
  const { Chart, element, seconds, number, percent, bytes, clock } = Charts;
  const PAST_SECONDS = 60;
  const HOUR = 3600;
  const PANELS = [, "verdict", "users", "where", "full", "blocks", "statements", "machine", "safe"];
  const find = (id) => document.getElementById(id);
  const charts = [...document.querySelectorAll("[data-chart]")].map((place) => new Chart(place));
  const kept = { time: [], lines: {}, marks: [], limits: {}, span: HOUR };
  const ranges = find("ranges");
  // What Prometheus remembers of the range that is chosen; null while that is the hour, or is not known.
  let past = null;
  let asked = 0;
  let wait = 5;
  let asking = false;

  // Only a change is written: screen readers announce these.
  const write = (place, text) => {
    if (place.textContent !== text) place.textContent = text;
  };

  const merge = (given) => {
    kept.time.push(...given.time);
    const first = kept.time.findIndex((time) => time > given.now - HOUR);
    kept.time.splice(0, Math.max(0, first));
    for (const [name, values] of Object.entries(given.lines)) {
      const line = (kept.lines[name] ??= []);
      line.push(...values);
      line.splice(0, line.length - kept.time.length);
    }
    Object.assign(kept, { marks: given.marks, limits: given.limits });
  };

  const alertRow = (alert, now) => {
    const firing = alert.state === "firing";
    const kind = firing ? (alert.severity === "page" ? "bad" : "warn") : "warn";
    const words = firing ? (alert.severity === "page" ? "act now" : "in the morning") : "begins";
    const panel = element("a", { href: `#${PANELS[alert.panel]}` }, `panel ${alert.panel}`);
    return element("li", {}, element("span", { class: `tag ${kind}` }, words), element("b", {}, alert.name), ` ${alert.text} Since ${seconds(now - alert.since)}; look at `, panel, ".");
  };

  const showVerdict = (given) => {
    const level = find("level");
    write(level, given.verdict.text);
    level.className = `level ${given.verdict.level}`;
    document.title = `${{ good: "✓", warn: "!", bad: "✗" }[given.verdict.level]} Stack status`;
    find("alerts").replaceChildren(...given.alerts.map((alert) => alertRow(alert, given.now)));
  };

  const PARTS = { queue: "in the queue for a thread", python: "in Python", pool_wait: "waiting for the pool", sql: "in SQL and the locks that it waits for" };

  // In words what panel 3 shows: where the requests of the last minute were.
  const showMost = (given) => {
    const minute = Math.round(60 / given.interval);
    const mean = (name) => {
      const known = kept.lines[name].slice(-minute).filter((value) => value !== null);
      return known.reduce((sum, value) => sum + value, 0) / (known.length || 1);
    };
    const found = Object.entries(PARTS).map(([name, words]) => [mean(name), words]).sort(([a], [b]) => b - a);
    const all = found.reduce((sum, [value]) => sum + value, 0);
    const [[first, words]] = found;
    write(find("most"), all < 0.05 ? "There is hardly a request." : `Of the last minute, ${percent(first / all)} of the requests' time was spent ${words}; ${number(all)} requests at a time were there.`);
  };

  const showSessions = (given) => {
    const { facts, sessions = [] } = given;
    const blocker = sessions.find((one) => one.blocks && !one.waits);
    const blocks = facts.blocker
      ? `Process ${facts.blocker}${blocker ? ` (${blocker.role}, ${blocker.program || "no name"}, ${blocker.state}, last ${blocker.words || "unknown"})` : ""} blocks ${facts.blocker_waiters} sessions; its transaction is ${seconds(facts.blocker_seconds)} old.`
      : "";
    const idle = facts.idle_in_transaction;
    const limit = given.limits.idle_in_transaction_timeout;
    const late = idle > 5 ? `A session has been idle in a transaction for ${seconds(idle)}${limit ? `; planned are ${seconds(limit)} at most` : ""}.` : "";
    write(find("blocker"), given.down.includes("postgresql") ? "" : [blocks, late].filter(Boolean).join(" ") || "Nobody blocks.");
    const row = (one) =>
      element(
        "tr",
        one.blocks && !one.waits ? { class: "blocks" } : {},
        element("th", { scope: "row" }, `${one.pid}`),
        element("td", {}, `${one.role}${one.program ? `, ${one.program}` : ""}`),
        element("td", {}, one.waits ? "waits for a lock" : one.state),
        element("td", {}, one.words),
        element("td", { class: "figure" }, seconds(one.seconds)),
      );
    const away = given.down.includes("postgresql");
    const none = element("tr", {}, element("td", { colspan: "5" }, away ? "Not known: PostgreSQL does not answer." : "No transaction is open."));
    find("sessions").tBodies[0].replaceChildren(...(sessions.length && !away ? sessions.map(row) : [none]));
  };

  const showStatements = ({ statements = [] }) => {
    const cell = (text) => element("td", { class: "figure", role: "cell" }, text);
    const row = (one) => element("tr", { role: "row" }, cell(percent(one.share)), cell(one.calls.toLocaleString("en")), cell(seconds(one.seconds / one.calls)), cell(seconds(one.seconds)), element("td", { role: "cell" }, one.text));
    const none = element("tr", {}, element("td", { colspan: "5" }, "None is known (yet)."));
    find("top").tBodies[0].replaceChildren(...(statements.length ? statements.map(row) : [none]));
  };

  const showFacts = (given) => {
    const { facts, limits, now } = given;
    const ago = (time) => (time ? `${seconds(now - time)} ago` : "not known");
    const left = facts.disk_days;
    const lasts = left === null ? "it does not shrink" : left > 90 ? "lasts for months at this pace" : `lasts ${number(left)} days at this pace`;
    write(find("disk"), facts.disk_free ? `The database's disk: ${bytes(facts.disk_free)} of ${bytes(limits.disk)} free; ${lasts}. Memory: ${bytes(facts.memory_available)} of ${bytes(limits.memory)} to be had; ${number(limits.cores)} processors.` : "");
    const pairs = [
      ["Backup", facts.backup ? `${ago(facts.backup)}${facts.backup_oldest ? `, planned ${seconds(facts.backup_oldest)} at most` : ""}` : "none known"],
      ["Certificate", facts.certificate ? `ends in ${seconds(facts.certificate - now)}` : "no TLS here"],
      ["Web processes", `youngest began ${ago(facts.web)}`],
      ["PostgreSQL", given.down.includes("postgresql") ? "does not answer" : `began ${ago(facts.postgresql)}`],
      ["Plan", `written ${ago(facts.planned)}`],
    ];
    find("facts").replaceChildren(...pairs.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
  };

  const showMarks = ({ marks, span }) => {
    const last = [...marks].sort((a, b) => b.time - a.time).slice(0, 8);
    const kinds = { deploy: "D", plan: "P", start: "S", alert: "!" };
    const row = (mark) => element("li", {}, element("span", { class: `tag ${mark.kind === "alert" ? "bad" : "good"}` }, kinds[mark.kind]), `${clock(mark.time, span)} ${mark.text}`);
    find("marks").replaceChildren(...(last.length ? last.map(row) : [element("li", {}, "Nothing within this time.")]));
  };

  const draw = () => {
    const data = past ? { ...past, limits: kept.limits } : kept;
    showMarks(data);
    if (data.time.length) charts.forEach((chart) => chart.show(data));
  };

  const show = (given) => {
    write(find("stack"), `${given.stack ?? ""} ·`);
    showVerdict(given);
    merge(given);
    showSessions(given);
    showStatements(given);
    showFacts(given);
    ranges.hidden = !given.ranges.length;
    if (kept.time.length) showMost(given);
    draw();
  };

  const chosen = () => ranges.querySelector(":checked");

  // Of the range that is chosen, by Prometheus; the hour where that does not answer.
  const remember = async () => {
    const { value, nextElementSibling: name } = chosen();
    if (!value || ranges.hidden) return;
    asked = Date.now();
    try {
      const answer = await fetch(`history.json?range=${value}`, { cache: "no-store", signal: AbortSignal.timeout(20_000) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const given = await answer.json();
      if (value !== chosen().value) return;
      past = { ...given, span: given.time.at(-1) - given.time[0] };
      write(find("shown"), `The last ${name.textContent}, by Prometheus: a point for each ${seconds(given.step)}. Times and rates are means of it, what is taken is the most within it.`);
    } catch {
      if (value !== chosen().value) return;
      past = null;
      write(find("shown"), "Prometheus does not answer. This is the last hour.");
    }
    draw();
  };

  ranges.addEventListener("change", () => {
    past = null;
    write(find("shown"), chosen().value ? "Prometheus is asked …" : "");
    draw();
    remember();
  });

  const refresh = async () => {
    if (asking) return;
    asking = true;
    try {
      const since = kept.time.at(-1) ?? 0;
      const answer = await fetch(`figures.json?since=${since}`, { cache: "no-store", signal: AbortSignal.timeout(20_000) });
      if (answer.status === 403) throw new Error("you are signed out; load this page again");
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const given = await answer.json();
      if (given.now === null) return write(find("fresh"), "it has just started");
      wait = given.interval;
      show(given);
      write(find("fresh"), `of ${clock(given.now)}`);
    } catch (error) {
      const level = find("level");
      write(level, `No answer: ${error.name === "TimeoutError" ? "not within 20 s" : error.message}. What is below is old.`);
      level.className = "level bad";
    } finally {
      asking = false;
    }
  };

  // One look at a time; nobody who has the page in the background asks.
  const loop = async () => {
    if (!document.hidden) await refresh();
    if (!document.hidden && Date.now() - asked > PAST_SECONDS * 1000) remember();
    setTimeout(loop, wait * 1000);
  };
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.redraw()));
  loop();
})();
