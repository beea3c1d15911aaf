//! The steps of an answer: the model decides, speaks, or has a tool do something.

use cluster::prelude::Result;
use serde_json::{Value, json};

use super::{
    agent::{Chat, Here},
    message::{call_part, set_error, text_part},
    methods::{News, Said},
    model::Asking,
    prompt::{self, History},
    rows::{CallState, Outcome, StoredCall},
    tool::Tool,
};

/// Most steps of an answer; at the last one the model speaks.
const STEPS_MAX: u32 = 6;
/// Longest text of an answer, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

impl Chat {
    /// Begins the next step.
    pub(super) fn step(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        if let Some(turn) = &mut self.turns.running {
            turn.steps += 1;
        }
        self.tell(&json!({ "type": "start-step" }), ctx)?;
        if let Some(draft) = &mut self.draft {
            draft.message.parts.push(json!({ "type": "step-start" }));
        }
        let tools = self.tools();
        if tools.is_empty() {
            self.speak(ctx);
            return Ok(());
        }
        if let Some((asking, history)) = self.asking(ctx) {
            let prompt = prompt::choice(history, &tools, asking.window);
            let choice = asking.choose(prompt, &tools);
            self.work(futures_util::stream::once(choice), ctx);
        }
        Ok(())
    }

    /// The tools that the model may use in this step.
    fn tools(&self) -> Vec<Tool> {
        let turn = self.turns.running.as_ref().filter(|turn| turn.steps < STEPS_MAX);
        let tools = turn.map(|turn| Tool::ALL.into_iter().filter(|tool| tool.is_for(&turn.caller)));
        tools.into_iter().flatten().collect()
    }

    /// What the model is asked with, and what was said.
    fn asking(&self, ctx: Here<'_, '_>) -> Option<(Asking, History<'_>)> {
        let (turn, draft) = (self.turns.running.as_ref()?, self.draft.as_ref()?);
        let address = ctx.address().actor(ctx.tenant());
        let key = format!("{address}/{}/{}", turn.request, turn.steps);
        let history = History {
            transcript: &self.transcript,
            summary: self.summary.as_ref(),
            answer: &draft.message,
            place: turn.place,
        };
        Some((Asking::new(ctx.env(), key), history))
    }

    /// Lets the model speak to the person.
    fn speak(&mut self, ctx: Here<'_, '_>) {
        if let Some((asking, history)) = self.asking(ctx) {
            let answer = asking.answer(prompt::answer(history, asking.window));
            self.work(answer, ctx);
        }
    }

    /// Hears what work has come to.
    pub(super) fn hear(&mut self, news: News, ctx: Here<'_, '_>) -> Result<()> {
        match news {
            News::Text(text) => self.say(&text, ctx),
            News::End(Ok(said)) => self.spoken(&said, ctx),
            News::Chosen(Ok(name)) => {
                let tool = Tool::find(&name).filter(|tool| self.tools().contains(tool));
                match tool {
                    Some(tool) => self.fill(tool, ctx),
                    None => self.speak(ctx),
                }
                Ok(())
            }
            News::Filled { tool, input: Ok(input) } => self.filled(&tool, &input, ctx),
            News::Done { call, output } => self.called(&call, output, ctx),
            News::End(Err(error)) | News::Chosen(Err(error)) | News::Filled { input: Err(error), .. } => {
                self.end(Outcome::Error, Some(error), ctx)
            }
        }
    }

    fn fill(&mut self, tool: Tool, ctx: Here<'_, '_>) {
        if let Some((asking, history)) = self.asking(ctx) {
            let input = asking.fill(prompt::input(history, tool, asking.window), tool);
            self.work(futures_util::stream::once(input), ctx);
        }
    }

    fn text_id(&self) -> String {
        let steps = self.turns.running.as_ref().map_or(0, |turn| turn.steps);
        format!("text-{steps}")
    }

    /// The model says more.
    fn say(&mut self, text: &str, ctx: Here<'_, '_>) -> Result<()> {
        let id = self.text_id();
        let said = self
            .draft
            .as_ref()
            .and_then(|draft| draft.text.as_ref())
            .map(String::len);
        if said.is_none() {
            self.tell(&json!({ "type": "text-start", "id": id }), ctx)?;
        }
        let room = TEXT_BYTES_MAX - said.unwrap_or_default();
        let more = &text[..text.floor_char_boundary(room)];
        if let Some(draft) = &mut self.draft {
            draft.text.get_or_insert_default().push_str(more);
        }
        self.tell(&json!({ "type": "text-delta", "id": id, "delta": more }), ctx)?;
        if more.len() < text.len() {
            let cut_off = Said {
                text: String::new(),
                is_cut: true,
            };
            return self.spoken(&cut_off, ctx);
        }
        Ok(())
    }

    /// Finishes the text that is being said.
    pub(super) fn close_text(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let Some(text) = self.draft.as_mut().and_then(|draft| draft.text.take()) else {
            return Ok(());
        };
        let end = json!({ "type": "text-end", "id": self.text_id() });
        if let Some(draft) = &mut self.draft {
            draft.message.parts.push(text_part(&text));
        }
        self.tell(&end, ctx)
    }

    /// The model has said all.
    fn spoken(&mut self, said: &Said, ctx: Here<'_, '_>) -> Result<()> {
        let is_silent = self.draft.as_ref().is_some_and(|draft| draft.text.is_none());
        if is_silent && said.text.trim().is_empty() {
            return self.end(Outcome::Error, Some("the model has said nothing".to_owned()), ctx);
        }
        if is_silent {
            self.say(&said.text, ctx)?;
            if self.draft.is_none() {
                return Ok(());
            }
        }
        let reason = if said.is_cut { "length" } else { "stop" };
        self.close_text(ctx)?;
        self.tell(&json!({ "type": "finish-step" }), ctx)?;
        self.tell(&json!({ "type": "finish", "finishReason": reason }), ctx)?;
        self.end(Outcome::Completed, None, ctx)
    }

    /// The model has filled in what a tool takes.
    fn filled(&mut self, tool: &str, json: &str, ctx: Here<'_, '_>) -> Result<()> {
        let input: Value = serde_json::from_str(json).unwrap_or_default();
        let Some((tool, turn)) = Tool::find(tool).zip(self.turns.running.clone()) else {
            return Ok(());
        };
        let call = format!("call-{}", ctx.uuid());
        let mut part = call_part(tool.name(), &call, &input);
        if let Err(error) = tool.read(&input) {
            let chunk = json!({
                "type": "tool-input-error", "toolCallId": call, "toolName": tool.name(), "input": input,
                "errorText": error
            });
            self.tell(&chunk, ctx)?;
            set_error(&mut part, &error);
            self.add_part(part);
            return self.finish_step(ctx);
        }
        let chunk = json!({
            "type": "tool-input-available", "toolCallId": call, "toolName": tool.name(), "input": input
        });
        self.tell(&chunk, ctx)?;
        let mut stored = StoredCall {
            tool: tool.name().to_owned(),
            input: input.to_string(),
            place: turn.place,
            state: CallState::Ready { by: turn.caller },
        };
        if tool.is_write() && !self.allowed.contains(tool.name()) {
            let approval = format!("approval-{}", ctx.uuid());
            stored.state = self.waiting(&call, &approval, ctx)?;
            let chunk = json!({ "type": "tool-approval-request", "approvalId": approval, "toolCallId": call });
            self.tell(&chunk, ctx)?;
            part["state"] = "approval-requested".into();
            part["approval"] = json!({ "id": approval });
            self.add_part(part);
            self.calls.put(&call, stored, ctx)?;
            self.tell(&json!({ "type": "finish-step" }), ctx)?;
            self.tell(&json!({ "type": "finish", "finishReason": "tool-calls" }), ctx)?;
            return self.end(Outcome::Completed, None, ctx);
        }
        self.add_part(part);
        self.calls.put(&call, stored, ctx)?;
        // From here on it is this call that is made, whoever makes it.
        self.keep(Some(call.clone()), ctx)?;
        self.make_call(&call, ctx)
    }

    fn add_part(&mut self, part: Value) {
        if let Some(draft) = &mut self.draft {
            draft.message.parts.push(part);
        }
    }

    /// A call has come to something.
    pub(super) fn called(&mut self, call: &str, output: Result<Value, String>, ctx: Here<'_, '_>) -> Result<()> {
        let output = self.complete(call, output, ctx);
        self.calls.remove(call, ctx)?;
        let part = self.draft.as_mut().and_then(|draft| draft.message.call_mut(call));
        let chunk = match output {
            Ok(output) => {
                let chunk = json!({ "type": "tool-output-available", "toolCallId": call, "output": output });
                if let Some(part) = part {
                    part["state"] = "output-available".into();
                    part["output"] = output;
                }
                chunk
            }
            Err(error) => {
                if let Some(part) = part {
                    set_error(part, &error);
                }
                json!({ "type": "tool-output-error", "toolCallId": call, "errorText": error })
            }
        };
        self.tell(&chunk, ctx)?;
        self.finish_step(ctx)
    }

    /// What was done is durable before the model goes on.
    fn finish_step(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        self.tell(&json!({ "type": "finish-step" }), ctx)?;
        self.keep(None, ctx)?;
        self.step(ctx)
    }
}
