//! Builds the model and the embedding model from the configuration.

use std::{io, path::Path, sync::Arc, time::Duration};

use actors::ports::{Embedder, Model};
use secrecy::SecretString;

use super::{
    AiConfig, AiConfigError, EmbeddedModel, LocalOptions, MiniLm, Provider, RemoteModel, RemoteOptions,
    metered::MeteredModel,
    models::{ModelFiles, Part},
};

/// What the user interface and the README say about the embedded model.
const DEMONSTRATION: &str = "The embedded model has 135 million parameters. It shows that the pipeline works: its text is \
     valid and readable, but shallow, and its judgements are left open. For plans to act on, connect a larger model.";

/// The models of this program.
#[derive(Clone)]
pub struct Ai {
    /// The language model.
    pub model: Arc<dyn Model>,
    /// The embedding model.
    pub embedder: Arc<dyn Embedder>,
    /// What people must know about these models, one sentence or more each. Missing files are named here too, as they
    /// were found at the start.
    pub notices: Vec<String>,
}

impl std::fmt::Debug for Ai {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ai")
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

/// Why the models cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] AiConfigError),
    /// The HTTP client cannot be built.
    #[error("failed to set up the client of the model endpoint: {0}")]
    Client(#[from] reqwest::Error),
    /// The operating system has no thread to give.
    #[error("failed to start the thread of the embedded model: {0}")]
    Thread(#[from] io::Error),
}

/// Sets up the models. Nothing is loaded or sent yet, and absent model files are no error here: the models say what is
/// missing when they are asked, and look again at the next request.
///
/// # Errors
/// The configuration cannot be used, or the system refuses a thread or a client.
pub fn connect(config: &AiConfig, models: &Path, api_key: Option<SecretString>) -> Result<Ai, ConnectError> {
    config.validate()?;
    let mut notices = Vec::new();
    let mut parts = vec![Part::Embedding];
    let model: Arc<dyn Model> = match config.provider {
        Provider::Embedded => {
            notices.push(DEMONSTRATION.to_owned());
            parts.push(Part::Language);
            Arc::new(EmbeddedModel::start(LocalOptions {
                directory: models.to_owned(),
                queue: config.queue,
            })?)
        }
        Provider::OpenAiCompatible => {
            let seconds = |value: std::num::NonZeroU32| Duration::from_secs(u64::from(value.get()));
            Arc::new(RemoteModel::new(RemoteOptions {
                base_url: config.base_url.clone(),
                models: config.models.clone(),
                api_key,
                context_tokens: config.context_tokens,
                stream: config.stream,
                connect_timeout: seconds(config.connect_timeout_secs),
                read_timeout: seconds(config.read_timeout_secs),
                concurrency: config.concurrency,
                queue: config.queue,
            })?)
        }
    };
    for part in parts {
        if let Err(error) = ModelFiles::glance(models, part) {
            tracing::warn!(%error, "a model is not available");
            notices.push(error.to_string());
        }
    }
    Ok(Ai {
        model: Arc::new(MeteredModel::new(model, config.provider.as_str())),
        embedder: Arc::new(MiniLm::new(models.to_owned())),
        notices,
    })
}

#[cfg(test)]
mod tests {
    use actors::ports::{ModelError, Profile, Slot};
    use futures_util::StreamExt;

    use super::*;
    use crate::planes::ai::{ModelNames, contract, models};

    #[tokio::test]
    async fn without_files_it_starts_and_answers_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let ai = connect(&AiConfig::default(), directory.path(), None).unwrap();
        assert_eq!(ai.notices.len(), 3, "{:?}", ai.notices);
        assert!(ai.notices[1].contains(models::FETCH_COMMAND));
        let events: Vec<_> = ai.model.complete(contract::request("key")).collect().await;
        assert!(
            matches!(events.last(), Some(Err(ModelError::Missing(text))) if text.contains(models::FETCH_COMMAND)),
            "{events:?}"
        );
    }

    #[test]
    fn an_endpoint_has_the_full_profile_and_a_model_for_each_role() {
        let directory = tempfile::tempdir().unwrap();
        let config = AiConfig {
            provider: Provider::OpenAiCompatible,
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            models: ModelNames {
                generator: "writer".to_owned(),
                reviewer: "critic".to_owned(),
                ..ModelNames::default()
            },
            ..AiConfig::default()
        };
        let ai = connect(&config, directory.path(), None).unwrap();
        let ids = [Slot::Generator, Slot::Reviewer, Slot::Tiebreaker].map(|slot| ai.model.info(slot).id);
        assert_eq!(ids, ["writer", "critic", "critic"]);
        assert_eq!(ai.model.info(Slot::Generator).profile, Profile::Full);
    }

    #[test]
    fn a_broken_section_names_its_key() {
        let config = AiConfig {
            provider: Provider::OpenAiCompatible,
            ..AiConfig::default()
        };
        let error = connect(&config, Path::new("unused"), None).unwrap_err();
        assert!(error.to_string().contains("ai.base-url"), "{error}");
    }
}
