//! An embedder that hashes words.

use futures_util::{FutureExt, future::BoxFuture};

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
            let number = hash(&word.to_lowercase());
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

/// FNV-1a: the same on every machine.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
