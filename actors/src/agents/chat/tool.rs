//! What a chat can do besides talking.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    agents::AgentCaller,
    run::{IDEA_MAX, IDEA_MIN},
    user::UserId,
};

/// Longest question to the artifacts, in characters.
const QUERY_MAX: usize = 500;
/// Longest text of a reminder or a notice, in characters.
const TEXT_MAX: usize = 1000;
/// Longest time until a reminder, in minutes.
const MINUTES_MAX: u32 = 60 * 24 * 30;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    SearchArtifacts,
    RunStatus,
    StartRun,
    Remind,
    Notify,
}

/// What a tool is given. It was written by a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    SearchArtifacts { query: String },
    RunStatus { run: String },
    StartRun { idea: String },
    Remind { text: String, minutes: u32 },
    Notify { member: UserId, text: String },
}

impl Tool {
    pub(super) const ALL: [Self; 5] = [
        Self::SearchArtifacts,
        Self::RunStatus,
        Self::StartRun,
        Self::Remind,
        Self::Notify,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SearchArtifacts => "search_artifacts",
            Self::RunStatus => "run_status",
            Self::StartRun => "start_planning_run",
            Self::Remind => "remind_me",
            Self::Notify => "notify_member",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// What it is for, as the model is told.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::SearchArtifacts => "searches the artifacts of the team's planning runs",
            Self::RunStatus => "says where a planning run stands, by its id",
            Self::StartRun => "starts a planning run, which makes a plan from an idea",
            Self::Remind => "reminds the user of something, so many minutes later",
            Self::Notify => "sends a notice to a member of the team, by the member's id",
        }
    }

    /// The permission without which nobody has it.
    pub(super) fn permission(self) -> Option<&'static str> {
        match self {
            Self::SearchArtifacts => Some("artifact:view"),
            Self::RunStatus => Some("run:view"),
            Self::StartRun => Some("run:create"),
            Self::Remind | Self::Notify => None,
        }
    }

    /// Whether somebody may use it.
    pub(super) fn is_for(self, caller: &AgentCaller) -> bool {
        self.permission().is_none_or(|permission| caller.may(permission))
    }

    /// Whether it changes something.
    pub(super) fn is_write(self) -> bool {
        match self {
            Self::SearchArtifacts | Self::RunStatus => false,
            Self::StartRun | Self::Remind | Self::Notify => true,
        }
    }

    /// What it takes.
    pub(super) fn schema(self) -> Value {
        let text = |least: usize, most: usize| json!({ "type": "string", "minLength": least, "maxLength": most });
        let properties = match self {
            Self::SearchArtifacts => json!({ "query": text(1, QUERY_MAX) }),
            Self::RunStatus => json!({ "run": text(1, 64) }),
            Self::StartRun => json!({ "idea": text(IDEA_MIN, IDEA_MAX) }),
            Self::Remind => json!({
                "text": text(1, TEXT_MAX),
                "minutes": { "type": "integer", "minimum": 1, "maximum": MINUTES_MAX }
            }),
            Self::Notify => json!({ "member": text(1, 128), "text": text(1, TEXT_MAX) }),
        };
        let required: Vec<&String> = properties
            .as_object()
            .into_iter()
            .flat_map(|names| names.keys())
            .collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// Reads what the model filled in.
    ///
    /// # Errors
    /// What is wrong with it, for the model.
    pub(super) fn read(self, input: &Value) -> Result<Input, String> {
        let input = match self {
            Self::SearchArtifacts => {
                let Query { query } = fields(input)?;
                Input::SearchArtifacts {
                    query: text("query", query, 1, QUERY_MAX)?,
                }
            }
            Self::RunStatus => {
                let RunId { run } = fields(input)?;
                Input::RunStatus {
                    run: text("run", run, 1, 64)?,
                }
            }
            Self::StartRun => {
                let Idea { idea } = fields(input)?;
                Input::StartRun {
                    idea: text("idea", idea, IDEA_MIN, IDEA_MAX)?,
                }
            }
            Self::Remind => {
                let Reminder { text: about, minutes } = fields(input)?;
                if !(1..=MINUTES_MAX).contains(&minutes) {
                    return Err(format!("minutes is 1 to {MINUTES_MAX}"));
                }
                Input::Remind {
                    text: text("text", about, 1, TEXT_MAX)?,
                    minutes,
                }
            }
            Self::Notify => {
                let Note { member, text: about } = fields(input)?;
                Input::Notify {
                    member: UserId::new(member.trim()).map_err(|error| error.message().to_owned())?,
                    text: text("text", about, 1, TEXT_MAX)?,
                }
            }
        };
        Ok(input)
    }
}

#[derive(Serialize, Deserialize)]
struct Query {
    query: String,
}

#[derive(Serialize, Deserialize)]
struct RunId {
    run: String,
}

#[derive(Serialize, Deserialize)]
struct Idea {
    idea: String,
}

#[derive(Serialize, Deserialize)]
struct Reminder {
    text: String,
    minutes: u32,
}

#[derive(Serialize, Deserialize)]
struct Note {
    member: String,
    text: String,
}

fn fields<T: DeserializeOwned>(input: &Value) -> Result<T, String> {
    T::deserialize(input).map_err(|error| format!("the input does not fit: {error}"))
}

fn text(name: &str, text: String, least: usize, most: usize) -> Result<String, String> {
    let text = text.trim();
    if (least..=most).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(format!("{name} has {least} to {most} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_what_it_takes_and_takes_it() {
        for tool in Tool::ALL {
            assert_eq!(Tool::find(tool.name()), Some(tool));
            let input = match tool {
                Tool::SearchArtifacts => json!({ "query": "cafes" }),
                Tool::RunStatus => json!({ "run": "r" }),
                Tool::StartRun => json!({ "idea": "A shared calendar for repair cafes" }),
                Tool::Remind => json!({ "text": "tea", "minutes": 5 }),
                Tool::Notify => json!({ "member": "bob", "text": "hello" }),
            };
            tool.read(&input).unwrap();
            assert!(jsonschema::is_valid(&tool.schema(), &input), "{}", tool.name());
            let wrong = json!({ "minutes": 0, "text": "", "query": " ", "idea": "short", "member": "a b", "run": "" });
            tool.read(&wrong).unwrap_err();
            assert!(!jsonschema::is_valid(&tool.schema(), &wrong), "{}", tool.name());
        }
    }
}
