//! Codes of problems: agents, and the sockets that lead to them.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Agents",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "agent.arguments",
        &[422],
        "The arguments do not fit the method",
        "Compare them with the schema of the method (`GET /api/agents`)",
    ),
    code(
        "agent.encode",
        &[500],
        "What an agent said or keeps cannot be encoded",
        "Look at the log: the agent has a fault",
    ),
    code(
        "agent.key",
        &[422],
        "An agent wrote under a key that is not its own",
        "Keys of agents do not begin with `agent/`",
    ),
    code(
        "agent.kind",
        &[422],
        "The name of a kind of agents is none, or taken",
        "Give the kind another name; the server does not start before",
    ),
    code(
        "agent.method",
        &[422],
        "Two methods of a kind of agents have one name",
        "Give one of them another name; the server does not start before",
    ),
    code(
        "agent.method-not-callable",
        &[403],
        "Only the agent itself calls this method",
        "Call one of those that `GET /api/agents` lists",
    ),
    code(
        "agent.method-streaming",
        &[422],
        "The method answers in parts, which takes a WebSocket",
        "Connect to the agent and call it there",
    ),
    code(
        "agent.method-unknown",
        &[404],
        "The agent has no such method",
        "Call one of those that `GET /api/agents` lists",
    ),
    code(
        "agent.name",
        &[422],
        "The name of the agent is empty, too long or has control characters",
        "Use 1 to 100 bytes of text",
    ),
    code(
        "agent.no-such-path",
        &[404],
        "The agent answers nothing at this address",
        "Check the address, or connect by WebSocket",
    ),
    code(
        "agent.nobody",
        &[403],
        "Nobody said who connects to the agent",
        "Connect through the gateway",
    ),
    code(
        "agent.other-activation",
        &[409],
        "What an agent had begun has outlived its activation",
        "Nothing: the agent begins anew what matters",
    ),
    code(
        "agent.queue",
        &[503],
        "As many calls wait in the queue of the agent as can",
        "Wait until some are done",
    ),
    code(
        "agent.readonly",
        &[403],
        "The connection cannot change the state of the agent",
        "Connect on other terms, if the agent has any",
    ),
    code(
        "agent.schedule",
        &[422],
        "The time for which something was to be scheduled is none",
        "Use a cron expression with five fields, or 1 s to 30 days between two calls",
    ),
    code(
        "agent.schedules",
        &[503],
        "The agent has as many schedules as it can have",
        "Cancel some",
    ),
    code(
        "agent.state-decode",
        &[500],
        "The stored state is not what the agent has for one now",
        "Give new fields a default, or bring the former code back",
    ),
    code(
        "agent.tags",
        &[500],
        "An agent gave a connection too many tags",
        "Look at the log: the agent has a fault",
    ),
    code(
        "agent.unknown",
        &[400, 404],
        "There is no such kind of agents",
        "Use one of those that `GET /api/agents` lists",
    ),
    code(
        "chat.allow",
        &[403],
        "Only people say what a chat may do without asking",
        "Sign in and call it yourself",
    ),
    code(
        "chat.decode",
        &[500],
        "What a chat has stored cannot be read",
        "Bring the former version back, or clear the chat",
    ),
    code(
        "chat.encode",
        &[500],
        "A message of a chat cannot be encoded",
        "Look at the log: the agent has a fault",
    ),
    code(
        "chat.full",
        &[413],
        "The chat holds as much as it can",
        "Clear it, or begin another one",
    ),
    code(
        "chat.message",
        &[413, 422],
        "A message is none, or out of its bounds",
        "Send a message as the AI SDK makes them, and a shorter one",
    ),
    code(
        "chat.notice",
        &[403],
        "Only agents send notices into a chat",
        "Say it in the chat",
    ),
    code(
        "chat.over",
        &[409],
        "Nobody waits for this answer any more",
        "Nothing: another attempt has taken its place",
    ),
    code(
        "chat.request",
        &[409, 413, 422],
        "A request for an answer cannot be read, has too much in it, or is being answered",
        "Send it once, with fewer new messages",
    ),
    code(
        "chat.tool",
        &[422],
        "There is no such tool that asks before it does something",
        "Use the name of one that does",
    ),
    code(
        "chat.undecided",
        &[409],
        "A tool waits for a decision before the chat goes on",
        "Approve or deny it",
    ),
    code(
        "chat.waiting",
        &[503],
        "As many requests wait for an answer as can",
        "Wait until one is answered",
    ),
    code(
        "socket.handshake",
        &[400],
        "The request is no opening handshake of a WebSocket",
        "Use a WebSocket client",
    ),
    code(
        "socket.protocol",
        &[400],
        "The only protocol that is offered is a token",
        "Offer another one beside it, for example `foundation`: it is the one that is answered",
    ),
    code(
        "socket.too-many-of-tenant",
        &[429],
        "The tenant has as many WebSockets on this node as it can have",
        "Close some; `sockets.per-tenant` is the bound",
    ),
    code(
        "socket.version",
        &[426],
        "The client speaks another version of the WebSocket protocol",
        "Use version 13",
    ),
];
