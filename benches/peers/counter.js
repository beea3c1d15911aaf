// The same work as in server.rs: a counter in memory, and one that is stored before it is told.
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.count = 0;
    state.blockConcurrencyWhile(async () => {
      this.stored = (await state.storage.get("count")) ?? 0;
    });
  }

  add() {
    this.count += 1;
    return this.count;
  }

  store() {
    this.stored += 1;
    this.ctx.storage.put("count", this.stored);
    return this.stored;
  }
}

export default {
  async fetch(request, env) {
    const [, work, name] = new URL(request.url).pathname.split("/");
    const counter = env.COUNTERS.get(env.COUNTERS.idFromName(name));
    const count = work === "store" ? await counter.store() : await counter.add();
    return new Response(String(count));
  },
};
