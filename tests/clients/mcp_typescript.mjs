// The client of the npm package `@modelcontextprotocol/sdk`, as it is published, against a server with the agent of examples/room.rs.
//
// It is run by tests/mcp_clients.rs.

import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { ask, run, until } from "./common.mjs";

const { HOST: host, TOKEN: token, PROGRAM: program } = process.env;
const headers = { authorization: `Bearer ${token}` };
const IDEA = "A shared calendar that lets repair cafes book volunteers and spare parts";
/** Of this one a plan is made. */
const QUICK = "A shared calendar that books a repair cafe at once";

/** A fetch that knows the streams that are open. */
function counting(open) {
  return async (url, init) => {
    const answer = await fetch(url, init);
    if (init?.method !== "POST" || !answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer;
    const place = JSON.parse(init.body).id;
    open.add(place);
    const ends = new TransformStream({ flush: () => open.delete(place) });
    return new Response(answer.body.pipeThrough(ends), { status: answer.status, headers: answer.headers });
  };
}

/** The transports by which the server is reached; `open` is what `counting` counts. */
const transports = {
  http: (path, open) =>
    new StreamableHTTPClientTransport(new URL(path, `http://${host}`), {
      requestInit: { headers },
      fetch: counting(open),
      reconnectionOptions: {
        initialReconnectionDelay: 200,
        maxReconnectionDelay: 1000,
        reconnectionDelayGrowFactor: 1.5,
        maxRetries: 100,
      },
    }),
  sse: () =>
    new SSEClientTransport(new URL("/sse", `http://${host}`), {
      requestInit: { headers },
      eventSourceInit: { fetch: (url, init) => fetch(url, { ...init, headers: { ...headers, accept: "text/event-stream" } }) },
    }),
  stdio: () =>
    new StdioClientTransport({
      command: program,
      args: ["mcp", "--url", `http://${host}`],
      env: { FOUNDATION_TOKEN: token },
      stderr: "inherit",
    }),
};

/** A client, with the addresses of the resources of whose change it heard and the requests whose stream is open. */
async function connect(transport = "http", path = "/mcp") {
  const [updated, open, asked] = [[], new Set(), []];
  const client = new Client({ name: "a test", version: "1" }, { capabilities: { elicitation: {} } });
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.push(params.uri));
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return { action: "accept", content: { decision: "approve", comment: "well argued" } };
  });
  const link = transports[transport](path, open);
  await client.connect(link);
  return { client, link, updated, open, asked };
}

async function call(client, name, args = {}, options = {}) {
  const answer = await client.callTool({ name, arguments: args }, undefined, { timeout: 60_000, ...options });
  assert.equal(answer.isError ?? false, false, JSON.stringify(answer));
  return answer.structuredContent;
}

/** What every transport has to carry. */
async function everything({ client, updated, open, asked }) {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  for (const name of ["echo", "create_run", "follow_run", "decide_run", "call_agent"]) assert.ok(names.includes(name), name);
  assert.equal((await call(client, "echo", { text: "Grüße" })).text, "Grüße");

  const run = await call(client, "create_run", { idea: IDEA, require_review: false, require_approval: false });
  const uri = `foundation://runs/${run.id}`;
  const { contents } = await client.readResource({ uri });
  assert.equal(JSON.parse(contents[0].text).run.idea, IDEA);
  const { resources } = await client.listResources();
  assert.ok(resources.some((resource) => resource.uri === `${uri}/timeline`));
  await assert.rejects(client.readResource({ uri: `${uri}/nothing` }), /no resource/);
  const { completion } = await client.complete({
    ref: { type: "ref/resource", uri: "foundation://runs/{run}/artifacts/{phase}" },
    argument: { name: "phase", value: "kill" },
  });
  assert.deepEqual(completion.values, ["kill-test"]);
  const { messages } = await client.getPrompt({ name: "plan_idea", arguments: { idea: IDEA } });
  assert.ok(messages[0].content.text.includes(IDEA));

  await client.subscribeResource({ uri });
  await call(client, "pause_run", { run: run.id });
  await until("the change", () => updated.includes(uri));
  await client.unsubscribeResource({ uri });

  const [stop, told] = [new AbortController(), []];
  const following = call(client, "follow_run", { run: run.id, seconds: 3600 }, {
    signal: stop.signal,
    onprogress: (progress) => {
      told.push(progress);
      stop.abort("no more");
    },
  });
  await assert.rejects(following, /no more/);
  assert.equal(told.length, 1);
  assert.equal(told[0].total, 15);
  await until("the end of what was cancelled", () => open.size === 0);

  const early = await client.callTool({ name: "decide_run", arguments: { run: run.id } });
  assert.ok(early.isError && early.content[0].text.startsWith("run.wrong-state"), JSON.stringify(early));
  assert.deepEqual(asked, [], "there is nothing to decide about yet");
  const refused = await client.callTool({ name: "get_run", arguments: { run: "nothing" } });
  assert.equal(refused.isError, true);
  assert.ok(refused.content[0].text.startsWith("run.not-found"), refused.content[0].text);
  await call(client, "cancel_run", { run: run.id });
}

const checks = {
  async "streamable HTTP lists, calls, reads, subscribes and cancels"() {
    const connected = await connect();
    await everything(connected);
    const session = connected.link.sessionId;
    await connected.link.terminateSession();
    const late = await fetch(`http://${host}/mcp`, {
      method: "POST",
      headers: { ...headers, "mcp-session-id": session, accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
    });
    assert.equal(late.status, 404);
    await connected.client.close();
  },

  async "so does the transport before it"() {
    const connected = await connect("sse");
    await everything(connected);
    await connected.client.close();
  },

  async "so does the bridge"() {
    const connected = await connect("stdio");
    await everything(connected);
    await connected.client.close();
  },

  async "a plan is made, and its person decides about it"() {
    const { client, asked } = await connect();
    const run = await call(client, "create_run", { idea: QUICK, require_approval: true });
    const progress = [];
    const follow = () => call(client, "follow_run", { run: run.id, seconds: 60 }, { onprogress: (told) => progress.push(told.progress) });
    assert.equal((await follow()).run.status, "awaiting_approval");
    await call(client, "decide_run", { run: run.id });
    assert.equal(asked.length, 1);
    assert.ok(asked[0].includes(QUICK), asked[0]);
    const { run: ended } = await follow();
    assert.equal(ended.status, "completed");
    assert.ok(ended.has_package);
    assert.ok(progress.length > 1);
    const plan = await client.readResource({ uri: `foundation://runs/${run.id}/package` });
    assert.equal(plan.contents[0].mimeType, "text/markdown");
    await client.close();
  },

  async "an agent is a server of its own"() {
    const { client, updated, open } = await connect("http", "/agents/room/mcp-typescript/mcp");
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    for (const name of ["add", "countTo", "refuse", "say", "sayLater"]) assert.ok(names.includes(name), name);
    assert.equal((await call(client, "add", { args: [2, 3] })).result, 5);
    const parts = [];
    const counted = await call(client, "countTo", { args: 5 }, { onprogress: ({ message }) => parts.push(Number(message)) });
    assert.deepEqual([counted.parts, parts], [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
    await until("the end of the stream", () => open.size === 0);

    const { resources } = await client.listResources();
    assert.equal(resources.length, 1);
    const { uri } = resources[0];
    const read = async () => JSON.parse((await client.readResource({ uri })).contents[0].text);
    assert.deepEqual(await read(), { count: 5, lines: [] });
    await client.subscribeResource({ uri });
    const other = await connect("http", "/api/agents/room/mcp-typescript/mcp");
    assert.ok("result" in (await call(other.client, "say", { line: "hello" })));
    await until("the change", () => updated.includes(uri));
    const { lines } = await read();
    assert.equal(lines.length, 1);

    const refused = await client.callTool({ name: "refuse", arguments: { args: "not now" } });
    assert.equal(refused.isError, true);
    assert.ok(refused.content[0].text.startsWith("room.refused: not now"), refused.content[0].text);
    const wrong = await client.callTool({ name: "add", arguments: { args: ["x"] } });
    assert.ok(wrong.isError && wrong.content[0].text.startsWith("agent.arguments"), JSON.stringify(wrong));
    await assert.rejects(client.callTool({ name: "subtract", arguments: {} }), /no such method/);
    await other.client.close();
    await client.close();
    await assert.rejects(connect("http", "/agents/nothing/x/mcp"), /agent.unknown/);
  },

  async "clients go on when the server was killed, and hear what became of what they asked"() {
    const all = [];
    for (const transport of ["http", "stdio"]) {
      const { client, link, updated } = await connect(transport);
      const { id } = await call(client, "create_run", { idea: IDEA });
      await call(client, "pause_run", { run: id });
      const uri = `foundation://runs/${id}`;
      await client.subscribeResource({ uri });
      let told = 0;
      const onprogress = () => told++;
      const following = call(client, "follow_run", { run: id, seconds: 3600 }, { timeout: 120_000, onprogress });
      const ended = assert.rejects(following, /whether it was done is unknown/);
      await until("progress", () => told > 0);
      all.push({ client, link, updated, id, uri, ended, session: link.sessionId });
    }
    await ask("kill");
    for (const { client, link, updated, id, uri, ended, session } of all) {
      await ended;
      assert.equal(link.sessionId, session);
      assert.equal((await call(client, "echo", { text: "again" })).text, "again");
      await call(client, "cancel_run", { run: id });
      await until("the change", () => updated.includes(uri), 60_000);
      await client.close();
    }
  },
};

await run(checks);
