//! Backups of the running server, for its operator: `/api/admin/backups` and `/api/admin/restores`.
//!
//! No request names a path. Backups are made in, and read from, one folder of the data directory, under names of one
//! component; whoever runs the server moves them in and out (`foundation backup` and `foundation restore` do). One job
//! runs at a time; it goes on when the client leaves, and can be asked about.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use cluster::{
    Backup, BackupError, Contents, Existing, Manifest, RequestId, Restored,
    prelude::{Cluster, TenantId},
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::{self, Fields},
    caller::Caller,
    error::Problem,
    state::Gateway,
    witness::{self, BACKUP_ENDED, BACKUP_STARTED, RESTORE_ENDED, RESTORE_STARTED},
};

/// Longest name of an actor.
const NAME_MAX: usize = 256;

/// Longest name of a class.
const CLASS_MAX: usize = 256;

/// Backups and restores of this server. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Backups {
    folder: PathBuf,
    job: Arc<Mutex<Option<Job>>>,
}

/// The last job.
#[derive(Debug, Clone)]
struct Job {
    id: String,
    done: usize,
    total: usize,
    state: State,
}

#[derive(Debug, Clone)]
pub(super) enum State {
    Running,
    Failed { error: String, code: &'static str },
    BackedUp { name: String, manifest: Box<Manifest> },
    Restored(Restored),
    Erased { actors: u64, objects: u64 },
}

/// How far a backup or restore is.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct JobBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b94")]
    id: String,
    /// Steps that are done; zero where that is not known.
    done: usize,
    /// All steps; zero where that is not known.
    total: usize,
    /// `running`, `failed`, `backed-up`, `restored` or `erased`.
    #[schema(pattern = "^(running|failed|backed-up|restored|erased)$", example = "backed-up")]
    state: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The stable name of why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Under which the backup can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What the backup says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    manifest: Option<Box<Manifest>>,
    /// Actors that are now as the backup has them, or were erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    actors: Option<u64>,
    /// Objects that were erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    /// Actors that were given up because the backup does not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    /// Durable messages that are on their way again.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        let body = Self {
            id: job.id,
            done: job.done,
            total: job.total,
            ..Self::default()
        };
        match job.state {
            State::Running => Self {
                state: "running",
                ..body
            },
            State::Failed { error, code } => Self {
                state: "failed",
                error: Some(error),
                code: Some(code),
                ..body
            },
            State::BackedUp { name, manifest } => Self {
                state: "backed-up",
                name: Some(name),
                manifest: Some(manifest),
                ..body
            },
            State::Erased { actors, objects } => Self {
                state: "erased",
                actors: Some(actors),
                objects: Some(objects),
                ..body
            },
            State::Restored(restored) => Self {
                state: "restored",
                actors: Some(restored.actors),
                removed: Some(restored.removed),
                messages: Some(restored.messages),
                ..body
            },
        }
    }
}

/// A job was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BegunBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b94")]
    id: String,
}

impl Backups {
    /// Keeps them in a folder, which is made when it is needed.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            job: Arc::default(),
        }
    }

    pub(super) fn begin(&self) -> Result<String, Problem> {
        let mut job = self.job.lock();
        if job.as_ref().is_some_and(|job| matches!(job.state, State::Running)) {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "backup.busy",
                "another backup or restore is running",
            ));
        }
        let id = Uuid::now_v7().to_string();
        *job = Some(Job {
            id: id.clone(),
            done: 0,
            total: 0,
            state: State::Running,
        });
        Ok(id)
    }

    fn told(&self, done: usize, total: usize) {
        if let Some(job) = &mut *self.job.lock() {
            (job.done, job.total) = (done, total);
        }
    }

    fn end(&self, state: State) {
        if let Some(job) = &mut *self.job.lock() {
            job.state = state;
        }
    }

    async fn back_up(&self, cluster: &Cluster, contents: Contents, name: String) -> State {
        let told = self.clone();
        let into = self.folder.join(&name);
        let taken = cluster
            .backup(contents, into, move |done, total| told.told(done, total))
            .await;
        match taken {
            Ok(manifest) => State::BackedUp {
                name,
                manifest: Box::new(manifest),
            },
            Err(error) => failed(&error),
        }
    }

    async fn restore(cluster: &Cluster, contents: Contents, path: PathBuf, existing: Existing) -> State {
        let opened = tokio::task::spawn_blocking(move || Backup::open(path)).await;
        let restored = match opened {
            Ok(Ok(backup)) => cluster.restore(&backup, contents, existing).await,
            Ok(Err(error)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "checking a backup panicked");
                return State::Failed {
                    error: "the server failed to check the backup; its log says why".to_owned(),
                    code: "internal",
                };
            }
        };
        restored.map_or_else(|error| failed(&error), State::Restored)
    }
}

/// A job for the chain of whoever asked for it: recorded before it begins, and what came of it afterwards.
pub(super) struct Witnessed {
    pub(super) gateway: web::Data<Gateway>,
    pub(super) caller: Caller,
    pub(super) started: &'static str,
    pub(super) ended: &'static str,
    pub(super) about: Value,
}

impl Witnessed {
    /// Goes on with the work when the client leaves.
    pub(super) fn begin(self, work: impl Future<Output = State> + 'static) {
        let request = RequestId::current();
        let whole = self.run(work);
        actix_web::rt::spawn(async move {
            match request {
                Some(request) => request.scope(whole).await,
                None => whole.await,
            }
        });
    }

    async fn run(self, work: impl Future<Output = State>) {
        let Self {
            gateway,
            caller,
            started,
            ended,
            mut about,
        } = self;
        let state = match witness::record(&gateway, &caller, started, about.clone()).await {
            Ok(()) => work.await,
            Err(problem) => State::Failed {
                error: problem.detail().to_owned(),
                code: "audit.unavailable",
            },
        };
        about["outcome"] = match &state {
            State::Failed { code, .. } => Value::from(*code),
            State::Running | State::BackedUp { .. } | State::Restored(_) | State::Erased { .. } => Value::from("done"),
        };
        // Whoever sees the end of the job finds it in the chain; that it is not there is in the log.
        witness::record(&gateway, &caller, ended, about).await.ok();
        gateway.backups.end(state);
    }
}

pub(super) fn failed(error: &BackupError) -> State {
    tracing::warn!(%error, "a backup or restore failed");
    let code = match error {
        BackupError::Present(_) => "backup.present",
        BackupError::Missing(_) | BackupError::Nothing(_) => "backup.missing",
        BackupError::Damaged { .. } | BackupError::NotABackup { .. } => "backup.damaged",
        BackupError::Newer { .. } => "backup.newer",
        _ => "backup.failed",
    };
    State::Failed {
        error: error.to_string(),
        code,
    }
}

/// What is to be backed up or restored, as the body has it.
#[derive(Debug)]
pub(crate) struct Wanted {
    tenant: Option<String>,
    class: Option<String>,
    actor: Option<String>,
}

/// Reads what is to be backed up or restored.
pub(crate) fn wanted(fields: &mut Fields) -> Wanted {
    let wanted = Wanted {
        tenant: fields.optional_text("tenant", 64),
        class: fields.optional_text("class", CLASS_MAX),
        actor: fields.optional_text("actor", NAME_MAX),
    };
    fields.says("tenant", "This tenant only", "acme");
    fields.says("class", "With `actor`: one actor of the tenant only", Value::Null);
    fields.says("actor", "Name of the actor", Value::Null);
    wanted
}

/// What is to be restored, from which backup, and what becomes of what is there.
#[derive(Debug)]
pub(crate) struct NewRestore {
    wanted: Wanted,
    name: String,
    existing: Existing,
}

/// Reads what is to be restored.
pub(crate) fn new_restore(fields: &mut Fields) -> NewRestore {
    let wanted = wanted(fields);
    let name = fields.text("name", NAME_MAX);
    let existing = if fields.flag("replace") {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    fields.says("name", "Of the backup", "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b94");
    fields.says("replace", "Whether what is there is given up", false);
    NewRestore { wanted, name, existing }
}

/// A tenant, one of its actors, or everything.
fn contents(wanted: Wanted, cluster: &Cluster) -> Result<Contents, Problem> {
    let tenant = wanted.tenant.map(|tenant| TenantId::new(&tenant)).transpose()?;
    match (tenant, wanted.class, wanted.actor) {
        (None, None, None) => Ok(Contents::Node),
        (Some(tenant), None, None) => Ok(Contents::Tenant(tenant)),
        (Some(tenant), Some(class), Some(actor)) => Ok(Contents::Actor(cluster.actor_id(&class, &tenant, &actor)?)),
        (_, _, _) => Err(Problem::unprocessable(
            "backup.contents",
            "name nothing, a tenant, or tenant, class and actor",
        )),
    }
}

/// `POST /api/admin/backups`: begins a backup.
pub(crate) async fn create(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let wanted = wanted(&mut fields);
    fields.finish()?;
    let contents = contents(wanted, &gateway.cluster)?;
    let backups = gateway.backups.clone();
    let id = backups.begin()?;
    let (name, cluster) = (id.clone(), gateway.cluster.clone());
    let job = Witnessed {
        gateway,
        caller,
        started: BACKUP_STARTED,
        ended: BACKUP_ENDED,
        about: json!({ "job": id, "contents": contents.to_string() }),
    };
    job.begin(async move { backups.back_up(&cluster, contents, name).await });
    Ok(accepted(&id))
}

/// `POST /api/admin/restores`: begins to restore a tenant or an actor of a backup in the folder.
pub(crate) async fn restore(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let NewRestore { wanted, name, existing } = new_restore(&mut fields);
    fields.finish()?;
    let contents = contents(wanted, &gateway.cluster)?;
    if contents == Contents::Node {
        return Err(Problem::unprocessable(
            "backup.contents",
            "everything is restored while the server is stopped",
        ));
    }
    let path = gateway.backups.folder.join(component(&name)?);
    let id = gateway.backups.begin()?;
    let cluster = gateway.cluster.clone();
    let job = Witnessed {
        gateway,
        caller,
        started: RESTORE_STARTED,
        ended: RESTORE_ENDED,
        about: json!({
            "job": id,
            "contents": contents.to_string(),
            "backup": name,
            "replace": existing == Existing::Replace,
        }),
    };
    job.begin(async move { Backups::restore(&cluster, contents, path, existing).await });
    Ok(accepted(&id))
}

/// `GET /api/admin/jobs/{id}`: how far a backup or restore is.
pub(crate) async fn job(gateway: web::Data<Gateway>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let job = gateway.backups.job.lock().clone();
    match job.filter(|job| job.id == *id) {
        Some(job) => Ok(HttpResponse::Ok().json(JobBody::from(job))),
        None => Err(Problem::not_found(
            "backup.job",
            "there is no such job, or another one came after it",
        )),
    }
}

pub(super) fn accepted(id: &str) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header(("location", format!("/api/admin/jobs/{id}")))
        .json(BegunBody { id: id.to_owned() })
}

/// A name that cannot lead out of the folder.
fn component(name: &str) -> Result<&Path, Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(Problem::unprocessable(
            "backup.name",
            "a name has letters, digits, `-` and `_` only",
        ));
    }
    Ok(Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["", "..", "a/b", "/etc", "a.b", "~", "a\\b"] {
            assert_eq!(component(name).unwrap_err().code(), "backup.name", "{name}");
        }
        component("0198f0b2-0000-7000-8000-000000000000").unwrap();
    }
}
