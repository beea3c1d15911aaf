//! The vector index over artifacts. Every query is filtered by tenant inside the index, never after it.

use futures_util::future::BoxFuture;

/// A vector index over the artifacts of all tenants. Each tenant's part has one writer at a time, known by its number.
pub trait Vectors: Send + Sync + 'static {
    /// Applies changes to the part of a tenant, in order. An error may leave the first ones of them applied: all of them are
    /// repeated then, which does no harm.
    ///
    /// Whoever writes with a greater number than anyone before takes the part over: from then on a write with a lesser one
    /// changes nothing, also if it began before, and fails with [`VectorError::Superseded`].
    fn write(&self, write: VectorWrite) -> BoxFuture<'static, Result<(), VectorError>>;

    /// The number of the writer that has taken a tenant's part over last; 0 where there is no such part, or not any more.
    fn writer(&self, tenant: String) -> BoxFuture<'static, Result<u64, VectorError>>;

    /// Finds the nearest rows, nearest first. It sees every write that has returned, on whatever node.
    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>>;

    /// Lists the rows of one attempt of a run. It sees every write that has returned, on whatever node.
    fn listed(
        &self,
        tenant: String,
        run_id: String,
        attempt: u32,
    ) -> BoxFuture<'static, Result<Vec<VectorEntry>, VectorError>>;
}

/// Changes of one tenant's part of the index.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorWrite {
    /// Tenant whose rows are changed.
    pub tenant: String,
    /// Number of the writer, from 1.
    pub writer: u64,
    /// What is changed, in order.
    pub changes: Vec<VectorChange>,
}

/// One change of a tenant's part of the index.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorChange {
    /// Inserts a row, or replaces the one with the same id.
    Upsert(VectorRow),
    /// Removes the rows of one attempt of a run (after a pivot), or of all its attempts.
    DeleteRun {
        /// The run.
        run_id: String,
        /// The attempt, or all of them.
        attempt: Option<u32>,
    },
    /// Removes every row of the tenant.
    Clear,
}

/// One embedded artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRow {
    /// `planning:<run>:<attempt>:<phase>`; unique within the tenant.
    pub id: String,
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

/// A row that the index has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorEntry {
    /// Phase of the artifact.
    pub phase: String,
    /// Version of the artifact.
    pub version: u32,
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
    /// Another writer has taken the tenant's part over.
    #[error("writer {writer} has taken the index over")]
    Superseded {
        /// Its number.
        writer: u64,
    },
    /// The index could not be read or written.
    #[error("the vector index failed: {0}")]
    Failed(String),
}
