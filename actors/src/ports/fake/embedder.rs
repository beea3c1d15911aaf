//! An embedder that hashes words.

use futures_util::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use crate::ports::{EmbedError, Embedder, EmbedderInfo};

/// Counts the words of a text in as many buckets as a vector has dimensions: texts with common words are near to each other.
#[derive(Debug, Clone)]
pub struct FakeEmbedder {
    dimensions: usize,
}

impl Default for FakeEmbedder {
    fn default() -> Self {
        Self { dimensions: 384 }
    }
}

impl FakeEmbedder {
    /// An embedder with vectors of this length.
    #[must_use]
    pub fn with_dimensions(dimensions: usize) -> Self {
        Self {
            dimensions: dimensions.max(1),
        }
    }

    /// Embeds one text.
    #[must_use]
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0_f32; self.dimensions];
        for word in text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
        {
            let digest = Sha256::digest(word.to_lowercase().as_bytes());
            let number = u64::from_le_bytes(digest[..8].try_into().expect("a digest has more than 8 bytes"));
            vector[usize::try_from(number % self.dimensions as u64).unwrap_or_default()] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length == 0.0 {
            vector[0] = 1.0;
        } else {
            vector.iter_mut().for_each(|x| *x /= length);
        }
        vector
    }
}

impl Embedder for FakeEmbedder {
    fn info(&self) -> EmbedderInfo {
        EmbedderInfo {
            model: "word-hash".to_owned(),
            dimensions: self.dimensions,
        }
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        let vectors = texts.iter().map(|text| self.vector(text)).collect();
        async move { Ok(vectors) }.boxed()
    }
}
