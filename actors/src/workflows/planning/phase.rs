//! A phase: everything that the workflow, the pages and the models need to know about it.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use super::{document::Block, phases, schema};
use crate::{ports::Profile, records::Evidence};

mod answer;

/// The 15 phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseId {
    /// What exactly is worth building.
    Opportunity,
    /// Who needs it.
    CustomerIntel,
    /// How large and how priced the market is.
    MarketResearch,
    /// Who is there already.
    CompetitiveIntel,
    /// Whether to go on.
    KillTest,
    /// What else it can earn.
    RevenueExpansion,
    /// Where it stands and how it wins.
    Strategy,
    /// How it earns.
    BusinessModel,
    /// What it is, page by page.
    ProductDesign,
    /// How it is found and bought.
    GtmMarketing,
    /// What it says.
    ContentEngine,
    /// How it is built.
    TechArch,
    /// What is measured.
    Analytics,
    /// What happens in the first ninety days.
    LaunchExecution,
    /// The whole plan in one view.
    Synthesis,
}

impl PhaseId {
    /// All phases in order.
    pub const ALL: [Self; 15] = [
        Self::Opportunity,
        Self::CustomerIntel,
        Self::MarketResearch,
        Self::CompetitiveIntel,
        Self::KillTest,
        Self::RevenueExpansion,
        Self::Strategy,
        Self::BusinessModel,
        Self::ProductDesign,
        Self::GtmMarketing,
        Self::ContentEngine,
        Self::TechArch,
        Self::Analytics,
        Self::LaunchExecution,
        Self::Synthesis,
    ];

    /// The name in storage, API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opportunity => "opportunity",
            Self::CustomerIntel => "customer-intel",
            Self::MarketResearch => "market-research",
            Self::CompetitiveIntel => "competitive-intel",
            Self::KillTest => "kill-test",
            Self::RevenueExpansion => "revenue-expansion",
            Self::Strategy => "strategy",
            Self::BusinessModel => "business-model",
            Self::ProductDesign => "product-design",
            Self::GtmMarketing => "gtm-marketing",
            Self::ContentEngine => "content-engine",
            Self::TechArch => "tech-arch",
            Self::Analytics => "analytics",
            Self::LaunchExecution => "launch-execution",
            Self::Synthesis => "synthesis",
        }
    }

    /// 1 for the first phase, 15 for the last.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The phase with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|id| id.as_str() == name)
    }

    /// What is known of the phase.
    #[must_use]
    pub fn phase(self) -> &'static Phase {
        phases::get(self)
    }
}

/// The group that a phase belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Finding out.
    Discovery,
    /// Deciding whether to go on.
    Validation,
    /// Deciding how to win and earn.
    Strategy,
    /// Deciding what people see.
    Design,
    /// Deciding how it is built, measured and launched.
    Execution,
}

impl Stage {
    /// The name as people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "Discovery",
            Self::Validation => "Validation",
            Self::Strategy => "Strategy",
            Self::Design => "Design",
            Self::Execution => "Execution",
        }
    }
}

/// Everything the workflow needs to know about one phase.
#[derive(Debug)]
pub struct Phase {
    /// Which phase it is.
    pub id: PhaseId,
    /// The group it belongs to.
    pub stage: Stage,
    /// Its name for people.
    pub title: &'static str,
    /// What it is for, in one sentence for people.
    pub purpose: &'static str,
    /// The system text: what to decide, how to be concrete, what to avoid.
    pub instructions: &'static str,
    /// The earlier phases whose decisions its prompt carries.
    pub upstream: &'static [PhaseId],
    /// Raised whenever the schema changes its meaning.
    pub schema_version: u32,
    /// The annotated schema; see [`schema`]. Models are given [`Phase::schema_for`].
    pub schema: fn() -> Value,
    /// Longest answer in tokens, in the full profile.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f32,
    /// What to search for; empty for phases that do not search.
    pub searches: fn(idea: &str) -> Vec<String>,
    /// Criteria of review beside the universal five.
    pub rubric: &'static [&'static str],
    /// What prompts of later phases carry: 1 to 6 short lines.
    pub decisions: fn(&Value) -> Vec<String>,
    /// The text that finds related artifacts in the vector index.
    pub query: fn(idea: &str) -> String,
    /// The content as a readable document.
    pub document: fn(&Value) -> Vec<Block>,
}

/// What is compiled once per phase and profile: constant data.
struct Compiled {
    schema: Arc<Value>,
    validator: jsonschema::Validator,
}

impl Phase {
    /// The schema that an answer must satisfy in `profile`.
    #[must_use]
    pub fn schema_for(&self, profile: Profile) -> Arc<Value> {
        Arc::clone(&self.compiled(profile).schema)
    }

    /// The token limit for `profile`. In the embedded profile the schema bounds the answer, and the limit lies above that
    /// bound, so that no answer is ever cut.
    #[must_use]
    pub fn max_tokens_for(&self, profile: Profile) -> u32 {
        match profile {
            Profile::Full => self.max_tokens,
            // Half a token per character is far more than readable text needs.
            Profile::Embedded => {
                let characters = schema::longest_answer(&self.schema_for(Profile::Embedded));
                u32::try_from(characters / 2).unwrap_or(u32::MAX)
            }
        }
    }

    /// Turns a model's answer into the content of an artifact.
    ///
    /// Finds the JSON in the text, validates it, refuses placeholders, echoes of the idea and repetition, and fills in the
    /// idea where the schema has a place for it. In the embedded profile it also fills in the neutral value of everything
    /// that the model was not asked.
    ///
    /// # Errors
    /// At most ten lines of the form `path: message`, made to be shown to the model.
    pub fn accept(&self, profile: Profile, idea: &str, text: &str) -> Result<Value, Vec<String>> {
        answer::accept(&(self.schema)(), &self.compiled(profile).validator, profile, idea, text)
    }

    /// What a review scores: the universal criteria and the phase's own.
    pub fn criteria(&self) -> impl Iterator<Item = &'static str> {
        super::verdict::UNIVERSAL_CRITERIA.iter().chain(self.rubric).copied()
    }

    fn compiled(&self, profile: Profile) -> &'static Compiled {
        static COMPILED: [OnceLock<Compiled>; 30] = [const { OnceLock::new() }; 30];
        let slot = self.id as usize * 2
            + match profile {
                Profile::Full => 0,
                Profile::Embedded => 1,
            };
        COMPILED[slot].get_or_init(|| {
            let annotated = (self.schema)();
            let schema = match profile {
                Profile::Full => schema::full(&annotated),
                Profile::Embedded => schema::embedded(&annotated),
            };
            let validator = jsonschema::validator_for(&schema).expect("the schema of a phase is constant and tested");
            Compiled {
                schema: Arc::new(schema),
                validator,
            }
        })
    }
}

/// Finds the JSON object in a text and validates it against a schema of our own.
pub(super) fn parse(schema: &Value, text: &str) -> Result<Value, Vec<String>> {
    let validator = jsonschema::validator_for(schema).map_err(|error| vec![format!("schema: {error}")])?;
    answer::parse(&validator, text)
}

/// The claims of an artifact, each with those of its sources that were really fetched. No sources: it is assumed.
#[must_use]
pub fn evidence(content: &Value, fetched: &BTreeSet<String>) -> Vec<Evidence> {
    let mut found = Vec::new();
    collect(content, fetched, &mut found);
    found
}

fn collect(value: &Value, fetched: &BTreeSet<String>, found: &mut Vec<Evidence>) {
    match value {
        Value::Object(fields) => {
            if let (Some(Value::String(claim)), Some(Value::Array(urls))) = (fields.get("claim"), fields.get("urls")) {
                let sources = urls
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|url| fetched.contains(*url));
                found.push(Evidence {
                    claim: claim.clone(),
                    sources: sources.map(str::to_owned).collect(),
                });
            }
            fields.values().for_each(|field| collect(field, fetched, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, fetched, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes every address that was not really fetched, so that no invented source reaches a reader.
pub fn keep_fetched(content: &mut Value, fetched: &BTreeSet<String>) {
    match content {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Array(urls) if name == "urls" => {
                        urls.retain(|url| url.as_str().is_some_and(|url| fetched.contains(url)));
                    }
                    other => keep_fetched(other, fetched),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| keep_fetched(item, fetched)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
