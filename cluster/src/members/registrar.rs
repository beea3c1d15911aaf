//! What this node knows of the others, and what it answers them about the cluster itself.
//!
//! The table of nodes is rows of the meta group. Its leader is the only one to write it; whoever else is asked to passes
//! that on. Nodes that follow the meta group read the table where they are, the others ask.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};

use super::{
    control::Control,
    messages::{Answer, GroupReport, Joined, Letter, Refusal, Report, Request, Take},
    node::{Member, MemberState},
    overview::Overview,
    placement,
    placer::Work,
    table::{self, Introduction, Table, TableError},
};
use crate::{
    Clock,
    cluster_id::ClusterId,
    peers::{CallError, Lane, NodeId, Peers},
    shard::{Epoch, Op, Outcome, Proposal, Shard, WriteSet},
};

/// Pause between two looks at the table of nodes.
const LOOK: Duration = Duration::from_millis(500);

/// How long what only the leader of the meta group can do may take, with the search for it.
const MEND_WITHIN: Duration = Duration::from_secs(5);

/// Pause before the leader of the meta group is looked for again.
const SEARCH: Duration = Duration::from_millis(100);

/// How long another node may take to tell what it has at hand.
pub(super) const TELL_WITHIN: Duration = Duration::from_secs(1);

/// How long a step of a group may take.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(30);

/// Why the leader of the meta group did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MendError {
    #[error(transparent)]
    Refused(Refusal),
    #[error("nobody leads the meta group, or it cannot be reached")]
    NoLeader,
    #[error("{0}")]
    Failed(String),
}

/// What a node has to know of itself.
pub(crate) struct RegistrarParts {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) shards: u16,
    pub(crate) peers: Arc<dyn Peers>,
    /// The meta group, on nodes that keep anything.
    pub(crate) meta: Option<Arc<dyn Shard>>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The nodes that are known before any is asked.
    pub(crate) known: Table,
    /// Where the known nodes are kept for the next start.
    pub(crate) directory: Option<PathBuf>,
}

/// What this node knows of the others.
pub(crate) struct Registrar {
    pub(super) node: NodeId,
    pub(super) cluster: ClusterId,
    shards: u16,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) meta: Option<Arc<dyn Shard>>,
    pub(super) control: Arc<dyn Control>,
    pub(super) clock: Arc<dyn Clock>,
    table: watch::Sender<Table>,
    directory: Option<PathBuf>,
    /// One change of the table at a time.
    mending: tokio::sync::Mutex<()>,
    /// What the placer knows, while this node leads the meta group.
    pub(super) work: Mutex<Option<Work>>,
    /// Wakes the placer.
    pub(super) news: Notify,
    /// Whether this node is about to stop.
    leaving: AtomicBool,
}

impl Registrar {
    pub(crate) fn new(parts: RegistrarParts) -> Arc<Self> {
        let RegistrarParts {
            node,
            cluster,
            shards,
            peers,
            meta,
            control,
            clock,
            known,
            directory,
        } = parts;
        Arc::new(Self {
            node,
            cluster,
            shards,
            peers,
            meta,
            control,
            clock,
            table: watch::Sender::new(known),
            directory,
            mending: tokio::sync::Mutex::default(),
            work: Mutex::default(),
            news: Notify::new(),
            leaving: AtomicBool::new(false),
        })
    }

    /// Makes it known that this node is about to stop: it is given nothing from now on.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.news.notify_one();
    }

    /// How the groups of this node are doing.
    pub(super) fn report(&self) -> Report {
        Report {
            groups: self.control.report(),
            is_leaving: self.leaving.load(Ordering::Relaxed),
        }
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// The cluster it belongs to.
    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The nodes there are, whenever that changes.
    pub(crate) fn table(&self) -> watch::Receiver<Table> {
        self.table.subscribe()
    }

    /// Keeps the table of nodes up to date.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            match self.look().await {
                Ok(Some(table)) => self.learn(table),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "failed to read the nodes of the cluster"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Answers another node, or one that has no number yet.
    pub(crate) fn serve(self: &Arc<Self>, letter: &[u8]) -> BoxFuture<'static, Bytes> {
        let Some(letter) = Letter::decode(letter) else {
            return ready(Answer::Unreadable.encode()).boxed();
        };
        let registrar = Arc::clone(self);
        async move { registrar.answer(letter).await.encode() }.boxed()
    }

    /// Answers a node that has no number yet, and asks for one; `None` if it asks anything else.
    pub(crate) fn admit(self: &Arc<Self>, letter: &[u8]) -> Option<BoxFuture<'static, Bytes>> {
        let asked = Letter::decode(letter)?;
        matches!(asked.request, Request::Join { .. }).then(|| self.serve(letter))
    }

    /// Tells the cluster what has changed about this node since it ran before.
    pub(crate) async fn announce(&self, node: Introduction) -> Result<Joined, MendError> {
        let cluster = Some(self.cluster);
        match self.mend(Request::Join { node, cluster }).await? {
            Answer::Joined(joined) => Ok(joined),
            other => Err(unexpected(&other)),
        }
    }

    /// Begins the table with this node, which founded the cluster or is all that is left of it.
    pub(crate) async fn found(&self, node: Introduction) -> Result<(), MendError> {
        let mended = self
            .write(|table| {
                let token = node.token;
                if table.get(self.node).is_some_and(|known| known.token == token) {
                    return Ok((Vec::new(), ()));
                }
                // A table of other nodes is that of the cluster whose backup this is.
                let others = table.present().filter(|member| member.id != self.node);
                let mut rows = others
                    .map(|member| Member {
                        state: MemberState::Removed,
                        ..member.clone()
                    })
                    .collect::<Vec<_>>();
                rows.push(table::member(self.node, MemberState::Up, node.clone()));
                Ok((rows, ()))
            })
            .await;
        mended.map_or(Err(MendError::NoLeader), |mended| mended.map(drop))
    }

    /// Gives a node another state.
    pub(crate) async fn set_state(&self, node: NodeId, to: MemberState) -> Result<(), MendError> {
        match self.mend(Request::Move { node, to }).await? {
            Answer::Moved => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// What operators see.
    pub(crate) async fn overview(&self) -> Result<Overview, MendError> {
        match self.mend(Request::Overview).await? {
            Answer::Overview(overview) => Ok(*overview),
            other => Err(unexpected(&other)),
        }
    }

    /// Has something done by the leader of the meta group, wherever that is.
    async fn mend(&self, request: Request) -> Result<Answer, MendError> {
        let within = Instant::now() + MEND_WITHIN;
        let mut hint = None;
        loop {
            let answer = match self.mend_here(&request).await {
                Answer::NotLeader(_) => self.pass(&request, hint).await,
                answer => answer,
            };
            match answer {
                Answer::Refused(refusal) => return Err(MendError::Refused(refusal)),
                Answer::NotLeader(next) => hint = next,
                Answer::Failed(_) if Instant::now() < within => hint = None,
                Answer::Failed(reason) => return Err(MendError::Failed(reason)),
                answer => return Ok(answer),
            }
            if Instant::now() >= within {
                return Err(MendError::NoLeader);
            }
            tokio::time::sleep(SEARCH).await;
        }
    }

    async fn pass(&self, request: &Request, hint: Option<NodeId>) -> Answer {
        let leader = hint.or_else(|| self.control.meta_leader());
        let leader = leader.filter(|leader| *leader != self.node);
        let Some(to) = leader.or_else(|| self.some_other()) else {
            return Answer::NotLeader(None);
        };
        let letter = Letter {
            request: request.clone(),
            passed: true,
        };
        match self.ask(to, &letter, MEND_WITHIN).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "failed to reach the leader of the meta group");
                Answer::NotLeader(None)
            }
        }
    }

    /// A node to ask when nothing is known of the leader: each in turn.
    fn some_other(&self) -> Option<NodeId> {
        let table = self.table.borrow();
        let others = table
            .present()
            .map(|member| member.id)
            .filter(|node| *node != self.node);
        let others = others.collect::<Vec<_>>();
        let turn = self.clock.now().as_millis().unsigned_abs() / 100;
        let turn = usize::try_from(turn % 1_000_000).unwrap_or_default();
        others.get(turn % others.len().max(1)).copied()
    }

    /// Asks another node.
    pub(super) async fn ask(&self, to: NodeId, letter: &Letter, within: Duration) -> Result<Answer, CallError> {
        let answer = self.peers.call(to, Lane::Request, letter.encode(), within).await?;
        Answer::decode(&answer).ok_or_else(|| CallError::NoAnswer {
            node: to,
            reason: "the answer cannot be read".to_owned(),
        })
    }

    async fn answer(&self, letter: Letter) -> Answer {
        let Letter { request, passed } = letter;
        match request {
            Request::Table => Answer::Table(self.table.borrow().iter().cloned().collect()),
            Request::Report => self.report().into(),
            Request::Take(take) => Answer::Taken(self.take(take).await),
            Request::Join { .. } | Request::Move { .. } | Request::Overview if passed => {
                match self.mend_here(&request).await {
                    Answer::NotLeader(_) => {
                        Answer::NotLeader(self.control.meta_leader().filter(|leader| *leader != self.node))
                    }
                    answer => answer,
                }
            }
            Request::Join { .. } | Request::Move { .. } | Request::Overview => match self.mend(request).await {
                Ok(answer) => answer,
                Err(MendError::Refused(refusal)) => Answer::Refused(refusal),
                Err(MendError::NoLeader) => Answer::NotLeader(None),
                Err(MendError::Failed(reason)) => Answer::Failed(reason),
            },
        }
    }

    /// Takes a step of a group, unless the group has moved on since that was decided.
    pub(super) async fn take(&self, take: Take) -> Result<(), String> {
        let is_it = |report: &GroupReport| report.shard == take.shard;
        let Some(now) = self.control.report().into_iter().find(is_it) else {
            return Err("the node has no such group".to_owned());
        };
        if now.leader != Some(self.node) || now.term != take.term || now.voters != take.voters {
            return Err("the group has changed since".to_owned());
        }
        self.control.take(take.shard, take.action).await
    }

    /// Does what only the leader of the meta group does, if this node is it.
    async fn mend_here(&self, request: &Request) -> Answer {
        match request {
            Request::Join { node, cluster } => self.join(node, *cluster).await,
            Request::Move { node, to } => self.move_node(*node, *to).await,
            Request::Overview => {
                let work = self.work.lock();
                let overview = work.as_ref().map(|work| work.overview(self));
                overview.map_or(Answer::NotLeader(None), |overview| Answer::Overview(Box::new(overview)))
            }
            Request::Table | Request::Report | Request::Take(_) => Answer::Unreadable,
        }
    }

    async fn join(&self, node: &Introduction, cluster: Option<ClusterId>) -> Answer {
        if let Some(asked) = cluster.filter(|asked| *asked != self.cluster) {
            let this = self.cluster;
            return Answer::Refused(Refusal::OtherCluster { asked, this });
        }
        let admitted = self
            .write(|table| {
                let member = table
                    .admit(node.clone())
                    .map_err(|error| MendError::Refused(Refusal::Table(error)))?;
                let id = member.id;
                let is_new = table.get(id) != Some(&member);
                Ok((is_new.then_some(member).into_iter().collect(), id))
            })
            .await;
        answer(admitted, |(id, table)| {
            self.news.notify_one();
            Answer::Joined(Joined {
                cluster: self.cluster,
                node: id,
                shards: self.shards,
                members: table.iter().cloned().collect(),
            })
        })
    }

    async fn move_node(&self, node: NodeId, to: MemberState) -> Answer {
        if to == MemberState::Removing
            && let Some(why) = self.why_not_removed(node)
        {
            return Answer::Refused(Refusal::Needed { node, why });
        }
        if !matches!(to, MemberState::Up | MemberState::Draining | MemberState::Removing) {
            return Answer::Failed(format!("{to} is no state that is asked for"));
        }
        let moved = self
            .write(|table| {
                // What is gone is not asked to go.
                let gone = table.get(node).is_some_and(|member| !member.is_present());
                if gone && to == MemberState::Removing {
                    return Ok((Vec::new(), ()));
                }
                let row = table
                    .moved(node, to)
                    .map_err(|error| MendError::Refused(Refusal::Table(error)))?;
                Ok((row.into_iter().collect(), ()))
            })
            .await;
        answer(moved, |_| {
            self.news.notify_one();
            Answer::Moved
        })
    }

    fn why_not_removed(&self, node: NodeId) -> Option<String> {
        let work = self.work.lock();
        let work = work.as_ref()?;
        placement::why_not_removed(&work.view, &work.limits, node)
    }

    /// Changes rows of the table, if this node leads the meta group; `None` if it does not.
    pub(super) async fn write<T>(
        &self,
        change: impl FnOnce(&Table) -> Result<(Vec<Member>, T), MendError>,
    ) -> Option<Result<(T, Table), MendError>>
    where
        T: Send,
    {
        let meta = self.meta.as_ref()?;
        let _one = self.mending.lock().await;
        let epoch = (*meta.ownership().borrow())?;
        Some(self.write_under(&**meta, epoch, change).await)
    }

    async fn write_under<T>(
        &self,
        meta: &dyn Shard,
        epoch: Epoch,
        change: impl FnOnce(&Table) -> Result<(Vec<Member>, T), MendError>,
    ) -> Result<(T, Table), MendError> {
        let (rows, result) = change(&Table::read(meta).map_err(unread)?)?;
        if !rows.is_empty() {
            commit(meta, epoch, rows.iter().map(table::put).collect()).await?;
            for row in &rows {
                tracing::info!(node = %row.id, name = %row.name, state = %row.state, "a node of the cluster changed");
            }
        }
        let table = Table::read(meta).map_err(unread)?;
        self.learn(table.clone());
        Ok((result, table))
    }

    /// Goes over to a newer format, once every node knows it.
    pub(super) async fn raise_format(&self) -> Result<(), MendError> {
        let Some(meta) = &self.meta else { return Ok(()) };
        let _one = self.mending.lock().await;
        let Some(epoch) = *meta.ownership().borrow() else {
            return Ok(());
        };
        let table = Table::read(&**meta).map_err(unread)?;
        let Some(format) = table.next_format() else {
            return Ok(());
        };
        commit(&**meta, epoch, vec![table::put_format(format)]).await?;
        tracing::info!(
            from = table.format(),
            to = format,
            "every node knows a newer format, which is written from now on"
        );
        Ok(())
    }

    /// The table as this node has it, or as another one tells it.
    async fn look(&self) -> io::Result<Option<Table>> {
        if let Some(meta) = &self.meta {
            let table = Table::read(&**meta)?;
            let follows = |report: &GroupReport| {
                report.shard.is_none() && (report.voters.contains(&self.node) || report.learners.contains(&self.node))
            };
            if table.get(self.node).is_some() && self.control.report().iter().any(follows) {
                return Ok(Some(table));
            }
        }
        let Some(other) = self.some_other() else {
            return Ok(None);
        };
        match self.ask(other, &Letter::new(Request::Table), TELL_WITHIN).await {
            Ok(Answer::Table(members)) if !members.is_empty() => Ok(Some(Table::of(members))),
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::debug!(%error, "failed to learn the nodes of the cluster");
                Ok(None)
            }
        }
    }

    fn learn(&self, table: Table) {
        let is_new = self.table.send_if_modified(|known| {
            let is_new = *known != table;
            *known = table;
            is_new
        });
        if is_new && let Some(directory) = &self.directory {
            let table = self.table.borrow().clone();
            if let Err(error) = table.save(directory) {
                tracing::warn!(%error, "failed to keep the nodes of the cluster for the next start");
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unread(error: io::Error) -> MendError {
    MendError::Failed(format!("failed to read the nodes of the cluster: {error}"))
}

/// Writes rows of the meta group under an ownership.
async fn commit(meta: &dyn Shard, epoch: Epoch, ops: Vec<Op>) -> Result<(), MendError> {
    let (sender, receiver) = oneshot::channel();
    meta.propose(Proposal {
        epoch,
        writes: WriteSet { ops },
        done: Box::new(|outcome| {
            // Whoever asked may have given up.
            let _ = sender.send(outcome);
        }),
    });
    match receiver.await.unwrap_or(Outcome::Unknown) {
        Outcome::Committed { .. } => Ok(()),
        Outcome::NotProposed => Err(MendError::NoLeader),
        Outcome::Unknown => {
            meta.relinquish(epoch);
            Err(MendError::Failed("the outcome is unknown".to_owned()))
        }
    }
}

fn answer<T>(outcome: Option<Result<T, MendError>>, done: impl FnOnce(T) -> Answer) -> Answer {
    match outcome {
        None | Some(Err(MendError::NoLeader)) => Answer::NotLeader(None),
        Some(Ok(value)) => done(value),
        Some(Err(MendError::Refused(refusal))) => Answer::Refused(refusal),
        Some(Err(MendError::Failed(reason))) => Answer::Failed(reason),
    }
}

fn unexpected(answer: &Answer) -> MendError {
    tracing::error!(?answer, "another node answered something else than it was asked");
    MendError::Failed("the answer is none to the request".to_owned())
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
