//! Between rows of the port and the columns of Arrow.

use std::sync::Arc;

use actors::ports::{VectorEntry, VectorError, VectorMatch, VectorRow, VectorScope};
use lancedb::arrow::arrow_array::cast::AsArray;
use lancedb::arrow::arrow_array::types::{Float32Type, UInt32Type};
use lancedb::arrow::arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use lancedb::arrow::arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use lancedb::expr::{DfExpr, col, lit};

/// The columns that make a row unique.
pub(super) const KEY: [&str; 2] = ["tenant", "id"];
/// The column that is searched.
pub(super) const VECTOR: &str = "vector";
/// The column that a search adds.
const DISTANCE: &str = "_distance";
/// The columns that say which artifact a row is of.
pub(super) const ENTRY: [&str; 2] = ["phase", "version"];
/// The columns that an answer is made of.
pub(super) const ANSWER: [&str; 6] = ["run_id", "phase", "attempt", "version", "text", DISTANCE];

/// The columns of a table whose vectors have this length.
pub(super) fn schema(dimensions: usize) -> Result<SchemaRef, VectorError> {
    let length = i32::try_from(dimensions)
        .ok()
        .filter(|length| *length > 0)
        .ok_or_else(|| VectorError::Failed(format!("{dimensions} is not a number of dimensions")))?;
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let number = |name: &str| Field::new(name, DataType::UInt32, false);
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    Ok(Arc::new(Schema::new(vec![
        text("id"),
        text("tenant"),
        text("run_id"),
        text("phase"),
        number("attempt"),
        number("version"),
        text("text"),
        Field::new(VECTOR, DataType::FixedSizeList(item, length), false),
    ])))
}

/// Checks that a vector has the index's length and a direction.
pub(super) fn check(embedding: &[f32], dimensions: usize) -> Result<(), VectorError> {
    if embedding.len() != dimensions {
        return Err(VectorError::Dimensions {
            expected: dimensions,
            actual: embedding.len(),
        });
    }
    let squared: f32 = embedding.iter().map(|value| value * value).sum();
    if !squared.is_normal() {
        return Err(VectorError::Failed(
            "a vector without a direction cannot be compared".into(),
        ));
    }
    Ok(())
}

/// Makes one batch of rows of a tenant whose vectors were checked.
pub(super) fn batch(schema: SchemaRef, tenant: &str, rows: &[VectorRow]) -> Result<RecordBatch, VectorError> {
    let text =
        |field: fn(&VectorRow) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(field))) };
    let number =
        |field: fn(&VectorRow) -> u32| -> ArrayRef { Arc::new(UInt32Array::from_iter_values(rows.iter().map(field))) };
    let DataType::FixedSizeList(item, length) = schema.field_with_name(VECTOR).map_err(arrow)?.data_type() else {
        return Err(VectorError::Failed("the vector column has another type".into()));
    };
    let values = Float32Array::from_iter_values(rows.iter().flat_map(|row| row.embedding.iter().copied()));
    let vectors = FixedSizeListArray::try_new(item.clone(), *length, Arc::new(values), None).map_err(arrow)?;
    let columns = vec![
        text(|row| &row.id),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| tenant))),
        text(|row| &row.run_id),
        text(|row| &row.phase),
        number(|row| row.attempt),
        number(|row| row.version),
        text(|row| &row.text),
        Arc::new(vectors),
    ];
    RecordBatch::try_new(schema, columns).map_err(arrow)
}

/// Reads which artifacts rows are of.
pub(super) fn entries(batch: &RecordBatch) -> Result<Vec<VectorEntry>, VectorError> {
    let (phase, version) = (text(batch, "phase")?, number(batch, "version")?);
    let entry = |at: usize| VectorEntry {
        phase: phase.value(at).into(),
        version: version.value(at),
    };
    Ok((0..batch.num_rows()).map(entry).collect())
}

/// Reads the answers of a search.
pub(super) fn matches(batch: &RecordBatch) -> Result<Vec<VectorMatch>, VectorError> {
    let (run_id, phase) = (text(batch, "run_id")?, text(batch, "phase")?);
    let (attempt, version, body) = (
        number(batch, "attempt")?,
        number(batch, "version")?,
        text(batch, "text")?,
    );
    let distance = batch
        .column_by_name(DISTANCE)
        .and_then(|column| column.as_primitive_opt::<Float32Type>())
        .ok_or_else(|| missing(DISTANCE))?;
    Ok((0..batch.num_rows())
        .map(|at| VectorMatch {
            run_id: run_id.value(at).into(),
            phase: phase.value(at).into(),
            attempt: attempt.value(at),
            version: version.value(at),
            text: body.value(at).into(),
            score: (1.0 - distance.value(at)).clamp(-1.0, 1.0),
        })
        .collect())
}

/// The condition that limits a search to what it may see. Values are typed literals: there is no text to escape.
pub(super) fn visible(tenant: &str, scope: &VectorScope) -> DfExpr {
    let own = col("tenant").eq(lit(tenant));
    match scope {
        VectorScope::Attempt { run_id, attempt } => own
            .and(col("run_id").eq(lit(run_id.as_str())))
            .and(col("attempt").eq(lit(*attempt))),
        VectorScope::OtherRuns { run_id } => own.and(col("run_id").not_eq(lit(run_id.as_str()))),
        VectorScope::Tenant => own,
    }
}

/// The condition that names one attempt of a run, or all of them.
pub(super) fn of_run(tenant: &str, run_id: &str, attempt: Option<u32>) -> DfExpr {
    let run = col("tenant").eq(lit(tenant)).and(col("run_id").eq(lit(run_id)));
    match attempt {
        Some(attempt) => run.and(col("attempt").eq(lit(attempt))),
        None => run,
    }
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, VectorError> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| missing(name))
}

fn number<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a UInt32Array, VectorError> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<UInt32Type>())
        .ok_or_else(|| missing(name))
}

fn missing(name: &str) -> VectorError {
    VectorError::Failed(format!("the table has no column {name} of the expected type"))
}

fn arrow(error: ArrowError) -> VectorError {
    VectorError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_without_a_direction_are_refused() {
        for values in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0], [f32::MAX, f32::MAX]] {
            assert!(matches!(check(&values, 2), Err(VectorError::Failed(_))), "{values:?}");
        }
        assert_eq!(
            check(&[1.0], 2),
            Err(VectorError::Dimensions { expected: 2, actual: 1 })
        );
        assert_eq!(check(&[0.6, -0.8], 2), Ok(()));
    }

    #[test]
    fn impossible_numbers_of_dimensions_are_refused() {
        assert!(schema(0).is_err());
        assert!(schema(usize::MAX).is_err());
        assert!(schema(384).is_ok());
    }
}
