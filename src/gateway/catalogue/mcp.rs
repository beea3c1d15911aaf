//! Codes of problems: MCP clients.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "MCP clients",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "mcp.accept",
        &[406],
        "The client does not take what the server answers with",
        "Send an Accept header with application/json and text/event-stream",
    ),
    code(
        "mcp.agent-left",
        &[503],
        "The agent ended the conversation before it had answered",
        "Look whether it has done what it was asked for, and ask again",
    ),
    code(
        "mcp.event",
        &[413],
        "What a stream says is too large to be kept for who comes back",
        "Ask for less",
    ),
    code(
        "mcp.host",
        &[403],
        "The Host header names another server",
        "Use the name in server.public-url, or set it",
    ),
    code(
        "mcp.inbox",
        &[503],
        "Too many messages wait for requests of the session that are worked on",
        "Try again soon",
    ),
    code(
        "mcp.initialized",
        &[409],
        "The MCP session has been initialized already, with something else",
        "Open another session",
    ),
    code(
        "mcp.origin",
        &[403],
        "Pages of this origin may not ask",
        "Name the origin in server.allowed-origins",
    ),
    code(
        "mcp.parts",
        &[413],
        "The answer of a method has too many parts, or too large ones, for one result of a tool",
        "Ask for less, or call the method over a WebSocket",
    ),
    code(
        "mcp.resource",
        &[404],
        "There is no resource at this address",
        "List the resources and their templates",
    ),
    code(
        "mcp.session",
        &[404],
        "There is no such MCP session, or it is somebody else's",
        "Initialize anew; clients do so by themselves",
    ),
    code(
        "mcp.session-other",
        &[409],
        "The id belongs to another MCP session",
        "This is a fault of the server; see the log",
    ),
    code(
        "mcp.stream-over",
        &[409],
        "The stream has been answered already",
        "Nothing; the client has been told",
    ),
    code(
        "mcp.streams",
        &[503],
        "The session has too many requests that are worked on",
        "Wait until some are answered",
    ),
    code(
        "mcp.subscriptions",
        &[409],
        "The session has too many subscriptions, or the address of the resource is too long",
        "Unsubscribe from others",
    ),
    code(
        "mcp.uninitialized",
        &[409],
        "The MCP session has not been initialized",
        "Send initialize first",
    ),
];
