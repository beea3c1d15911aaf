// The hooks of the npm packages `agents` and `@cloudflare/ai-chat`, as they are published, in a page without a screen, against the
// chat agent of a server whose model is played by tests/agent_clients.rs.
//
// Asked to count to a number, the model does, a word at a time; asked to remind somebody, it wants to use the tool for it.

import assert from "node:assert/strict";
import { Window } from "happy-dom";
import { ask, run, until } from "./common.mjs";

// React wants a page; what goes over the network stays what Node has.
const page = new Window({ url: `http://${process.env.HOST}/` });
Object.assign(globalThis, { window: page, document: page.document, HTMLElement: page.HTMLElement, Node: page.Node });

const { createElement, Suspense } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useAgent } = await import("agents/react");
const { useAgentChat } = await import("@cloudflare/ai-chat/react");
const { HOST: host, TOKEN: token } = process.env;
const protocols = ["foundation", `bearer.${token}`];

/** The words of somebody who counts. */
const count = (last) => Array.from({ length: last }, (_, place) => `${place + 1}`).join(" ");
const textOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("|");

/** A page with a chat. */
async function open(name) {
  const page = { now: null };
  const Chat = () => {
    const agent = useAgent({ agent: "chat", name, host, protocol: "ws", protocols });
    page.now = useAgentChat({ agent, headers: { authorization: `Bearer ${token}` }, onTurnEnd: (end) => page.ends.push(end) });
    page.agent = agent;
    return null;
  };
  page.ends = [];
  const root = createRoot(document.createElement("div"));
  root.render(createElement(Suspense, { fallback: null }, createElement(Chat)));
  page.close = () => root.unmount();
  page.texts = () => page.now.messages.map((message) => `${message.role}: ${textOf(message)}`);
  page.ask = (text) => page.now.sendMessage({ text });
  /** Waits until an answer is there, whole. */
  page.whole = (texts) =>
    until(`${JSON.stringify(texts)} in ${name}`, () => page.now.status === "ready" && !page.now.isStreaming && same(page.texts(), texts), 90_000)
      .catch((error) => assert.deepEqual(page.texts(), texts, `${error.message}; the page is ${page.now.status}`));
  /** Waits until so many words of the last answer are there. */
  page.words = (least) =>
    until(`${least} words in ${name}`, () => {
      const last = page.now.messages.at(-1);
      return last?.role === "assistant" && textOf(last).split(" ").length >= least;
    });
  /** The part of the last message that is a call of a tool. */
  page.call = () => page.now.messages.at(-1)?.parts.find((part) => part.type.startsWith("tool-"));
  await until(`the chat ${name}`, () => page.now !== null && page.agent.readyState === WebSocket.OPEN);
  return page;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

await run({
  async "an answer comes word by word, and everybody in the chat sees it"() {
    const [ann, tab] = [await open("streams"), await open("streams")];
    const lengths = new Set();
    const watch = setInterval(() => ann.now.messages.at(-1) && lengths.add(textOf(ann.now.messages.at(-1)).length), 5);
    await ann.ask("Count to 20");
    clearInterval(watch);
    const both = ["user: Count to 20", `assistant: ${count(20)}`];
    await ann.whole(both);
    await tab.whole(both);
    assert.ok(lengths.size > 5, `it came in ${lengths.size} parts`);
    await ann.ask("Count to 3");
    await tab.whole([...both, "user: Count to 3", `assistant: ${count(3)}`]);
    tab.close();
    ann.close();
    const again = await open("streams");
    await again.whole([...both, "user: Count to 3", `assistant: ${count(3)}`]);
    again.close();
  },

  async "whoever loses the connection in the middle hears the rest, and nothing twice"() {
    const page = await open("resumes");
    page.ask("Count to 60");
    await page.words(5);
    page.agent.reconnect();
    await page.words(15);
    page.agent.reconnect();
    await page.whole(["user: Count to 60", `assistant: ${count(60)}`]);
    page.close();
  },

  async "a page that is opened in the middle of an answer shows it from its beginning"() {
    const first = await open("loads");
    first.ask("Count to 60");
    await first.words(5);
    first.close();
    const second = await open("loads");
    await second.words(6);
    await second.whole(["user: Count to 60", `assistant: ${count(60)}`]);
    second.close();
  },

  async "an answer stops when it is told to"() {
    const page = await open("stops");
    page.ask("Count to 900");
    await page.words(5);
    await page.now.stop();
    await until("the end", () => page.now.status === "ready" && !page.now.isStreaming);
    const other = await open("stops");
    await until("the messages", () => other.now.messages.length === 2);
    const said = textOf(other.now.messages[1]);
    assert.ok(said.startsWith(count(4)) && said.length < count(900).length, said);
    await page.ask("Count to 3");
    await until("the next answer", () => other.texts().at(-1) === `assistant: ${count(3)}`);
    page.close();
    other.close();
  },

  async "what changes something waits until the person approves it"() {
    const page = await open("approves");
    await page.ask("Remind me to water the plants");
    await until("the question", () => page.call()?.state === "approval-requested");
    page.now.addToolApprovalResponse({ id: page.call().approval.id, approved: true });
    await until("the reminder", () => page.call()?.state === "output-available", 60_000);
    await until("the answer", () => textOf(page.now.messages.at(-1)).includes("done"));
    await page.now.clearHistory();
    await until("an empty chat", () => page.now.messages.length === 0);
    page.close();
  },

  async "and is not done when the person refuses"() {
    const page = await open("refuses");
    await page.ask("Remind me to water the plants");
    await until("the question", () => page.call()?.state === "approval-requested");
    page.now.addToolApprovalResponse({ id: page.call().approval.id, approved: false });
    await until("the refusal", () => page.call()?.state === "output-denied", 60_000);
    await until("the answer", () => textOf(page.now.messages.at(-1)).includes("refused"));
    page.close();
  },

  async "an answer goes on when its owner was killed in the middle, and is one message"() {
    const page = await open("survives");
    page.ask("Count to 80");
    await page.words(10);
    await ask("kill");
    await page.whole(["user: Count to 80", `assistant: ${count(80)}`]);
    page.close();
    const later = await open("survives");
    await later.whole(["user: Count to 80", `assistant: ${count(80)}`]);
    later.close();
  },
});
