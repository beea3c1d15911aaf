// A live run: listens to its events, fetches the changed parts from the server, shows the draft as it is written.
const run = document.getElementById("run");
const id = encodeURIComponent(run.dataset.run);
const live = document.getElementById("live");
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Clocks tick here and are not announced. They follow the server's clock: the browser's may be wrong.
const skew = Date.now() / 1000 - Number(document.documentElement.dataset.now);
const two = (number) => String(number).padStart(2, "0");
const clock = (s) => (s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`);
const spoken = (s) => {
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return Math.floor(s / 60) % 60 ? `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min` : `${Math.floor(s / 3600)} h`;
};
setInterval(() => {
  if (document.hidden) return;
  for (const node of all("[data-since]")) {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 - skew - Number(node.dataset.since)));
    node.textContent = "spoken" in node.dataset ? spoken(seconds) : clock(seconds);
  }
}, 1000);

// Parts are exchanged by id. A part that holds the focus or an open question waits until it is left.
const parts = new Map();
const busy = (node) => node.contains(document.activeElement) || $("dialog:popover-open", node) || all("textarea", node).some((area) => area.value !== area.defaultValue);
const put = () => {
  for (const [name, fresh] of parts) {
    const old = document.getElementById(name);
    if (old && busy(old)) continue;
    parts.delete(name);
    if (!old) { if (name === "verdict") document.getElementById("now").after(fresh); continue; }
    for (const open of all("details[open][id]", old)) { const twin = $(`#${open.id}`, fresh); if (twin) twin.open = true; }
    old.replaceWith(fresh);
    if (name === "now") showDraft();
    if (name === "timeline") showLink();
    fresh.dispatchEvent(new Event("swapped", { bubbles: true }));
  }
};
addEventListener("focusout", () => setTimeout(put));
addEventListener("toggle", () => setTimeout(put), true);

const wanted = new Set();
let timer = 0;
const fetchPart = async (name) => {
  const answer = await fetch(`/runs/${id}/fragments/${name}`, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const node of [...page.body.children]) if (node.id) parts.set(node.id, document.adoptNode(node));
};
const ask = (...names) => {
  names.forEach((name) => wanted.add(name));
  timer ||= setTimeout(async () => {
    timer = 0;
    const names = [...wanted];
    wanted.clear();
    const results = await Promise.allSettled(names.map(fetchPart));
    put();
    // What could not be fetched is asked for again, a little later.
    results.forEach((result, index) => { if (result.status === "rejected") setTimeout(() => ask(names[index]), 5000); });
  }, 150);
};

// The draft arrives as JSON; people read its texts. A small scanner keeps the strings that are values and the key above each.
let phase = $("#now")?.dataset.phase ?? "";
let scan;
let words = 0;
let inWord = false;
const reset = () => { words = 0; inWord = false; scan = { quoted: false, escaped: 0, code: "", text: "", last: "", key: "", stack: [], value: false, parts: [] }; };
reset();
const name = (key) => { const words = key.replace(/[_-]+/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase(); return words ? words[0].toUpperCase() + words.slice(1) : "Draft"; };
const escapes = { n: "\n", t: " ", r: "", b: "", f: "" };
const read = (chunk) => {
  for (const letter of chunk) {
    if (/\s/.test(letter)) inWord = false; else if (!inWord) { inWord = true; words += 1; }
    if (scan.quoted) {
      if (scan.escaped === 2) {
        scan.code += letter;
        if (scan.code.length === 4) { scan.text += String.fromCharCode(parseInt(scan.code, 16) || 0xfffd); scan.escaped = 0; }
      } else if (scan.escaped === 1) {
        if (letter === "u") { scan.escaped = 2; scan.code = ""; } else { scan.text += escapes[letter] ?? letter; scan.escaped = 0; }
      } else if (letter === "\\") scan.escaped = 1;
      else if (letter === '"') { scan.quoted = false; if (!scan.value) scan.last = scan.text; }
      else scan.text += letter;
      if (scan.value && scan.parts.length) scan.parts.at(-1).text = scan.text;
    } else if (letter === '"') {
      scan.quoted = true;
      scan.text = "";
      if (scan.value) { scan.parts.push({ key: scan.key, text: "" }); if (scan.parts.length > 6) scan.parts.shift(); }
    } else if (letter === ":") { scan.key = scan.last; scan.value = true; }
    else if (letter === "{") { scan.stack.push("{"); scan.value = false; }
    else if (letter === "[") { scan.stack.push("["); scan.value = true; }
    else if (letter === "}" || letter === "]") { scan.stack.pop(); scan.value = scan.stack.at(-1) === "["; }
    else if (letter === ",") scan.value = scan.stack.at(-1) === "[";
  }
};
const still = matchMedia("(prefers-reduced-motion: reduce)");
let drawn = 0;
const showDraft = () => {
  drawn = 0;
  const box = $("[data-draft]");
  if (!box || box.closest("#now").dataset.phase !== phase || !scan.parts.length) return;
  const nodes = [];
  for (const [index, part] of scan.parts.entries()) {
    const same = index > 0 && scan.parts[index - 1].key === part.key;
    if (!same) nodes.push(Object.assign(document.createElement("p"), { className: "cap", textContent: name(part.key) }));
    // With reduced motion the last text is shown by sentence.
    const open = index === scan.parts.length - 1 && scan.quoted;
    const text = open && still.matches ? part.text.slice(0, part.text.search(/[.!?][^.!?]*$/) + 1) : part.text;
    const line = Object.assign(document.createElement("p"), { className: "text", textContent: text });
    if (open) line.append(Object.assign(document.createElement("span"), { className: "caret", ariaHidden: "true" }));
    nodes.push(line);
  }
  box.replaceChildren(...nodes);
  $("#now [data-step=draft] .faint").textContent = words === 1 ? "1 word" : `${words} words`;
  if (document.activeElement !== box && !box.matches(":hover")) box.scrollTop = box.scrollHeight;
};

const order = ["context", "sources", "draft", "schema", "review"];
const step = (now) => {
  const panel = $("#now");
  if (!panel || panel.dataset.phase !== now.phase) { ask("now", "pipeline"); return; }
  // What comes after the listed steps leaves them all ticked.
  const at = order.includes(now.step) ? order.indexOf(now.step) : order.length;
  for (const item of all(".steps li", panel)) {
    const place = order.indexOf(item.dataset.step);
    const tense = place < at ? 2 : place === at ? 1 : 0;
    item.className = ["", "cur", "ok"][tense];
    item.toggleAttribute("aria-current", tense === 1);
    if (tense === 1) item.setAttribute("aria-current", "step");
    $(".w", item).textContent = item.dataset.words.split("|")[tense];
  }
  if (now.step === "draft") { reset(); phase = now.phase; }
  // What the step before has gathered is counted by the server.
  ask("now");
  queue(0);
};
const queue = (position) => {
  const pill = $("[data-queue]");
  if (!pill) return;
  pill.hidden = position < 1;
  $("span", pill).textContent = position === 1 ? "Queued, 1 ahead" : `Queued, ${position} ahead`;
};
const say = (text) => { live.textContent = text; };
let linked = null;
const showLink = () => { const node = $("[data-link]"); if (node && linked) { node.textContent = linked.word; node.className = `row tiny ${linked.tone}`; } };
const link = (word, tone) => { linked = { word, tone }; showLink(); };

// EventSource reconnects by itself and sends Last-Event-ID. What happened between the page and the connection is fetched once it is open;
// an event the page has already shown is known by its number.
const parse = (event) => { try { return JSON.parse(event.data); } catch { return {}; } };
const kinds = { run_started: "Run started", phase_started: "", phase_completed: "", pivot_triggered: "Pivot: the run starts again at phase 1", approval_requested: "The run waits for your decision", run_approved: "Approved", run_rejected: "Rejected", run_killed: "Killed at the kill test", run_completed: "The plan is finished", run_failed: "The run failed", run_cancelled: "Cancelled", run_paused: "Paused", run_resumed: "Resumed", idea_parked: "", idea_promoted: "" };
const title = (phase) => {
  const block = all(".blk").find((item) => item.dataset.phase === phase);
  return block ? `Phase ${$(".no", block).textContent} of 15, ${$(".nm", block).textContent.toLowerCase()},` : "A phase";
};
let seen = Number(run.dataset.last) || 0;
const listen = () => {
  const source = new EventSource(`/api/planning/runs/${id}/events`);
  source.addEventListener("open", () => { link("live", "t-good"); ask("pipeline", "now", "timeline"); });
  source.addEventListener("error", () => link(source.readyState === EventSource.CLOSED ? "not live, reload to see more" : "connecting again", "faint"));
  for (const [kind, words] of Object.entries(kinds)) {
    source.addEventListener(kind, (event) => {
      const now = parse(event);
      if (now.seq) { if (now.seq <= seen) return; seen = now.seq; }
      ask("pipeline", "now", "timeline");
      if (kind === "phase_started") { phase = now.phase ?? phase; reset(); say(`${title(now.phase)} started`); }
      else if (kind === "phase_completed") say(`${title(now.phase)} accepted`);
      else if (words) say(words);
    });
  }
  source.addEventListener("end", () => { source.close(); link("ended", "faint"); });
  source.addEventListener("step", (event) => step(parse(event)));
  source.addEventListener("queued", (event) => queue(Number(parse(event).position) || 0));
  source.addEventListener("draft", (event) => {
    const now = parse(event);
    if (typeof now.text !== "string") return;
    if (now.phase !== phase) { phase = now.phase; reset(); }
    queue(0);
    read(now.text);
    drawn ||= requestAnimationFrame(showDraft);
  });
  return source;
};
// Bars and what is left change with time, not with events alone.
setInterval(() => { if (!document.hidden && source && source.readyState === EventSource.OPEN) ask("pipeline"); }, 20000);
const source = $("#state").querySelector(".pill") && !$("#delete-run") ? listen() : null;
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
