// Comfort on every page: the reader's own time zone, the keyboard, dialogs, buttons that press once. Nothing here is needed to read or to post.
const root = document.documentElement;
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Times: the server writes UTC and says so in the title; here they are written in the reader's zone.
const day = 86400000;
const style = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minute: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  full: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const now = new Date(Number(root.dataset.now) * 1000);
const near = (at) => {
  const days = Math.round((midnight(now) - midnight(at)) / day);
  if (days <= 0) return `today ${at.toLocaleTimeString("en-GB", style.minute)}`;
  if (days === 1) return "yesterday";
  return at.toLocaleDateString("en-GB", days < 7 ? { weekday: "long" } : { day: "numeric", month: "short", year: "numeric" });
};
const localTimes = (within = document) => {
  for (const time of all("time[datetime]", within)) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const kind = Object.keys(style).find((name) => name in time.dataset);
    if (kind) time.textContent = at.toLocaleString("en-GB", style[kind]);
    else if ("near" in time.dataset) time.textContent = near(at);
  }
};
localTimes();

// Modules are named by their content, so run.js cannot import this one: it says that it put new nodes in.
addEventListener("swapped", (event) => { localTimes(event.target); });

// A form that was sent shows it, and is not sent twice. Coming back with the back button opens it again.
addEventListener("submit", (event) => {
  const form = event.target;
  if (!("busy" in form.dataset)) return;
  if (form.dataset.busy === "sent") { event.preventDefault(); return; }
  form.dataset.busy = "sent";
  event.submitter?.setAttribute("aria-disabled", "true");
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of all("form[data-busy]")) { form.dataset.busy = ""; all("[aria-disabled]", form).forEach((button) => button.removeAttribute("aria-disabled")); }
});

// The link "New run" opens the same form as a dialog where there is one.
addEventListener("click", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (plain && dialog?.showModal) { event.preventDefault(); dialog.showModal(); }
  const closer = event.target.closest("[data-close]");
  const open = closer?.closest("dialog[open]");
  if (open) { event.preventDefault(); open.close(); }
  if (event.target.nodeName === "DIALOG" && event.target.matches(":modal") && event.detail) event.target.close();
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.lastChild.textContent = "Copied"; });
  if (event.target.closest("[data-print]")) print();
});
if (navigator.clipboard) all("[data-copy]").forEach((button) => { button.hidden = false; });
all("[data-print]").forEach((button) => { button.hidden = false; });

// Keyboard. Single letters work outside fields, without modifiers, and can be switched off in the settings.
let first = "";
let forget = 0;
const go = { r: "/runs", k: "/parked", c: "/cluster" };
const rows = () => all("[data-row]").filter((row) => row.offsetParent);
const step = (by) => {
  const list = rows();
  if (!list.length) return;
  const at = list.indexOf(document.activeElement);
  list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + by, 0), list.length - 1)].focus();
};
const press = (key) => {
  const button = $(`[data-key="${key}"]`);
  if (!button) return;
  if ("focus" in button.dataset) button.focus(); else button.click();
};
const acts = {
  n: () => { const link = $(".head [data-dialog=new-run]"); if (link) link.click(); else location.assign("/runs/new"); },
  j: () => step(1), k: () => step(-1), p: () => press("p"), a: () => press("a"), d: () => press("d"),
  "[": () => $("link[rel=prev]") && location.assign($("link[rel=prev]").href),
  "]": () => $("link[rel=next]") && location.assign($("link[rel=next]").href),
  "/": () => $(".chips a")?.focus(),
  "?": () => location.assign("/settings#keys"),
};
addEventListener("keydown", (event) => {
  const field = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  if (field) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form?.requestSubmit();
    return;
  }
  if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("dialog:modal")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  clearTimeout(forget);
  if (first === "g") {
    first = "";
    if (go[key]) { event.preventDefault(); location.assign(go[key]); }
    return;
  }
  if (key === "g") { first = "g"; forget = setTimeout(() => { first = ""; }, 1200); return; }
  if (acts[key]) { event.preventDefault(); acts[key](); }
});

// The board looks again by itself, but never under the pointer or the focus, and not in a hidden tab.
const board = $("[data-refresh]");
if (board) {
  setInterval(async () => {
    const held = () => document.hidden || $("dialog[open], dialog:popover-open") || board.matches(":hover") || board.contains(document.activeElement);
    if (held()) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const fresh = $("[data-refresh]", new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (!fresh || held()) return;
      board.replaceChildren(...fresh.childNodes);
      localTimes(board);
    } catch { /* The next turn tries again; the page stays readable. */ }
  }, Number(board.dataset.refresh) * 1000);
}
