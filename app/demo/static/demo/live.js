// Keeps the table of pools fresh and draws the last minute. The page is complete without it.
"use strict";

(() => {
  const card = document.getElementById("live");
  const state = document.getElementById("live-state");
  const rows = document.getElementById("live-rows");
  const chart = document.getElementById("live-chart");
  const seconds = Number(card.dataset.seconds);
  const points = Math.round(60 / seconds) + 1;
  const [width, height] = [600, 120];
  const patience = 10_000;
  const history = [];

  const cell = (text, name = "td") => {
    const element = document.createElement(name);
    element.textContent = text;
    return element;
  };

  const row = (pool) => {
    const line = document.createElement("tr");
    const head = cell(`${pool.database} `, "th");
    head.scope = "row";
    head.append(cell(`as ${pool.login}, ${pool.mode} mode`, "small"));
    line.append(head);
    for (const count of [pool.clients_active, pool.clients_waiting, pool.servers_active, pool.servers_idle]) {
      line.append(cell(String(count)));
    }
    line.append(cell(`${Math.round(pool.max_wait * 1000).toLocaleString("en")} ms`));
    return line;
  };

  const emptyRow = (text) => {
    const line = document.createElement("tr");
    const only = cell(text);
    only.className = "empty";
    only.colSpan = 6;
    line.append(only);
    return line;
  };

  const say = (text, kind) => {
    // Only a change is written: screen readers announce this element.
    if (state.textContent.trim() !== text) {
      state.textContent = text;
    }
    state.className = `badge ${kind}`;
  };

  const sum = (pools, ...names) =>
    pools.reduce((total, pool) => total + names.reduce((part, name) => part + pool[name], 0), 0);

  const line = (name, top) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const first = points - history.length;
    const place = (sample, index) => {
      const x = ((first + index) / (points - 1)) * width;
      const y = height - 8 - (sample[name] / top) * (height - 20);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    };
    element.setAttribute("class", name);
    element.setAttribute("points", history.map(place).join(" "));
    return element;
  };

  const draw = (pools) => {
    history.push({
      clients: sum(pools, "clients_active", "clients_waiting"),
      servers: sum(pools, "servers_active", "servers_idle"),
      waiting: sum(pools, "clients_waiting"),
    });
    history.splice(0, history.length - points);
    if (history.length < 2) {
      return;
    }
    const top = Math.max(1, ...history.flatMap(Object.values));
    chart.replaceChildren(...["clients", "servers", "waiting"].map((name) => line(name, top)));
    document.getElementById("live-top").textContent = String(top);
    chart.parentElement.hidden = false;
  };

  const refresh = async () => {
    if (document.hidden) {
      return;
    }
    try {
      const answer = await fetch(card.dataset.url, { cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!answer.ok) {
        throw new Error(`status ${answer.status}`);
      }
      const live = await answer.json();
      say(live.badge.text, live.badge.kind);
      if (live.available) {
        rows.replaceChildren(...(live.pools.length ? live.pools.map(row) : [emptyRow("No pool yet: the first query opens it.")]));
        draw(live.pools);
      } else {
        rows.replaceChildren(emptyRow("No pool to show."));
      }
    } catch (error) {
      const late = error.name === "TimeoutError";
      say(late ? `No answer within ${patience / 1000} s: requests wait` : "The web server does not answer", "bad");
    }
  };

  // One look at a time: the next begins when the last has ended, however slow it was.
  const loop = async () => {
    await refresh();
    setTimeout(loop, seconds * 1000);
  };
  loop();
})();
