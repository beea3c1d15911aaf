//! A self-hosted server of virtual actors: ideas in, finished plans out.
//!
//! `foundation` gives a team the ten planes that the seed describes on a cloud platform, in one program on machines of its
//! own. This package is the program: the gateway, the adapters of the ports to the outside world, the command line, and the
//! composition of it all. The domain is in the crate `actors`, the runtime under it in `cluster`; dependencies point that way
//! only.
//!
//! | # | plane | here | state lives in |
//! |---|---|---|---|
//! | 1 | UI | `planes::ui`: pages, styles and scripts of our own, no build step, nothing from elsewhere | nowhere |
//! | 2 | gateway | [`gateway`]: the only place that knows HTTP; `planes::passwords`: argon2id | session, account, membership, API key and limiter actors; the cluster's settings (keys, used sign-in links) |
//! | 3 | agents | `actors::agents`: what agents are and what clients say to them; `gateway::socket`: their WebSockets | actor storage |
//! | 4 | workflows | `actors::workflows`: the engine, and planning as its first user | actor storage (step cache) |
//! | 5 | data | `planes::data`: objects and vectors | object files, LanceDB |
//! | 7 | AI | `planes::ai`: the embedded models, and OpenAI-compatible endpoints | nowhere |
//! | 8 | communication | [`planes::events`]: wakes whoever watches a run | nowhere; events are in the run |
//!
//! The planes 6 (isolation), 9 (media) and 10 (observability beyond logs, `/metrics` and the audit chain) have no code yet.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the commands; everything but `serve` is a client of the HTTP API or looks at this machine |
//! | [`config`] | one file, environment, flags; each section beside the code it configures |
//! | [`Foundation`] | the program, and what an application adds to it |
//! | [`gateway`] | routes, identity, problems, event streams |
//! | [`outbound`] | the guard that every call to the outside world goes through |
//! | [`planes`] | adapters of the ports |
//! | [`server`] | opens the cluster, connects ports, serves, drains |
//! | [`telemetry`] | logs and metrics |

pub mod cli;
pub mod config;
mod foundation;
pub mod gateway;
mod metrics;
pub mod outbound;
pub mod planes;
pub mod server;
pub mod telemetry;

pub use foundation::Foundation;
