//! Agents.

use crate::gateway::{
    agents::{self, KindsBody, ResultBody},
    endpoint::{Endpoint, delete, get, post},
    permission::Permission::AgentUse,
};

/// Codes of requests that name an agent.
const OF_AGENT: &[&str] = &["agent.unknown", "agent.name"];

/// Codes of the methods of the kinds that every server has. Those of applications have codes of their own.
const OF_METHODS: &[&str] = &[
    "account.unknown",
    "auth.no-session",
    "auth.permission",
    "chat.allow",
    "chat.notice",
    "chat.tool",
    "limiter.max-requests",
    "limiter.name",
    "limiter.too-many",
    "limiter.unknown",
    "limiter.window",
    "session.expired",
    "session.revoked",
    "session.starting",
    "session.unknown",
    "task.call",
    "task.depth",
    "task.full",
    "task.job",
    "task.key",
    "task.unknown",
    "task.wrong-state",
    "tenant.unknown",
    "user.invalid",
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![
        get("/api/agents", agents::kinds)
            .needs(AgentUse)
            .says("Lists the kinds of agents, with their methods")
            .named("listAgentKinds")
            .gives::<KindsBody>("The kinds"),
        post("/api/agents/{agent}/{agent_name}/call/{method}", agents::call)
            .needs(AgentUse)
            .says("Calls a method of an agent, with arguments by their names")
            .named("callAgent")
            .body(agents::arguments)
            .gives::<ResultBody>("What the method answers")
            .fails(OF_AGENT)
            .fails(&[
                "agent.arguments",
                "agent.method-not-callable",
                "agent.method-streaming",
                "agent.method-unknown",
                "agent.readonly",
            ])
            .fails(OF_METHODS),
    ];
    // What an agent answers there is its own matter, so the document does not have it.
    for root in ["/agents/{agent}/{agent_name}", "/api/agents/{agent}/{agent_name}"] {
        endpoints.push(get(root, agents::reach).needs(AgentUse));
        endpoints.push(post(root, agents::reach).needs(AgentUse));
    }
    for below in [
        "/agents/{agent}/{agent_name}/{path:.*}",
        "/api/agents/{agent}/{agent_name}/{path:.*}",
    ] {
        endpoints.push(get(below, agents::reach_below).needs(AgentUse));
        endpoints.push(post(below, agents::reach_below).needs(AgentUse));
        endpoints.push(delete(below, agents::reach_below).needs(AgentUse));
    }
    endpoints
}
