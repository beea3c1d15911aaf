//! The vector index over artifacts. Every query is filtered by tenant inside the index, never after it.

use futures_util::future::BoxFuture;

/// A vector index over the artifacts of all tenants.
pub trait Vectors: Send + Sync + 'static {
    /// Inserts rows, replacing those with the same tenant and id.
    fn upsert(&self, rows: Vec<VectorRow>) -> BoxFuture<'static, Result<(), VectorError>>;

    /// Finds the nearest rows, nearest first.
    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>>;

    /// Removes the rows of one attempt of a run (after a pivot), or of all its attempts.
    fn delete_run(
        &self,
        tenant: String,
        run_id: String,
        attempt: Option<u32>,
    ) -> BoxFuture<'static, Result<(), VectorError>>;
}

/// One embedded artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRow {
    /// `planning:<run>:<attempt>:<phase>`; unique within the tenant.
    pub id: String,
    /// Tenant that owns the artifact.
    pub tenant: String,
    /// Run of the artifact.
    pub run_id: String,
    /// Phase of the artifact.
    pub phase: String,
    /// Attempt (number of pivots before it).
    pub attempt: u32,
    /// Version of the artifact.
    pub version: u32,
    /// The text that was embedded, at most 8,000 characters.
    pub text: String,
    /// Its vector.
    pub embedding: Vec<f32>,
}

/// Which artifacts a query may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorScope {
    /// One attempt of one run.
    Attempt {
        /// The run.
        run_id: String,
        /// The attempt.
        attempt: u32,
    },
    /// All runs of the tenant but one.
    OtherRuns {
        /// The run to leave out.
        run_id: String,
    },
    /// Everything of the tenant.
    Tenant,
}

/// A nearest-neighbour query.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorQuery {
    /// Tenant whose rows are searched.
    pub tenant: String,
    /// Which of its rows.
    pub scope: VectorScope,
    /// What to be near to.
    pub embedding: Vec<f32>,
    /// Most rows to return.
    pub limit: usize,
}

/// One answer of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatch {
    /// Run of the artifact.
    pub run_id: String,
    /// Phase of the artifact.
    pub phase: String,
    /// Attempt of the artifact.
    pub attempt: u32,
    /// Version of the artifact.
    pub version: u32,
    /// The embedded text.
    pub text: String,
    /// Cosine similarity, -1 to 1.
    pub score: f32,
}

/// Why the index failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// A vector has another length than the index.
    #[error("a vector has {actual} dimensions, the index has {expected}")]
    Dimensions {
        /// Length in the index.
        expected: usize,
        /// Length of the vector.
        actual: usize,
    },
    /// The index could not be read or written.
    #[error("the vector index failed: {0}")]
    Failed(String),
}
