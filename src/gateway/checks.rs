//! What the server needs, checked at this moment: each part by itself for admins, and the stores again and again for `/ready`.
//!
//! The log is not among them: a node whose log cannot be written stops (guarantee 7), so one that answers has one that can.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, web};
use actors::{
    SYSTEM_TENANT,
    ports::{ObjectError, Objects},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::fresh,
    state::{Gateway, Readiness},
};

/// Longest time that one check takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// An object that nobody writes: a store that says so can be reached.
const ABSENT: &str = "health/absent";

/// A setting that nobody writes.
const SETTING: &str = "health";

/// Pause between two looks at the stores.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks in a row that fail before a node says that it is not ready: a store that is slow once is no reason to go.
const FAILURES_MAX: u32 = 3;

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: Status,
    checks: Vec<Check>,
}

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CheckStatus)]
pub(crate) enum Status {
    Ok,
    Failing,
}

/// How one part stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    #[schema(example = "shards")]
    name: &'static str,
    status: Status,
    /// Why it fails.
    detail: Option<String>,
    /// Milliseconds that the check took.
    took_ms: u64,
}

/// `GET /api/admin/health`.
pub(crate) async fn health(gateway: web::Data<Gateway>) -> HttpResponse {
    let env = gateway.planning.env();
    let (node, shards, settings, objects, vectors) = tokio::join!(
        check("node", async { stays(&gateway) }),
        check("shards", async { shards(&gateway) }),
        check("settings", async {
            let read = gateway.cluster.settings().get(SETTING).await;
            read.map(drop).map_err(|error| error.to_string())
        }),
        check("objects", reached(&env.objects)),
        check("vectors", async {
            let writer = env.vectors.writer(SYSTEM_TENANT.to_owned()).await;
            writer.map(drop).map_err(|error| error.to_string())
        }),
    );
    let model = check("model", async { model(&gateway) }).await;
    let mut checks = vec![node, shards, settings, objects, vectors, model];
    let issuers = gateway.callers.issuers();
    if !issuers.is_empty() {
        // Who has a session, or a token that was verified with keys which still count, does not notice: so this node stays ready.
        checks.push(check("issuers", issuers.check()).await);
    }
    let is_ok = checks.iter().all(|check| check.status == Status::Ok);
    fresh(&Health {
        status: if is_ok { Status::Ok } else { Status::Failing },
        checks,
    })
}

async fn check(name: &'static str, checked: impl Future<Output = Result<(), String>>) -> Check {
    let began = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, checked).await;
    let detail = match outcome {
        Ok(outcome) => outcome.err(),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Check {
        name,
        status: if detail.is_none() { Status::Ok } else { Status::Failing },
        detail,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn stays(gateway: &Gateway) -> Result<(), String> {
    if gateway.readiness.is_draining() {
        return Err("the server is stopping".to_owned());
    }
    match super::health::leaving(gateway) {
        Some(state) => Err(format!("this node is {state}")),
        None => Ok(()),
    }
}

fn shards(gateway: &Gateway) -> Result<(), String> {
    if gateway.cluster.ready() {
        return Ok(());
    }
    Err("not every shard has an owner that answers".to_owned())
}

fn model(gateway: &Gateway) -> Result<(), String> {
    match &gateway.model.notices[..] {
        [] => Ok(()),
        notices => Err(notices.join("; ")),
    }
}

async fn reached(objects: &Arc<dyn Objects>) -> Result<(), String> {
    match objects.get(ABSENT.to_owned()).await {
        Ok(_) | Err(ObjectError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Looks at the object store for ever, and tells `readiness` how it stands.
pub async fn watch_stores(objects: Arc<dyn Objects>, readiness: Readiness) {
    let mut failures = 0;
    loop {
        match check("objects", reached(&objects)).await.detail {
            None => failures = 0,
            Some(detail) => {
                failures += 1;
                tracing::warn!(failures, detail, "the object store was not reached");
            }
        }
        readiness.reaches_stores(failures < FAILURES_MAX);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use actors::ports::ObjectMeta;
    use bytes::Bytes;
    use futures_util::future::{BoxFuture, FutureExt};

    use super::*;

    /// A store that is there or not.
    #[derive(Default)]
    struct Store {
        is_gone: AtomicBool,
    }

    impl Objects for Store {
        fn put(&self, key: String, _: &'static str, _: Bytes) -> BoxFuture<'static, Result<ObjectMeta, ObjectError>> {
            async move { Err(ObjectError::InvalidKey(key)) }.boxed()
        }

        fn get(&self, key: String) -> BoxFuture<'static, Result<(ObjectMeta, Bytes), ObjectError>> {
            if self.is_gone.load(Ordering::Relaxed) {
                return std::future::pending().boxed();
            }
            async move { Err(ObjectError::NotFound(key)) }.boxed()
        }

        fn delete(&self, _: String) -> BoxFuture<'static, Result<(), ObjectError>> {
            async { Ok(()) }.boxed()
        }

        fn delete_below(&self, _: String) -> BoxFuture<'static, Result<u64, ObjectError>> {
            async { Ok(0) }.boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_not_ready_after_three_failures_in_a_row_and_ready_after_one_success() {
        let store = Arc::new(Store::default());
        let readiness = Readiness::default();
        tokio::spawn(watch_stores(Arc::<Store>::clone(&store), readiness.clone()));
        let pass = async |looks: u32| tokio::time::sleep((LOOK_EVERY + PATIENCE) * looks).await;
        pass(2).await;
        assert!(readiness.has_stores());
        store.is_gone.store(true, Ordering::Relaxed);
        pass(2).await;
        assert!(readiness.has_stores(), "twice is no reason to go");
        pass(2).await;
        assert!(!readiness.has_stores());
        store.is_gone.store(false, Ordering::Relaxed);
        pass(2).await;
        assert!(readiness.has_stores());
    }
}
