// The charts: what each draws, and how it is drawn, read by keyboard and told as a table.
"use strict";

const Charts = (() => {
  const AXIS = "12px system-ui, sans-serif";
  const HEIGHT = 190;
  const TABLE_ROWS = 12;
  const sync = uPlot.sync("page");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const number = (value) => {
    if (value === null || value === undefined) return "–";
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return Number(value.toFixed(digits)).toLocaleString("en");
  };
  const seconds = (value) => {
    if (value === null || value === undefined) return "–";
    if (value > 0 && value < 0.000995) return `${number(value * 1e6)} µs`;
    if (value < 0.0995) return `${number(value * 1000)} ms`;
    if (value < 120) return `${number(value)} s`;
    if (value < 7200) return `${Math.round(value / 60)} min`;
    return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
  };
  const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`);
  const bytes = (value) => {
    if (value === null || value === undefined) return "–";
    return value >= 1e9 ? `${number(value / 1e9)} GB` : `${number(value / 1e6)} MB`;
  };
  const share = (limit) => (value, limits) =>
    value === null || value === undefined ? "–" : `${number(value)} of ${number(limits[limit])}`;

  // `lines`: [name, words, how its value is told]; `part`: what a line is divided by before it is
  // drawn; `limit`: [name of a limit, words, told].
  const ALL = {
    requests: {
      title: "Requests and server errors a second",
      lines: [["requests", "requests", number], ["errors", "server errors (5xx)", number]],
      colours: [1, 3],
    },
    latency: {
      title: "How long requests take, wait for a thread included",
      lines: [["p99", "99 %", seconds], ["p95", "95 %", seconds], ["p50", "half are faster", seconds]],
      colours: [3, 4, 1],
      limit: ["request_timeout", "longest request", seconds],
      log: true,
      axis: seconds,
    },
    where: {
      title: "Requests at a time, by what they wait for",
      lines: [
        ["sql", "SQL", number],
        ["pool_wait", "wait for the pool", number],
        ["python", "Python", number],
        ["queue", "queue for a thread", number],
      ],
      colours: [2, 4, 1, 3],
      stacked: true,
      limit: ["threads", "threads", number],
    },
    full: {
      title: "Taken, in parts of the plan",
      lines: [
        ["threads", "threads", share("threads")],
        ["pool", "pool", share("pool")],
        ["workers", "Apache's workers", share("workers")],
      ],
      colours: [1, 2, 4],
      parts: ["threads", "pool", "workers"],
      limit: ["whole", "all of the plan", percent],
      axis: percent,
    },
    backends: {
      title: "Sessions of PostgreSQL",
      lines: [
        ["active", "active", number],
        ["idle_in_transaction", "idle in a transaction", number],
        ["lock_waiters", "wait for a lock", number],
      ],
      colours: [1, 4, 3],
      limit: ["pool", "pool", number],
    },
    machine: {
      title: "Used, and how often somebody waited for it",
      lines: [
        ["cpu", "processors", percent],
        ["memory", "memory", percent],
        ["pressure_cpu", "waits for a processor", percent],
        ["pressure_io", "waits for the disk", percent],
      ],
      colours: [1, 2, 3, 4],
      axis: percent,
    },
  };
  const LETTERS = { deploy: "D", plan: "P", start: "S", alert: "!" };

  const element = (name, attributes = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };

  const key = (colour, dashed) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const line = document.createElementNS(space, "line");
    for (const [name, value] of Object.entries({ width: 18, height: 8, "aria-hidden": "true", class: `key-${colour}` })) svg.setAttribute(name, value);
    for (const [name, value] of Object.entries({ x1: 0, x2: 18, y1: 4, y2: 4, stroke: "currentColor", "stroke-width": dashed ? 2 : 4, "stroke-dasharray": dashed ? "5 3" : "none" })) line.setAttribute(name, value);
    svg.append(line);
    return svg;
  };

  const DAY = 86400;
  const date = (time) => new Date(time * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const minute = (time) => new Date(time * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  // Of a time that is part of so many seconds: with its date where these are more than hours.
  const clock = (time, span = 0) => (span < DAY ? new Date(time * 1000).toLocaleTimeString("en-GB") : `${date(time)} ${minute(time)}`);
  // Beneath a chart, where one tells `step` seconds from the next.
  const tick = (time, step) => {
    if (step < 60) return clock(time);
    return step < 3600 || (step < DAY && minute(time) !== "00:00") ? minute(time) : date(time);
  };

  class Chart {
    constructor(place) {
      this.kind = ALL[place.dataset.chart];
      this.place = place;
      this.plot = element("div", { class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart" });
      this.legend = element("ul", { class: "legend" });
      this.moment = element("span", { class: "moment" });
      this.table = element("table", {}, element("caption", {}, this.kind.title));
      this.details = element("details", {}, element("summary", {}, "As a table"), element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": this.kind.title }, this.table));
      place.append(element("h3", {}, this.kind.title, " ", this.moment), this.plot, this.legend, this.details);
      this.values = this.kind.lines.map(([, words], at) => this.entry(words, this.kind.colours[at], false));
      if (this.kind.limit) this.planned = this.entry(`${this.kind.limit[1]}, planned`, "limit", true);
      this.details.addEventListener("toggle", () => this.tell());
      this.plot.addEventListener("keydown", (event) => this.press(event));
      this.plot.addEventListener("blur", () => this.point(null));
      new ResizeObserver(() => this.fit()).observe(this.plot);
    }

    entry(words, colour, dashed) {
      const value = element("b", {}, "–");
      this.legend.append(element("li", {}, key(colour, dashed), `${words} `, value));
      return value;
    }

    show(data) {
      this.data = data;
      const limits = { ...data.limits, whole: 1 };
      this.limits = limits;
      const rows = this.kind.lines.map(([name], at) => {
        const part = this.kind.parts ? limits[this.kind.parts[at]] : 1;
        return data.lines[name].map((value) => (value === null || !part ? null : value / part));
      });
      if (this.kind.stacked) {
        for (let at = 1; at < rows.length; at += 1) rows[at] = rows[at].map((value, place) => (value === null ? null : value + (rows[at - 1][place] ?? 0)));
        rows.reverse();
      }
      const limit = this.kind.limit ? limits[this.kind.limit[0]] : null;
      this.drawn = [data.time, ...rows, ...(this.kind.limit ? [data.time.map(() => limit)] : [])];
      if (this.u) this.u.setData(this.drawn);
      else this.make();
      if (this.planned) this.planned.textContent = this.kind.limit[2](limit);
      if (this.cursor === undefined || this.cursor === null) this.name(data.time.length - 1, false);
      if (this.details.open) this.tell();
    }

    make() {
      const { kind } = this;
      const order = kind.stacked ? [...kind.colours].reverse() : kind.colours;
      const line = (colour) => ({
        stroke: () => css(`--c${colour}`),
        fill: kind.stacked ? () => css(`--c${colour}`) : undefined,
        width: kind.stacked ? 1 : 2,
        points: kind.stacked ? { show: false } : { size: 4 },
      });
      const axis = { stroke: () => css("--muted"), font: AXIS, grid: { stroke: () => css("--grid"), width: 1 }, ticks: { show: false } };
      const told = kind.axis ?? number;
      const options = {
        width: this.plot.clientWidth || 300,
        height: HEIGHT,
        padding: [8, 24, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: sync.key }, drag: { x: false, y: false }, points: { show: !kind.stacked } },
        scales: { x: { time: true, range: (u, low, high) => [Math.max(low, high - this.data.span), high] }, y: kind.log ? { distr: 3, range: (u, low, high) => [Math.min(low ?? 0.001, 0.001), Math.max(high ?? 1, 1)] } : { range: (u, low, high) => [0, Math.max(high ?? 0, 0.001) * 1.08] } },
        axes: [{ ...axis, space: 60, size: 28, values: (u, splits, axis, space, step) => splits.map((time) => tick(time, step)) }, { ...axis, size: 54, values: (u, splits) => splits.map((value) => (value === null ? "" : told(value))), filter: kind.log ? (u, splits) => splits.map((value) => (Math.abs(Math.log10(value) % 1) < 1e-6 ? value : null)) : undefined }],
        series: [{}, ...order.map(line), ...(kind.limit ? [{ stroke: () => css("--limit"), width: 1.5, dash: [6, 4], points: { show: false } }] : [])],
        hooks: { draw: [(u) => this.mark(u)], setCursor: [(u) => this.moved(u)] },
      };
      this.u = new uPlot(options, this.drawn, this.plot);
    }

    mark(u) {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      for (const mark of this.data.marks) {
        const x = u.valToPos(mark.time, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.strokeStyle = ctx.fillStyle = css(mark.kind === "alert" ? "--bad" : "--muted");
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.fillText(LETTERS[mark.kind], x + 3 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
      }
      ctx.restore();
    }

    moved(u) {
      const inside = u.cursor.left >= 0 && u.cursor.idx !== null && u.cursor.idx !== undefined;
      this.cursor = inside ? u.cursor.idx : null;
      if (this.data) this.name(inside ? u.cursor.idx : this.data.time.length - 1, inside);
    }

    // Values of one moment, beside the names of their lines.
    name(at, chosen) {
      const words = this.kind.lines.map(([name, , told], place) => {
        const value = told(this.data.lines[name][at] ?? null, this.limits);
        this.values[place].textContent = value;
        return `${this.kind.lines[place][1]} ${value}`;
      });
      if (chosen) this.moment.textContent = `at ${clock(this.data.time[at], this.data.span)}`;
      else this.moment.textContent = "";
      this.plot.setAttribute("aria-label", `${this.kind.title}. ${chosen || this.data.step ? clock(this.data.time[at], this.data.span) : "Now"}: ${words.join(", ")}.`);
    }

    point(at) {
      if (!this.u) return;
      if (at === null) this.u.setCursor({ left: -10, top: -10 });
      else this.u.setCursor({ left: this.u.valToPos(this.data.time[at], "x"), top: HEIGHT / 3 });
    }

    press(event) {
      if (!this.data?.time.length || event.ctrlKey || event.altKey || event.metaKey) return;
      const last = this.data.time.length - 1;
      const here = this.cursor ?? last;
      const steps = { ArrowLeft: here - 1, ArrowRight: here + 1, PageUp: here - 12, PageDown: here + 12, Home: 0, End: last, Escape: null };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const next = steps[event.key];
      this.point(next === null ? null : Math.min(last, Math.max(0, next)));
    }

    tell() {
      if (!this.data) return;
      const { time } = this.data;
      const step = Math.max(1, Math.floor(time.length / TABLE_ROWS));
      const picked = time.map((_, at) => at).filter((at) => (time.length - 1 - at) % step === 0).reverse();
      const heads = ["time", ...this.kind.lines.map(([, words]) => words)];
      const cells = (at) => this.kind.lines.map(([name, , told]) => element("td", { class: "figure" }, told(this.data.lines[name][at], this.limits)));
      this.table.replaceChildren(
        this.table.caption,
        element("thead", {}, element("tr", {}, ...heads.map((words, at) => element("th", { scope: "col", ...(at && { class: "figure" }) }, words)))),
        element("tbody", {}, ...picked.map((at) => element("tr", {}, element("th", { scope: "row" }, clock(time[at], this.data.span)), ...cells(at)))),
      );
    }

    fit() {
      const width = this.plot.clientWidth;
      if (this.u && width && width !== this.u.width) this.u.setSize({ width, height: HEIGHT });
    }

    redraw() {
      this.u?.redraw(false, true);
    }
  }

  return { Chart, element, seconds, number, percent, bytes, clock };
})();
