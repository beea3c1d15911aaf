//! What is called: by people, by other agents, and by chats themselves.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::Method;

/// Lets a tool do what it does without asking, or not any more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AllowTool {
    /// Name of the tool.
    pub tool: String,
    /// Whether it may.
    pub is_allowed: bool,
}

impl Method for AllowTool {
    const NAME: &'static str = "allowTool";
    type Reply = BTreeSet<String>;
}

/// Lists the tools that do what they do without asking.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct AllowedTools;

impl Method for AllowedTools {
    const NAME: &'static str = "allowedTools";
    type Reply = BTreeSet<String>;
}

/// Puts a notice into a chat. Only other actors of the tenant do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// Who lets it be said.
    pub from: String,
    /// What is said.
    pub text: String,
}

impl Method for Notice {
    const NAME: &'static str = "notice";
    type Reply = ();
}

/// Work beside the mailbox has come to something.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Heard {
    /// Number of the work; of another one nothing is heard any more.
    pub(super) work: u64,
    pub(super) news: News,
}

impl Method for Heard {
    const NAME: &'static str = "heard";
    type Reply = ();
}

/// What work has come to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) enum News {
    /// The model has said more.
    Text(String),
    /// The model has said all, or broke off.
    End(Result<Said, String>),
    /// The model has decided what to do.
    Chosen(Result<String, String>),
    /// The model has filled in what a tool needs.
    Filled {
        tool: String,
        input: Result<String, String>,
    },
    /// A tool has done something.
    Done {
        call: String,
        output: Result<Value, String>,
    },
}

/// The whole of what a model has said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Said {
    pub(super) text: String,
    /// Whether it was cut off.
    pub(super) is_cut: bool,
}

/// Looks after the answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) struct Watch;

impl Method for Watch {
    const NAME: &'static str = "watch";
    type Reply = ();
}

/// Forgets how an answer was given.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Forget {
    pub(super) request: String,
}

impl Method for Forget {
    const NAME: &'static str = "forget";
    type Reply = ();
}

/// Gives up waiting for a decision.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Expire {
    pub(super) call: String,
}

impl Method for Expire {
    const NAME: &'static str = "expire";
    type Reply = ();
}

/// Reminds the person.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Remind {
    pub(super) text: String,
}

impl Method for Remind {
    const NAME: &'static str = "remind";
    type Reply = ();
}

/// A summary is there, or not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Summarised {
    /// Number of the history that it is of.
    pub(super) history: u64,
    /// The last place that it covers.
    pub(super) place: u64,
    pub(super) text: Result<String, String>,
}

impl Method for Summarised {
    const NAME: &'static str = "summarised";
    type Reply = ();
}
