//! Which artifacts of a run are near to a text. Asked of the ports: the actor has no part in it.

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};

use crate::{
    env::Env,
    ports::{VectorQuery, VectorScope},
    records::PlanningRun,
};

/// Longest query in characters.
pub const QUERY_MAX: usize = 2_000;
/// Most answers.
pub const TOP_K_MAX: usize = 50;

/// An artifact and how near it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimilarArtifact {
    /// Phase identifier.
    pub phase: String,
    /// Version of the artifact.
    pub version: u32,
    /// The text that was compared.
    pub content: String,
    /// Cosine similarity, -1 to 1.
    pub score: f32,
}

/// Finds the artifacts of the present attempt of `run` that are nearest to `query`, nearest first. Whoever calls it has read
/// `run` as this tenant, so it exists and is theirs.
///
/// # Errors
/// `run.query` for a query that is empty or too long; `run.index` when the embedding model or the index fails.
pub async fn similar(
    env: &Env,
    tenant: &str,
    run: &PlanningRun,
    query: &str,
    top_k: usize,
) -> Result<Vec<SimilarArtifact>> {
    let query = query.trim();
    if query.is_empty() || query.chars().count() > QUERY_MAX {
        return Err(ActorError::invalid(
            "run.query",
            format!("a query has 1 to {QUERY_MAX} characters"),
        ));
    }
    let failed = |error: &dyn std::fmt::Display| ActorError::retryable("run.index", error.to_string());
    let embedded = env
        .embedder
        .embed(vec![query.to_owned()])
        .await
        .map_err(|error| failed(&error))?;
    let embedding = embedded
        .into_iter()
        .next()
        .ok_or_else(|| failed(&"the embedding model answered nothing"))?;
    let query = VectorQuery {
        tenant: tenant.to_owned(),
        scope: VectorScope::Attempt {
            run_id: run.id.clone(),
            attempt: run.pivot_count,
        },
        embedding,
        limit: top_k.clamp(1, TOP_K_MAX),
    };
    let found = env.vectors.query(query).await.map_err(|error| failed(&error))?;
    let similar = found.into_iter().map(|found| SimilarArtifact {
        phase: found.phase,
        version: found.version,
        content: found.text,
        score: found.score,
    });
    Ok(similar.collect())
}
