//! What tools do. A call may be made again after a crash: then it is the same effect, not another one.

use std::time::Duration;

use cluster::prelude::{Result, Uuid};
use futures_util::stream;
use serde_json::{Value, json};

use super::{
    agent::{Chat, Here},
    env::ChatEnv,
    methods::{News, Notice, Remind},
    notice::send_notice,
    prompt::cut,
    rows::CallState,
    tool::{Input, Tool},
};
use crate::{
    agents::{AgentCaller, When},
    membership::{self, GetMember, Membership},
    ports::{VectorQuery, VectorScope},
    records::{Mode, RunConfig},
    run::{GetRun, Run, StartRun},
};

/// Most artifacts that a search finds.
const FOUND_MAX: usize = 5;
/// Longest part of an artifact that a search tells, in characters.
const FOUND_CHARS: usize = 600;
/// Namespace of the ids of runs that chats start.
const RUNS: Uuid = Uuid::from_u128(0x8d2f_1c4e_5b7a_4f09_9e63_2a91_c07d_5f38);

/// A call on its way: what it is given, and on whose behalf it is made.
struct Made {
    input: Input,
    by: AgentCaller,
}

impl Chat {
    fn made(&self, call: &str) -> Result<Made, String> {
        let stored = self.calls.get(call).ok_or("there is no such call any more")?;
        let CallState::Ready { by } = stored.state.clone() else {
            return Err("nobody has approved it".to_owned());
        };
        let tool = Tool::find(&stored.tool).ok_or("there is no such tool any more")?;
        if !tool.is_for(&by) {
            return Err("it needs a permission that is missing".to_owned());
        }
        let input: Value = serde_json::from_str(&stored.input).unwrap_or_default();
        Ok(Made {
            input: tool.read(&input)?,
            by,
        })
    }

    /// Makes a call: at once, or beside the mailbox where others are asked.
    pub(super) fn make_call(&mut self, call: &str, ctx: Here<'_, '_>) -> Result<()> {
        let Made { input, .. } = match self.made(call) {
            Ok(made) => made,
            Err(error) => return self.called(call, Err(error), ctx),
        };
        let id = call.to_owned();
        let done = |output| News::Done { call: id, output };
        match input {
            Input::Remind { text, minutes } => {
                let when = When::In(Duration::from_secs(u64::from(minutes) * 60));
                let scheduled = ctx.schedule_another(when, &Remind { text });
                let output = scheduled.map(|_| json!({ "reminds_in_minutes": minutes }));
                self.called(call, output.map_err(|error| error.message().to_owned()), ctx)
            }
            Input::SearchArtifacts { query } => {
                let found = search(ctx.env().clone(), ctx.tenant().as_str().to_owned(), query);
                self.work(stream::once(async move { done(found.await) }), ctx);
                Ok(())
            }
            Input::RunStatus { run } => {
                let actor = ctx.get_actor::<Run>(&run);
                let status = async move {
                    let run = actor.ask(GetRun).await.map_err(|error| error.message().to_owned())?;
                    Ok(json!({
                        "run": run.id, "status": run.status.as_str(), "phase": run.current_phase,
                        "idea": cut(&run.idea, FOUND_CHARS), "quality_score": run.quality_score
                    }))
                };
                self.work(stream::once(async move { done(status.await) }), ctx);
                Ok(())
            }
            Input::StartRun { idea } => {
                // The same call starts the same run, and a run is started once.
                let run = Uuid::new_v5(&RUNS, format!("{}/{call}", ctx.tenant()).as_bytes()).to_string();
                let actor = ctx.get_actor::<Run>(&run);
                let start = StartRun {
                    idea,
                    mode: Mode::Cloud,
                    config: RunConfig::default(),
                    origin: None,
                };
                let started = async move {
                    let failed = |error: &str| format!("it is not known whether run {run} was started: {error}");
                    let started = actor.ask(start).await.map_err(|error| failed(error.message()))?;
                    Ok(json!({ "run": started.id, "status": started.status.as_str() }))
                };
                self.work(stream::once(async move { done(started.await) }), ctx);
                Ok(())
            }
            Input::Notify { member, .. } => {
                let members = ctx.get_actor::<Membership>(membership::NAME);
                let known = async move {
                    let user = member.clone();
                    let found = members.ask(GetMember { user }).await;
                    found.map_err(|error| error.message().to_owned())?;
                    Ok(json!({ "notified": member.as_str() }))
                };
                self.work(stream::once(async move { done(known.await) }), ctx);
                Ok(())
            }
        }
    }

    /// Does what is done in the turn that stores the result.
    pub(super) fn complete(
        &mut self,
        call: &str,
        output: Result<Value, String>,
        ctx: Here<'_, '_>,
    ) -> Result<Value, String> {
        let output = output?;
        match self.made(call) {
            Ok(Made {
                input: Input::Notify { member, text },
                by,
            }) => {
                let notice = Notice { from: by.user, text };
                let sent = send_notice(member, &notice, ctx);
                sent.map(|()| output).map_err(|error| error.message().to_owned())
            }
            _ => Ok(output),
        }
    }
}

/// The artifacts of the tenant that are nearest to a question.
async fn search(env: ChatEnv, tenant: String, query: String) -> Result<Value, String> {
    let embedded = env
        .embedder
        .embed(vec![query])
        .await
        .map_err(|error| error.to_string())?;
    let embedding = embedded
        .into_iter()
        .next()
        .ok_or("the embedding model answered nothing")?;
    let query = VectorQuery {
        tenant,
        scope: VectorScope::Tenant,
        embedding,
        limit: FOUND_MAX,
    };
    let found = env.vectors.query(query).await.map_err(|error| error.to_string())?;
    let found = found.into_iter().map(|found| {
        json!({ "run": found.run_id, "phase": found.phase, "text": cut(&found.text, FOUND_CHARS), "score": found.score })
    });
    Ok(Value::Array(found.collect()))
}
