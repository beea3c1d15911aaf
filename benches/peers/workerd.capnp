# The counters as Durable Objects of workerd. The directory of their storage is given on the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "counters", worker = .counters),
    (name = "storage", disk = (writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "counters")],
);

const counters :Workerd.Worker = (
  modules = [(name = "counter.js", esModule = embed "counter.js")],
  compatibilityDate = "2026-01-01",
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter", enableSql = true)],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [(name = "COUNTERS", durableObjectNamespace = "Counter")],
);
