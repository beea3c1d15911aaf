//! The schemas of words that actors and nodes have and the API shows as they are.

use std::borrow::Cow;

use actors::{
    ports::Profile,
    records::{KillVerdict, Mode, RevenuePotential, ReviewVerdict, RunStatus},
    role::{Plan, Role, TenantStatus},
    run::PhaseStatus,
};
use cluster::TurnOutcome;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::ObjectBuilder, schema::Type},
};

/// The schema of one of these values, each a word.
fn one_of<T: Serialize>(values: &[T], about: &str) -> RefOr<Schema> {
    let words = values
        .iter()
        .map(|value| serde_json::to_value(value).expect("a variant without fields is a string"));
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(about));
    RefOr::T(Schema::Object(schema.build()))
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $schema:ident as $name:literal: $kind:ident [$($variant:ident),+ $(,)?];)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub(crate) struct $schema;

        impl PartialSchema for $schema {
            fn schema() -> RefOr<Schema> {
                // A variant that is added has to be listed here.
                let _: fn($kind) = |value| match value { $($kind::$variant)|+ => () };
                one_of(&[$($kind::$variant),+], concat!($($doc),+).trim())
            }
        }

        impl ToSchema for $schema {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )+};
}

words! {
    /// Where a run stands.
    RunStatusWord as "RunStatus": RunStatus [Running, AwaitingApproval, Paused, Completed, Killed, Failed, Cancelled, Deleted];
    /// Who produces the phases of a run.
    ModeWord as "Mode": Mode [Cloud, Local];
    /// The verdict of the kill test.
    KillVerdictWord as "KillVerdict": KillVerdict [Go, Pivot, Kill, PivotExhausted];
    /// Revenue potential of an opportunity.
    RevenuePotentialWord as "RevenuePotential": RevenuePotential [VeryHigh, High, Medium, Low, NotAssessed];
    /// How an artifact was decided.
    ReviewVerdictWord as "ReviewVerdict": ReviewVerdict [Accept, Revise, Reject, Go, Pivot, Kill];
    /// How far a phase is.
    PhaseStatusWord as "PhaseStatus": PhaseStatus [Pending, InProgress, Completed, Failed];
    /// The schema profile that an artifact was validated against.
    ProfileWord as "Profile": Profile [Full, Embedded];
    /// A role within a tenant.
    RoleWord as "Role": Role [Operator, Supervisor, Admin];
    /// What a tenant has room for.
    PlanWord as "Plan": Plan [Free, Pro, Enterprise];
    /// Whether a tenant is served.
    TenantStatusWord as "TenantStatus": TenantStatus [Active, Suspended];
    /// How a turn stands or ended.
    TurnOutcomeWord as "TurnOutcome": TurnOutcome [Running, Ok, Error, Panic];
}
