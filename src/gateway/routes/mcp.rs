//! The MCP server. What it offers it says by itself, so the document of the API does not.

use crate::gateway::{
    endpoint::{Endpoint, delete, get, post},
    mcp,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        post("/mcp", mcp::post).says("Takes what an MCP client says"),
        get("/mcp", mcp::get).says("Streams what an MCP client listens to"),
        delete("/mcp", mcp::delete).says("Ends the session of an MCP client"),
        get(mcp::WELL_KNOWN, mcp::metadata)
            .public()
            .says("Says where clients of the MCP server get tokens"),
        get("/.well-known/oauth-protected-resource/mcp", mcp::metadata)
            .public()
            .says("Says where clients of the MCP server get tokens"),
    ]
}
