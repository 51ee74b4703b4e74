// Sends a few hundred requests and says how fast the answers came.
"use strict";

(() => {
  const card = document.getElementById("try");
  const button = document.getElementById("try-go");
  const progress = document.getElementById("try-progress");
  const result = document.getElementById("try-result");
  const requests = Number(card.dataset.requests);
  const parallel = Number(card.dataset.parallel);

  const ask = async (times) => {
    const start = performance.now();
    const answer = await fetch(button.dataset.url, { cache: "no-store" });
    await answer.json();
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    times.push(performance.now() - start);
    progress.value = times.length;
  };

  const run = async () => {
    const times = [];
    let [left, failed] = [requests, 0];
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        await ask(times).catch(() => { failed += 1; });
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: parallel }, worker));
    return { times: times.sort((a, b) => a - b), failed, seconds: (performance.now() - start) / 1000 };
  };

  const summary = ({ times, failed, seconds }) => {
    if (!times.length) {
      return "No request was answered.";
    }
    const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(0);
    const rate = (times.length / seconds).toFixed(0);
    const lost = failed ? ` ${failed} failed.` : "";
    return `${times.length} answers in ${seconds.toFixed(2)} s: ${rate} per second, `
      + `half within ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms.${lost}`;
  };

  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    progress.value = 0;
    result.textContent = "";
    result.textContent = summary(await run());
    button.disabled = false;
  });
})();
