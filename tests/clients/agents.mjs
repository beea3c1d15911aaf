// The client of the npm package `agents`, as it is published, against a server with the agent of examples/room.rs.
//
// It is run by tests/agent_clients.rs.

import assert from "node:assert/strict";
import { ask, run, until } from "./common.mjs";

const { AgentClient, agentFetch } = await import("agents/client");
const { HOST: host, TOKEN: token } = process.env;

/** A client in a room, with everything that it heard. */
function join(name, query = {}) {
  const heard = { states: [], errors: [], identities: [], closes: [], failures: [], messages: [] };
  const client = new AgentClient({
    host,
    protocol: "ws",
    agent: "Room",
    name,
    query,
    protocols: ["foundation", `bearer.${token}`],
    onStateUpdate: (state, source) => heard.states.push({ state, source }),
    onStateUpdateError: (error) => heard.errors.push(error),
    onIdentity: (name, agent) => heard.identities.push({ name, agent }),
    onConnectionError: (error) => heard.failures.push(error),
  });
  client.addEventListener("close", (event) => heard.closes.push(event.code));
  client.addEventListener("message", (event) => heard.messages.push(event.data));
  return { client, heard };
}

await run({
  async "ready tells who the agent is, behind its state"() {
    const { client, heard } = join("ready");
    await client.ready;
    assert.deepEqual(heard.identities, [{ name: "ready", agent: "room" }]);
    assert.equal(client.name, "ready");
    assert.equal(client.agent, "room");
    assert.deepEqual(heard.states, [{ state: { count: 0, lines: [] }, source: "server" }]);
    client.close();
  },

  async "a state that one sets is what all others see"() {
    const [ann, bob] = [join("state"), join("state")];
    await Promise.all([ann.client.ready, bob.client.ready]);
    const state = { count: 7, lines: ["set by a client"] };
    ann.client.setState(state);
    await until("the state", () => bob.heard.states.some((told) => told.state.count === 7));
    assert.deepEqual(bob.heard.states.at(-1), { state, source: "server" });
    assert.deepEqual(ann.heard.states.at(-1), { state, source: "client" });
    assert.equal(await bob.client.call("add", [1, 2]), 10);
    await until("the sum", () => ann.heard.states.some((told) => told.state.count === 10));
    ann.client.setState({ count: 1, lines: Array(51).fill("x") });
    await until("a refusal", () => ann.heard.errors.length > 0);
    assert.deepEqual(ann.heard.errors, ["State update rejected"]);
    await until("the true state", () => ann.heard.states.at(-1).state.count === 10);
    ann.client.close();
    bob.client.close();
  },

  async "whoever only watches changes nothing"() {
    const [watcher, other] = [join("watched", { watch: "true" }), join("watched")];
    await Promise.all([watcher.client.ready, other.client.ready]);
    watcher.client.setState({ count: 99, lines: [] });
    await until("a refusal", () => watcher.heard.errors.length > 0);
    assert.deepEqual(watcher.heard.errors, ["Connection is readonly"]);
    await assert.rejects(watcher.client.call("add", [1, 1]), /Connection is readonly/);
    assert.equal(await other.client.call("add", [1, 1]), 2);
    await until("the sum", () => watcher.heard.states.at(-1).state.count === 2);
    watcher.client.close();
    other.client.close();
  },

  async "methods are called by name and through a stub, and fail with what they say"() {
    const { client } = join("calls");
    await client.ready;
    assert.equal(await client.call("add", [2, 3]), 5);
    assert.equal(await client.stub.add(1, 1), 7);
    await assert.rejects(client.call("subtract", [1]), /Method subtract does not exist/);
    await assert.rejects(client.call("refuse", ["no room"]), /no room/);
    await assert.rejects(client.call("add", ["x", 1]), /do not fit/);
    const many = await Promise.all(Array.from({ length: 200 }, () => client.call("add", [1, 0])));
    assert.deepEqual(many, Array.from({ length: 200 }, (_, place) => place + 8));
    client.close();
  },

  async "an answer in parts comes in parts"() {
    const { client } = join("parts");
    await client.ready;
    const parts = [];
    const last = await new Promise((done, failed) => {
      client.call("countTo", [5], { stream: { onChunk: (part) => parts.push(part), onDone: done, onError: failed } });
    });
    assert.deepEqual([parts, last], [[1, 2, 3, 4], 5]);
    client.close();
  },

  async "what is no call is for the agent"() {
    const { client, heard } = join("talk");
    await client.ready;
    client.send("just text");
    await until("the echo", () => heard.messages.includes("just text"));
    client.close();
  },

  async "an agent is asked by HTTP"() {
    const get = (headers) => agentFetch({ host, protocol: "http", agent: "Room", name: "calls" }, { headers });
    const answer = await get({ authorization: `Bearer ${token}` });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).count, 207);
    assert.equal((await get({})).status, 401);
    const unknown = await fetch(`http://${host}/agents/nothing/x`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(unknown.status, 400);
  },

  async "a close by the agent is final, and other closes are not"() {
    const { client, heard } = join("leave");
    await client.ready;
    client.send("leave");
    await until("the end", () => heard.failures.length > 0);
    assert.equal(heard.failures[0].code, 4001);
    client.close();
  },

  async "a client comes back when the owner was killed, and nothing that was answered is lost"() {
    const { client, heard } = join("killed");
    await client.ready;
    for (let sum = 1; sum <= 20; sum++) assert.equal(await client.call("add", [1, 0]), sum);
    await client.call("sayLater", ["I am still here", 3]);
    let waiting;
    await ask("kill", async () => {
      await until("the loss", () => heard.closes.length > 0);
      waiting = client.call("add", [1, 0], { timeout: 60_000 });
    });
    await until("the client", () => heard.identities.length > 1, 60_000);
    assert.equal(await waiting, 21);
    await until("what was scheduled", () => heard.states.at(-1).state.lines.includes("room: I am still here"));
    client.close();
  },
});
