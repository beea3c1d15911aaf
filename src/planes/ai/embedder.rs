//! The embedded embedding model: all-MiniLM-L6-v2, 384 dimensions.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use actors::ports::{EmbedError, Embedder, EmbedderInfo};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use futures_util::future::BoxFuture;
use tokenizers::{Encoding, PaddingParams, Tokenizer, TruncationParams};

use super::models::{EMBEDDING_CONFIG, EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS, ModelFiles, ModelFilesError, Part};

/// Identifier of the model, as vector indexes record it.
const MODEL_ID: &str = "all-MiniLM-L6-v2";

/// Length of its vectors.
const DIMENSIONS: usize = 384;

/// Tokens of a text that are read; what follows has no influence.
const MAX_TOKENS: usize = 256;

/// Texts computed at a time. More are not faster for texts of a useful length and take memory.
const BATCH: usize = 8;

/// Calls that may wait for the model.
const MAX_WAITING: usize = 256;

/// The embedding model. It is loaded at the first call, and a missing file is looked for again at the next one.
#[derive(Clone)]
pub struct MiniLm {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    /// Locked for the whole of a computation: two at a time would only slow each other down.
    loaded: Mutex<Option<Loaded>>,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiniLm")
            .field("directory", &self.shared.directory)
            .finish_non_exhaustive()
    }
}

impl MiniLm {
    /// The model whose files are, or will be, in the models directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let shared = Shared {
            directory,
            loaded: Mutex::new(None),
            waiting: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Embedder for MiniLm {
    fn info(&self) -> EmbedderInfo {
        EmbedderInfo {
            model: MODEL_ID.to_owned(),
            dimensions: DIMENSIONS,
        }
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if texts.is_empty() {
                return Ok(Vec::new());
            }
            let place = Place::take(&shared)?;
            let wanted = Wanted::default();
            let still = Arc::clone(&wanted.0);
            let computed = tokio::task::spawn_blocking(move || {
                let _place = place;
                let mut loaded = shared.loaded.lock().unwrap_or_else(PoisonError::into_inner);
                let model = match &mut *loaded {
                    Some(model) => model,
                    None => loaded.insert(Loaded::load(&shared.directory)?),
                };
                model.embed(&texts, &still)
            });
            let computed = computed.await;
            drop(wanted);
            computed.unwrap_or_else(|error| Err(EmbedError::Failed(error.to_string())))
        })
    }
}

/// A place among the calls that wait, given up when dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, EmbedError> {
        let place = Self(Arc::clone(shared));
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(EmbedError::Failed(
                "too many requests are waiting for the embedding model".to_owned(),
            ));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the computing thread when the caller is gone.
#[derive(Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why a text could not be embedded, before it is put into the words of the port.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Files(#[from] ModelFilesError),
    #[error("failed to read the embedding model: {0}")]
    Io(#[from] std::io::Error),
    #[error("failed to read the shape of the embedding model: {0}")]
    Config(#[from] serde_json::Error),
    #[error("failed to read the tokenizer of the embedding model: {0}")]
    Tokenizer(#[from] tokenizers::Error),
    #[error("the tensor library failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<LoadError> for EmbedError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Files(error) => Self::Missing(error.to_string()),
            error @ (LoadError::Io(_) | LoadError::Config(_) | LoadError::Tokenizer(_) | LoadError::Tensor(_)) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

struct Loaded {
    tokenizer: Tokenizer,
    model: BertModel,
}

impl Loaded {
    fn load(directory: &Path) -> Result<Self, LoadError> {
        let files = ModelFiles::locate(directory, Part::Embedding)?;
        let config: Config = serde_json::from_slice(&fs::read(files.path(&EMBEDDING_CONFIG))?)?;
        let mut tokenizer = Tokenizer::from_bytes(fs::read(files.path(&EMBEDDING_TOKENIZER))?)?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        tokenizer.with_truncation(Some(TruncationParams {
            max_length: MAX_TOKENS,
            ..TruncationParams::default()
        }))?;
        let weights = fs::read(files.path(&EMBEDDING_WEIGHTS))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let model = BertModel::load(weights, &config)?;
        Ok(Self { tokenizer, model })
    }

    fn embed(&self, texts: &[String], abandoned: &AtomicBool) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        // Texts of like length share a batch, so that little is computed for padding.
        order.sort_by_key(|index| texts[*index].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in order.chunks(BATCH) {
            if abandoned.load(Ordering::Relaxed) {
                return Err(EmbedError::Failed("nobody waits for the vectors".to_owned()));
            }
            let inputs: Vec<&str> = batch.iter().map(|index| texts[*index].as_str()).collect();
            let computed = self.batch(inputs)?;
            for (index, vector) in batch.iter().zip(computed) {
                vectors[*index] = vector;
            }
        }
        Ok(vectors)
    }

    /// Vectors of texts: the mean over the tokens that are no padding, at unit length.
    fn batch(&self, texts: Vec<&str>) -> Result<Vec<Vec<f32>>, LoadError> {
        let encodings = self.tokenizer.encode_batch(texts, true)?;
        let rows = |of: fn(&Encoding) -> &[u32]| -> Result<Tensor, candle_core::Error> {
            let rows = encodings.iter().map(|encoding| Tensor::new(of(encoding), &Device::Cpu));
            Tensor::stack(&rows.collect::<Result<Vec<_>, _>>()?, 0)
        };
        let ids = rows(Encoding::get_ids)?;
        let mask = rows(Encoding::get_attention_mask)?;
        let output = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        let sums = output.broadcast_mul(&mask)?.sum(1)?;
        let means = sums.broadcast_div(&mask.sum(1)?)?;
        let lengths = means.sqr()?.sum_keepdim(1)?.sqrt()?;
        Ok(means.broadcast_div(&lengths)?.to_vec2()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planes::ai::{contract, models};

    #[tokio::test]
    async fn without_files_the_error_names_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let embedder = MiniLm::new(directory.path().to_owned());
        let error = embedder.embed(vec!["text".to_owned()]).await.unwrap_err();
        assert!(
            matches!(&error, EmbedError::Missing(text) if text.contains(models::FETCH_COMMAND)),
            "{error}"
        );
        assert_eq!(embedder.shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_full_queue_is_an_error() {
        let embedder = MiniLm::new(PathBuf::new());
        let places: Vec<_> = (0..MAX_WAITING)
            .map(|_| Place::take(&embedder.shared).unwrap())
            .collect();
        let error = embedder.embed(vec!["text".to_owned()]).await.unwrap_err();
        assert!(
            matches!(&error, EmbedError::Failed(text) if text.contains("too many")),
            "{error}"
        );
        drop(places);
        assert_eq!(embedder.shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_real_model_keeps_the_contract_and_knows_what_belongs_together() {
        let Some(directory) = contract::models_directory(Part::Embedding) else {
            return;
        };
        let embedder = MiniLm::new(directory);
        contract::embedder(&embedder).await;
        let texts = [
            "An app that tells farmers when to irrigate their fields",
            "Software that plans the watering of crops",
            "A game in which cats play the piano",
        ];
        let vectors = embedder.embed(texts.map(str::to_owned).to_vec()).await.unwrap();
        let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (related, unrelated) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
        assert!(
            related > 0.4 && unrelated < 0.2,
            "related {related}, unrelated {unrelated}"
        );
    }
}
