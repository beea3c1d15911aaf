//! The MCP servers. What they offer they say by themselves, so the document of the API does not.

use crate::gateway::{
    endpoint::{Endpoint, delete, get, post},
    mcp,
    permission::Permission::AgentUse,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = vec![
        post("/mcp", mcp::post).says("Takes what an MCP client says"),
        get("/mcp", mcp::get).says("Streams what an MCP client listens to"),
        delete("/mcp", mcp::delete).says("Ends the session of an MCP client"),
        get("/sse", mcp::open).says("Streams everything to an MCP client of the transport before streamable HTTP"),
        post("/messages", mcp::send).says("Takes what such a client says"),
    ];
    for agent in [
        "/agents/{agent}/{agent_name}/mcp",
        "/api/agents/{agent}/{agent_name}/mcp",
    ] {
        endpoints.push(post(agent, mcp::post_to_agent).needs(AgentUse));
        endpoints.push(get(agent, mcp::get_of_agent).needs(AgentUse));
        endpoints.push(delete(agent, mcp::delete_of_agent).needs(AgentUse));
    }
    for metadata in [
        mcp::WELL_KNOWN,
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/sse",
        "/.well-known/oauth-protected-resource/agents/{agent}/{agent_name}/mcp",
        "/.well-known/oauth-protected-resource/api/agents/{agent}/{agent_name}/mcp",
    ] {
        let shown = get(metadata, mcp::metadata).public();
        endpoints.push(shown.says("Says where clients of the MCP server get tokens"));
    }
    endpoints
}
