//! Counts the calls of a model: how many, how long, how many tokens, with which outcome.

use std::sync::Arc;

use actors::ports::{Finish, Model, ModelError, ModelEvent, ModelInfo, ModelRequest, ModelStream, Slot};
use futures_util::StreamExt;
use metrics::{counter, histogram};
use tokio::time::Instant;

use crate::metrics::{MODEL_CALL_SECONDS, MODEL_CALLS_TOTAL, MODEL_TOKENS_TOTAL};

/// A model whose calls are counted under the name of its provider.
pub(super) struct MeteredModel {
    model: Arc<dyn Model>,
    provider: &'static str,
}

impl MeteredModel {
    pub(super) fn new(model: Arc<dyn Model>, provider: &'static str) -> Self {
        Self { model, provider }
    }
}

impl Model for MeteredModel {
    fn info(&self, slot: Slot) -> ModelInfo {
        self.model.info(slot)
    }

    fn complete(&self, request: ModelRequest) -> ModelStream {
        let mut call = Call {
            provider: self.provider,
            began: Instant::now(),
            outcome: "cancelled",
        };
        Box::pin(self.model.complete(request).inspect(move |event| call.hear(event)))
    }
}

/// One call; it is counted when its stream is dropped, which every stream is.
struct Call {
    provider: &'static str,
    began: Instant,
    outcome: &'static str,
}

impl Call {
    fn hear(&mut self, event: &Result<ModelEvent, ModelError>) {
        match event {
            Ok(ModelEvent::Queued { .. } | ModelEvent::Delta(_)) => {}
            Ok(ModelEvent::Done(reply)) => {
                self.outcome = match reply.finish {
                    Finish::Stop => "ok",
                    Finish::Length => "length",
                };
                let tokens = [
                    ("input", reply.usage.input_tokens),
                    ("output", reply.usage.output_tokens),
                ];
                for (direction, tokens) in tokens {
                    counter!(MODEL_TOKENS_TOTAL, "provider" => self.provider, "direction" => direction)
                        .increment(tokens);
                }
            }
            Err(error) => {
                self.outcome = match error {
                    ModelError::Missing(_) => "missing",
                    ModelError::Unavailable(_) => "unavailable",
                    ModelError::RateLimited { .. } => "rate-limited",
                    ModelError::Timeout => "timeout",
                    ModelError::Overloaded => "overloaded",
                    ModelError::Refused(_) => "refused",
                };
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        counter!(MODEL_CALLS_TOTAL, "provider" => self.provider, "outcome" => self.outcome).increment(1);
        histogram!(MODEL_CALL_SECONDS, "provider" => self.provider).record(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use actors::ports::fake::{FakeModel, Reply};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::planes::ai::contract;

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_by_outcome_with_their_tokens() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _recording = metrics::set_default_local_recorder(&recorder);
        let fake = FakeModel::new(|_, number| match number {
            0 => Reply::Text("Light.".to_owned()),
            1 => Reply::Error(ModelError::Refused("no".to_owned())),
            _ => Reply::Hang,
        });
        let model = MeteredModel::new(Arc::new(fake), "fake");
        contract::answered(&model, contract::request("a")).await;
        let refused: Vec<_> = model.complete(contract::request("b")).collect().await;
        assert!(refused.last().is_some_and(Result::is_err));
        let mut hanging = model.complete(contract::request("c"));
        let second = std::time::Duration::from_secs(1);
        while tokio::time::timeout(second, hanging.next()).await.is_ok() {}
        drop(hanging);

        let text = handle.render();
        for line in [
            "foundation_model_calls_total{provider=\"fake\",outcome=\"ok\"} 1",
            "foundation_model_calls_total{provider=\"fake\",outcome=\"refused\"} 1",
            "foundation_model_calls_total{provider=\"fake\",outcome=\"cancelled\"} 1",
            "foundation_model_call_seconds_count{provider=\"fake\"} 3",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        for direction in ["input", "output"] {
            let tokens = format!("foundation_model_tokens_total{{provider=\"fake\",direction=\"{direction}\"}}");
            let value = text.lines().find_map(|line| line.strip_prefix(&tokens)).expect(&text);
            assert!(value.trim().parse::<u64>().unwrap() > 0);
        }
    }
}
