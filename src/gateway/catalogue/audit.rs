//! Codes of problems: audit.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Audit",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "audit.event-type",
        &[422],
        "The type of the event does not fit",
        "Use another type",
    ),
    code(
        "audit.no-key",
        &[503],
        "The node does not have the key of checkpoints yet",
        "Send the request again",
    ),
    code(
        "audit.payload",
        &[413, 422],
        "The payload of the event is no JSON object, or too large",
        "Make it smaller",
    ),
    code(
        "audit.removed",
        &[409],
        "Records were removed while they were read",
        "Begin again",
    ),
    code(
        "audit.retention",
        &[422],
        "The time for which records are kept does not fit",
        "Choose another time",
    ),
    code(
        "audit.slow",
        &[503],
        "The audit chain did not answer in time",
        "Send the request again",
    ),
    code(
        "audit.unavailable",
        &[503],
        "What was asked cannot be recorded at the moment, so it was not done",
        "Send the request again after Retry-After",
    ),
];
