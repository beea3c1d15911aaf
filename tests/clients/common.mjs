// What the scripts of this directory share. Each line that a script prints is a JSON object: `{ "passed": NAME }` for each check,
// `{ "do": WHAT }` where the test has to do something; then the script goes on when it is told so.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import WebSocket from "ws";

// Node has neither of them in all versions that are supported.
globalThis.WebSocket = WebSocket;
globalThis.CloseEvent ??= class CloseEvent extends Event {
  constructor(type, init = {}) {
    super(type, init);
    Object.assign(this, { code: init.code ?? 0, reason: init.reason ?? "", wasClean: init.wasClean ?? false });
  }
};

const commands = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Tells the test something. */
export function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

/** Lets the test do something, and waits until it is done. `meanwhile` may be done before that. */
export async function ask(what, meanwhile = async () => {}) {
  say({ do: what });
  await meanwhile();
  await commands.next();
}

/** Waits until a condition holds. */
export async function until(what, condition, patience = 30_000) {
  const end = Date.now() + patience;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `${what} never came`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Makes all checks, in order. */
export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    say({ passed: name });
  }
  say({ done: true });
  process.exit(0);
}
