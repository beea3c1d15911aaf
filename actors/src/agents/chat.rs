//! The agent `chat`: talks with one person, streams what it says, and does things when it is allowed to.
//!
//! It speaks the chat protocol of the npm packages `@cloudflare/ai-chat` and `agents` (`protocol`), so that their clients
//! work with it as they are.
//!
//! - **Messages** are those of the AI SDK, one stored value each (`transcript`). What the person says is durable before
//!   anything is said about it.
//! - **An answer** (`turns`) is a number of steps (`steps`): the model either speaks, token by token, or asks for a tool.
//!   What is said is numbered and kept (`log`), so that who comes back hears all of it, once. A step that is finished is
//!   durable; if the owner dies, the next one begins anew behind it, with the same message, three times at most.
//! - **Tools** (`tool`) that change something wait for the person's approval (`approval`), unless the person has allowed
//!   them for good. What is done carries a key that is the same at each attempt.
//! - **The prompt** (`prompt`) has at most [`PROMPT_TOKENS_MAX`] tokens. What does not fit is summarised beside the mailbox
//!   (`summary`); what comes from elsewhere stands between marks that say so.

mod agent;
mod approval;
mod calls;
mod effect;
mod env;
#[cfg(test)]
mod golden;
mod log;
mod message;
mod methods;
mod model;
mod notice;
mod prompt;
mod protocol;
mod request;
mod resume;
mod rows;
mod steps;
mod summary;
#[cfg(test)]
mod tests;
mod tool;
mod transcript;
mod turns;

pub use agent::Chat;
pub use env::ChatEnv;
pub use methods::{AllowTool, AllowedTools, Notice};
pub use notice::INBOX;
pub(in crate::agents) use notice::send_notice;
pub use prompt::PROMPT_TOKENS_MAX;
