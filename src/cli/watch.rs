//! `foundation run watch`: a progress bar fed by the events of a run, or the events themselves as JSON.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt;
use indicatif::ProgressBar;
use serde_json::Value;

use super::{
    client::{Client, ClientError},
    command::CliError,
    output::{self, Output},
    runs::{path, text},
};
use actors::workflows::planning::phase::PhaseId;

/// Times in a row that a broken stream is opened again without hearing anything.
const RECONNECTS_MAX: u32 = 10;

/// Time before a broken stream is opened again.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// Longest frame that is kept while its end is awaited.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Follows a run until it ends. An end that is not a finished plan is an error, so that scripts can tell.
pub(super) async fn run(client: &Client, run: &str, output: &Output) -> Result<(), CliError> {
    let address = path(run, "/events")?;
    let mut view = View::new(output);
    let mut last = 0;
    let mut failures = 0;
    loop {
        match client.stream(&address, last).await {
            Ok(None) => break,
            Ok(Some(mut stream)) => {
                let mut frames = Frames::default();
                while let Some(chunk) = stream.next().await {
                    let Ok(chunk) = chunk else { break };
                    for frame in frames.push(&chunk) {
                        failures = 0;
                        last = frame.id.unwrap_or(last);
                        if view.show(&frame, output) {
                            return end(client, run, &view, output).await;
                        }
                    }
                }
            }
            // A server that is started again, and the proxy before it, answer in their own time.
            Err(error) if error.is_transient() && failures < RECONNECTS_MAX => {}
            Err(error) => return Err(error.into()),
        }
        failures += 1;
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
    end(client, run, &view, output).await
}

async fn end(client: &Client, run: &str, view: &View, output: &Output) -> Result<(), CliError> {
    let columns = client.get(&path(run, "")?).await?;
    let status = text(&columns, "status");
    view.bar.finish_and_clear();
    if !output.is_json() {
        let verdict = columns["kill_verdict"]
            .as_str()
            .map(|verdict| format!(", kill test {verdict}"));
        output.note(&format!(
            "run {run} is {status}{}",
            output::plain(&verdict.unwrap_or_default())
        ));
        if let Some(error) = columns["error"].as_str() {
            output.note(&output::plain(error));
        }
    }
    match status.as_str() {
        "completed" => Ok(()),
        "killed" => Err(CliError::RunEnded("killed")),
        "failed" => Err(CliError::RunEnded("failed")),
        "cancelled" => Err(CliError::RunEnded("cancelled")),
        "deleted" => Err(CliError::RunEnded("deleted")),
        _ => Err(CliError::Client(ClientError::Unexpected(format!(
            "the stream ended while the run is {status}"
        )))),
    }
}

/// What the person sees.
struct View {
    bar: ProgressBar,
    titles: HashMap<&'static str, &'static str>,
    done: u64,
}

impl View {
    fn new(output: &Output) -> Self {
        let titles = PhaseId::ALL
            .into_iter()
            .map(|id| (id.as_str(), id.phase().title))
            .collect();
        let bar = output.steps(PhaseId::ALL.len() as u64);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, titles, done: 0 }
    }

    /// Shows a frame; says whether it was the last one.
    fn show(&mut self, frame: &Frame, output: &Output) -> bool {
        if output.is_json() {
            output.json(&frame.data);
            return frame.event == "end";
        }
        let name = text(&frame.data, "phase");
        let title = self.titles.get(name.as_str()).copied().unwrap_or_default();
        match frame.event.as_str() {
            "phase_started" => self.bar.set_message(title),
            "phase_completed" => {
                self.done += 1;
                self.bar.set_position(self.done);
                self.bar.suspend(|| output.note(&format!("{:>2} {title}", self.done)));
            }
            "pivot_triggered" => {
                self.done = 0;
                self.bar.set_position(0);
                let reason = text(&frame.data, "reason");
                self.bar.suspend(|| output.note(&format!("pivot: {reason}")));
            }
            "step" => self.bar.set_message(format!("{title}: {}", text(&frame.data, "step"))),
            "queued" => {
                let ahead = frame.data["position"].as_u64().unwrap_or_default();
                self.bar.set_message(match ahead {
                    0 => format!("{title}: draft"),
                    _ => format!("{title}: waits for the model, {ahead} ahead"),
                });
            }
            "approval_requested" => {
                self.bar
                    .suspend(|| output.note(&"waits for approval: foundation run approve or reject"));
            }
            "run_paused" => self.bar.set_message("paused"),
            "end" => return true,
            _ => {}
        }
        false
    }
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Frame {
    id: Option<u64>,
    event: String,
    data: Value,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.rest.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.rest.drain(..end + 2).collect();
            frames.extend(parse(&String::from_utf8_lossy(&frame)));
        }
        if self.rest.len() > FRAME_BYTES_MAX {
            self.rest.clear();
        }
        frames
    }
}

/// Reads one frame; comments and frames without data are none.
fn parse(text: &str) -> Option<Frame> {
    let mut frame = Frame {
        id: None,
        event: "message".to_owned(),
        data: Value::Null,
    };
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => frame.id = value.parse().ok(),
            "event" => value.clone_into(&mut frame.event),
            "data" => frame.data = serde_json::from_str(value).ok()?,
            _ => {}
        }
    }
    (!frame.data.is_null()).then_some(frame)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let stream = b"retry: 2000\n\nid: 7\nevent: phase_started\ndata: {\"phase\":\"strategy\"}\n\n: keep-alive\n\nevent: end\ndata: {\"status\":\"completed\"}\n\n";
        let expected = vec![
            Frame {
                id: Some(7),
                event: "phase_started".to_owned(),
                data: json!({ "phase": "strategy" }),
            },
            Frame {
                id: None,
                event: "end".to_owned(),
                data: json!({ "status": "completed" }),
            },
        ];
        for cut in 0..stream.len() {
            let mut frames = Frames::default();
            let mut seen = frames.push(&stream[..cut]);
            seen.extend(frames.push(&stream[cut..]));
            assert_eq!(seen, expected, "cut at {cut}");
        }
    }
}
