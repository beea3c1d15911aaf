//! What a task is to do.

use cluster::prelude::{ActorError, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{agent::Tasks, env::TaskEnv, methods::Enqueue};
use crate::{
    agents::{Agent, AgentAddress, AgentCaller, Method},
    run::{IDEA_MAX, IDEA_MIN},
    user::UserId,
};

/// Most steps from a task to one that it gives in the end.
pub const DEPTH_MAX: u32 = 8;
/// Longest job, as JSON.
const JOB_BYTES_MAX: usize = 24 * 1024;
/// Longest text of a notice, in characters.
const TEXT_MAX: usize = 1000;
/// The permission to start runs.
pub(super) const START_RUN: &str = "run:create";

/// What a task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// Starts a planning run, which makes a plan from an idea.
    StartRun {
        /// The idea, 10 to 5,000 characters.
        idea: String,
    },
    /// Calls a method of another agent of the same user, or of one that the tenant shares.
    CallAgent {
        /// The kind.
        agent: String,
        /// What the agent is called.
        name: String,
        /// The method.
        method: String,
        /// The arguments: a list, or an object with their names.
        #[serde(default)]
        args: Value,
    },
    /// Puts a notice into the inbox of a member of the tenant.
    Notify {
        /// Id of the member.
        member: String,
        /// What is said, 1 to 1,000 characters.
        text: String,
    },
}

impl Job {
    /// Its name, as it stands in `do`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::StartRun { .. } => "start_run",
            Self::CallAgent { .. } => "call_agent",
            Self::Notify { .. } => "notify",
        }
    }

    /// Checks what can be checked before it is done.
    ///
    /// # Errors
    /// `task.job`; `task.call` for a method that tasks do not call; `auth.permission`; `agent.name`.
    pub(super) fn check(&self, by: &AgentCaller, env: &TaskEnv) -> Result<()> {
        match self {
            Self::StartRun { idea } => {
                by.require(START_RUN)?;
                check_text("an idea", idea, IDEA_MIN, IDEA_MAX)?;
            }
            Self::CallAgent {
                agent,
                name,
                method,
                args,
            } => {
                if !env.may_call(agent, method) {
                    return Err(not_callable());
                }
                AgentAddress::new(agent, None, name)?;
                if !(args.is_null() || args.is_array() || args.is_object()) {
                    return Err(refused("arguments are a JSON array, or an object with their names"));
                }
                if is_enqueue(agent, method) && !args.is_object() {
                    return Err(refused("a task gives another one by the names of the arguments"));
                }
            }
            Self::Notify { member, text } => {
                UserId::new(member)?;
                check_text("a notice", text, 1, TEXT_MAX)?;
            }
        }
        if self.to_json()?.len() > JOB_BYTES_MAX {
            return Err(refused(&format!("a job has at most {JOB_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// The arguments of a call, of a task at this depth.
    pub(super) fn call_args(agent: &str, method: &str, args: &Value, depth: u32) -> String {
        match args {
            Value::Null => "[]".to_owned(),
            Value::Object(fields) if is_enqueue(agent, method) => {
                let mut fields = fields.clone();
                fields.insert("depth".to_owned(), (depth + 1).into());
                Value::Object(fields).to_string()
            }
            args => args.to_string(),
        }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| ActorError::internal("task.encode", format!("a job cannot be encoded: {error}")))
    }

    pub(super) fn read(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| ActorError::internal("task.decode", format!("a stored job cannot be read: {error}")))
    }
}

/// A method that tasks do not call.
pub(super) fn not_callable() -> ActorError {
    ActorError::forbidden("task.call", "tasks do not call this method")
}

/// Whether a call gives another task.
fn is_enqueue(agent: &str, method: &str) -> bool {
    agent == Tasks::NAME && method == Enqueue::NAME
}

fn check_text(what: &str, text: &str, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&text.trim().chars().count()) {
        return Ok(());
    }
    Err(refused(&format!("{what} has {least} to {most} characters")))
}

fn refused(why: &str) -> ActorError {
    ActorError::invalid("task.job", why)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use serde_json::json;

    use super::*;

    fn code(job: Value) -> Option<String> {
        let env = TaskEnv {
            grants: |_, _| BTreeSet::new(),
            callable: Arc::new(["counter", "task.enqueue"].map(str::to_owned).into()),
        };
        let by = AgentCaller {
            user: "ann".to_owned(),
            permissions: BTreeSet::from([START_RUN.to_owned()]),
        };
        let job: Job = serde_json::from_value(job).unwrap();
        assert_eq!(Job::read(&job.to_json().unwrap()).unwrap(), job);
        job.check(&by, &env).err().map(|error| error.code().to_owned())
    }

    fn call(agent: &str, method: &str, args: Value) -> Value {
        json!({ "do": "call_agent", "agent": agent, "name": "x", "method": method, "args": args })
    }

    #[test]
    fn a_job_is_checked_before_it_waits() {
        let job = |code: Option<&str>| code.map(str::to_owned);
        let idea = "A shared calendar for repair cafes";
        for (what, expected) in [
            (json!({ "do": "start_run", "idea": idea }), None),
            (json!({ "do": "start_run", "idea": "  short  " }), Some("task.job")),
            (json!({ "do": "start_run", "idea": "x".repeat(5001) }), Some("task.job")),
            (json!({ "do": "notify", "member": "bob", "text": "tea" }), None),
            (
                json!({ "do": "notify", "member": "b b", "text": "tea" }),
                Some("user.invalid"),
            ),
            (
                json!({ "do": "notify", "member": "bob", "text": " " }),
                Some("task.job"),
            ),
            (call("counter", "add", json!([1])), None),
            (call("counter", "add", Value::Null), None),
            (call("counter", "add", json!(1)), Some("task.job")),
            (call("counter", "add", json!(["x".repeat(25 * 1024)])), Some("task.job")),
            (call("chat", "allowTool", json!([])), Some("task.call")),
            (call("task", "cancel", json!([1])), Some("task.call")),
            (call("task", "enqueue", json!([])), Some("task.job")),
            (call("task", "enqueue", json!({ "job": {} })), None),
        ] {
            assert_eq!(code(what.clone()), job(expected), "{what}");
        }
        assert!(serde_json::from_value::<Job>(json!({ "do": "delete_everything" })).is_err());
    }

    #[test]
    fn a_task_that_is_given_by_another_one_is_a_step_deeper_whatever_it_says() {
        let args = Job::call_args("task", "enqueue", &json!({ "job": 1, "depth": 0 }), 3);
        assert_eq!(args, r#"{"job":1,"depth":4}"#);
        assert_eq!(
            Job::call_args("counter", "enqueue", &json!({ "depth": 0 }), 3),
            r#"{"depth":0}"#
        );
        assert_eq!(Job::call_args("counter", "add", &Value::Null, 0), "[]");
    }
}
