//! Plane 1, the pages people see: pure functions from data to HTML, and the files the browser loads with them.
//!
//! Nothing here knows HTTP, a cluster or an actor. The gateway fills a view (plain fields), calls the page's function and
//! sends the string. Text of people and models reaches a page only through askama's escaping; nothing is marked safe.
//! The templates are in `ui/templates/`, what the browser loads is in `ui/assets/`; both are compiled into the program.
//!
//! | page | address | function |
//! |---|---|---|
//! | sign in | `/sign-in` | [`sign_in_page`] |
//! | sign up, and what follows by mail | `/sign-up`, `/mailed`, `/verify` | [`sign_up_page`], [`mailed_page`], [`confirm_page`] |
//! | another password | `/forgot`, `/reset` | [`forgot_page`], [`reset_page`] |
//! | an invitation | `/invitation` | [`invitation_page`] |
//! | runs as wall or table | `/runs` | [`runs_page`] |
//! | new run | `/runs/new` | [`new_run_page`] |
//! | one run, live | `/runs/{id}` | [`run_page`], and [`pipeline_fragment`], [`now_fragment`], [`timeline_fragment`] |
//! | one phase of a run | `/runs/{id}/phases/{phase}` | [`artifact_page`] |
//! | the plan as a document | `/runs/{id}/plan` | [`plan_page`] |
//! | parked ideas | `/parked` | [`parked_page`] |
//! | nodes and shards | `/cluster` | [`cluster_page`] |
//! | appearance, keys, session | `/settings` | [`settings_page`] |
//! | the own account | `/settings/account` | [`account_page`] |
//! | members and invitations | `/settings/members` | [`members_page`] |
//! | API keys | `/settings/keys` | [`keys_page`] |
//! | the audit chain | `/settings/audit` | [`audit_page`] |
//! | codes of errors | `/problems` | [`problems_page`] |
//! | what went wrong | any | [`fault_page`] |
//! | files | `/assets/{name}` | [`asset`], [`asset_url`] |

mod artifact;
mod assets;
mod block;
mod cluster;
mod evidence;
mod fault;
mod form;
mod moment;
mod new_run;
mod parked;
mod phase;
mod plan;
mod problems;
mod run;
mod runs;
mod settings;
mod shell;
mod sign_in;
mod summary;

pub use artifact::{ArtifactView, VersionView, artifact_page};
pub use assets::{Asset, IMMUTABLE, asset, asset_url, assets};
pub use block::Block;
pub use cluster::{ClusterView, NodeState, NodeView, ShardCell, StepOutcome, StepView, cluster_page};
pub use evidence::EvidenceView;
pub use fault::{FaultView, fault_page};
pub use form::{ChallengeView, FormState};
pub use new_run::{NewRunView, new_run_page};
pub use parked::{ParkedIdeaView, ParkedView, parked_page};
pub use phase::{PHASES, PhaseInfo, StoneState};
pub use plan::{ChapterView, PlanView, SealView, plan_page};
pub use problems::{ProblemView, ProblemsView, problems_page};
pub use run::{
    ApprovalView, AttemptView, CriterionView, EventKind, EventView, NowView, PhaseView, RunView, StepName, VerdictView,
    now_fragment, pipeline_fragment, run_page, timeline_fragment,
};
pub use runs::{Layout, RunsView, runs_page};
pub use settings::{
    AccountView, AuditView, InvitedView, KeyView, KeysView, MemberView, MembersView, OpenSessionView, RecordView,
    SettingsTab, Tabs, VerdictNote, WorkplaceView, account_page, audit_page, keys_page, members_page, settings_page,
};
pub use shell::{PREFERENCES_COOKIE, Person, Preferences, Section, Shell, Theme, local_path};
pub use sign_in::{
    InvitationView, SignInView, confirm_page, forgot_page, invitation_page, mailed_page, reset_page, sign_in_page,
    sign_up_page, signed_in_page,
};
pub use summary::{RunState, RunSummary, VerdictKind, headline};

#[cfg(test)]
mod tests;
