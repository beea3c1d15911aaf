//! How a data directory becomes that of a node before the node is opened: it is to found a cluster, or is taken into one.
//!
//! Opening a node does the same by itself where nobody did it before. Here whoever asks is told what is wrong, and nobody
//! waits for ever.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use uuid::Uuid;

use super::{
    introduction,
    whose::{self, Ways},
};
use crate::{
    ClusterId, NodeAddress, NodeId, NodeName, Plaintext, Role, Security,
    cluster::NetworkConfig,
    consensus,
    members::{Identity, IdentityError, Origin, Refusal, Settled, Unjoined, join_within},
    store::create_directory,
};

/// A directory whose node will found a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founding {
    /// The cluster it will be.
    pub cluster: ClusterId,
    /// The node that founds it.
    pub node: NodeId,
}

/// A directory whose node is in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The cluster it is in.
    pub cluster: ClusterId,
    /// Its number.
    pub node: NodeId,
    /// Shards of the cluster.
    pub shards: u16,
    /// Whether it was in it already.
    pub is_known: bool,
}

/// Why a directory did not become that of a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// It is that of a node with a number.
    #[error("{} belongs to node {node} ({name}) of cluster {cluster}", directory.display())]
    HasCluster {
        /// The directory.
        directory: PathBuf,
        /// The node.
        node: NodeId,
        /// Its name.
        name: NodeName,
        /// The cluster.
        cluster: ClusterId,
    },
    /// It is to found a cluster.
    #[error("{} is to found cluster {cluster}, which it does when its server is started", directory.display())]
    Founds {
        /// The directory.
        directory: PathBuf,
        /// The cluster.
        cluster: ClusterId,
    },
    /// It has begun to join a cluster.
    #[error(
        "{} has begun to join a cluster, which may have taken it in: go on with that, or begin with an empty directory",
        .0.display()
    )]
    Joins(PathBuf),
    /// It holds data of a time without other nodes.
    #[error(
        "{} holds the data of a cluster of its own: start its server, and let the others join it; or begin with an empty \
         directory",
        .0.display()
    )]
    OwnCluster(PathBuf),
    /// The node is a gateway.
    #[error("a gateway keeps nothing, so it cannot found a cluster: it joins one")]
    Gateway,
    /// Nobody is named who could take it in.
    #[error("no seed is named: the address for requests of a node that runs")]
    NoSeeds,
    /// The only seed is the node that asks.
    #[error("seed {0} is this node itself: name a node that runs")]
    Itself(NodeAddress),
    /// Another process listens where the node would.
    #[error("failed to listen on {address}, as this node will have to: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The others could not reach the node.
    #[error(
        "the other nodes would reach {address} on their own machine, not on this one, and seed {seed} is on another: \
         advertise an address that it can dial"
    )]
    OutOfReach {
        /// What the node would tell them to dial.
        address: NodeAddress,
        /// One of them.
        seed: NodeAddress,
    },
    /// The cluster does not take the node in.
    #[error("the cluster does not take this node in: {0}")]
    Refused(String),
    /// No seed has an answer.
    #[error("no seed takes this node in{}: {}", within(.0, *.1), reasons(.0))]
    Unanswered(Vec<Unanswered>, Duration),
    /// The directory cannot be used.
    #[error("{0}")]
    Directory(String),
}

/// A seed that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The seed.
    pub seed: NodeAddress,
    /// Why, in words.
    pub reason: String,
    /// Whether it will be the same the next time, as long as nobody changes anything.
    pub is_lasting: bool,
}

fn within(seeds: &[Unanswered], within: Duration) -> String {
    if seeds.iter().all(|seed| seed.is_lasting) {
        String::new()
    } else {
        format!(" within {within:?}")
    }
}

fn reasons(seeds: &[Unanswered]) -> String {
    let reason = |Unanswered { seed, reason, .. }: &Unanswered| format!("{seed}: {reason}");
    let reasons: Vec<_> = seeds.iter().map(reason).collect();
    reasons.join("; ")
}

impl AdmissionError {
    /// Whether it will be the same the next time, as long as nobody changes the directory, the configuration or the
    /// cluster.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::HasCluster { .. }
            | Self::Founds { .. }
            | Self::Joins(_)
            | Self::OwnCluster(_)
            | Self::Gateway
            | Self::NoSeeds
            | Self::Itself(_)
            | Self::Listen { .. }
            | Self::OutOfReach { .. }
            | Self::Refused(_) => true,
            Self::Unanswered(seeds, _) => seeds.iter().all(|seed| seed.is_lasting),
            Self::Directory(_) => false,
        }
    }
}

impl From<IdentityError> for AdmissionError {
    fn from(error: IdentityError) -> Self {
        Self::Directory(error.to_string())
    }
}

impl From<crate::OpenError> for AdmissionError {
    fn from(error: crate::OpenError) -> Self {
        Self::Directory(error.to_string())
    }
}

impl NetworkConfig {
    /// Draws the id of a cluster, and has the node of this directory found it when it is opened, whatever its seeds are.
    /// Nobody else may use the directory meanwhile.
    ///
    /// # Errors
    /// That the directory belongs to a cluster already, and to which; that the node is a gateway, or cannot listen.
    pub fn found(&self, directory: &Path) -> Result<Founding, AdmissionError> {
        if self.role == Role::Gateway {
            return Err(AdmissionError::Gateway);
        }
        let directory = directory.to_owned();
        match Identity::read(&directory)? {
            Some(Identity::Settled(settled)) => {
                return Err(AdmissionError::HasCluster {
                    directory,
                    node: settled.node,
                    name: settled.name,
                    cluster: settled.cluster,
                });
            }
            Some(Identity::Founding { cluster, .. }) => return Err(AdmissionError::Founds { directory, cluster }),
            Some(Identity::Joining { .. }) => return Err(AdmissionError::Joins(directory)),
            None => {}
        }
        if consensus::format(&directory).map_err(crate::OpenError::from)?.is_some() {
            return Err(AdmissionError::OwnCluster(directory));
        }
        self.can_listen()?;
        prepare(&directory)?;
        let cluster = ClusterId::new(Uuid::new_v4());
        let name = self.name.clone();
        let token = Uuid::new_v4();
        Identity::Founding { name, token, cluster }.write(&directory)?;
        let node = NodeId::FIRST;
        Ok(Founding { cluster, node })
    }

    /// Asks the seeds to take the node of this directory in. If one does, the node starts without asking. Asking again
    /// gives the same number. Nobody else may use the directory meanwhile.
    ///
    /// # Errors
    /// What keeps the node out of the cluster. As long as no seed can have taken it in, the directory is as it was.
    pub async fn join(&self, directory: &Path, within: Duration) -> Result<Admission, AdmissionError> {
        let seeds = self.others()?;
        let identity = Identity::read(directory)?;
        let has_data = consensus::format(directory).map_err(crate::OpenError::from)?.is_some();
        let (token, cluster) = match &identity {
            Some(Identity::Settled(settled)) => (settled.token, Some(settled.cluster)),
            Some(Identity::Joining { token, .. }) => (*token, None),
            Some(Identity::Founding { cluster, .. }) => {
                let (directory, cluster) = (directory.to_owned(), *cluster);
                return Err(AdmissionError::Founds { directory, cluster });
            }
            None if has_data => return Err(AdmissionError::OwnCluster(directory.to_owned())),
            None => (Uuid::new_v4(), None),
        };
        self.can_listen()?;
        self.can_be_reached(&seeds).await?;
        if identity.is_none() {
            prepare(directory)?;
            let name = self.name.clone();
            Identity::Joining { name, token }.write(directory)?;
        }
        let ways = Ways(self.security.clone());
        let asked = join_within(&ways, &seeds, introduction(self, token), cluster, within).await;
        let joined = match asked {
            Ok(joined) => joined,
            Err(unjoined) => {
                let may_be_in = matches!(unjoined, Unjoined::Unanswered { may_be_in: true, .. });
                if identity.is_none() && !may_be_in {
                    Identity::forget(directory)?;
                }
                return Err(refused(unjoined, directory, within));
            }
        };
        let shards = joined.shards;
        let origin = match &identity {
            Some(Identity::Settled(settled)) => settled.origin,
            Some(Identity::Founding { .. } | Identity::Joining { .. }) | None => Origin::Joined,
        };
        let (settled, _) = whose::keep(directory, joined, |cluster, node| Settled {
            cluster,
            node,
            name: self.name.clone(),
            token,
            origin,
        })?;
        Ok(Admission {
            cluster: settled.cluster,
            node: settled.node,
            shards,
            is_known: cluster.is_some(),
        })
    }

    /// The seeds that are not this node.
    fn others(&self) -> Result<Vec<NodeAddress>, AdmissionError> {
        let own = |seed: &&NodeAddress| {
            **seed == self.requests.advertise || seed.as_str().parse() == Ok(self.requests.listen)
        };
        let others: Vec<_> = self.seeds.iter().filter(|seed| !own(seed)).cloned().collect();
        match (self.seeds.first(), others.is_empty()) {
            (None, _) => Err(AdmissionError::NoSeeds),
            (Some(seed), true) => Err(AdmissionError::Itself(seed.clone())),
            (Some(_), false) => Ok(others),
        }
    }

    /// Tries what the node will do when it is opened.
    fn can_listen(&self) -> Result<(), AdmissionError> {
        for endpoint in [&self.raft, &self.requests] {
            let address = endpoint.listen;
            TcpListener::bind(address).map_err(|source| AdmissionError::Listen { address, source })?;
        }
        Ok(())
    }

    /// Refuses addresses that mean another machine to whoever is not on this one.
    async fn can_be_reached(&self, seeds: &[NodeAddress]) -> Result<(), AdmissionError> {
        if matches!(self.security, Security::Plaintext(Plaintext::Loopback)) {
            // Such a node talks to nobody else, which it says itself.
            return Ok(());
        }
        let mut away = None;
        for seed in seeds {
            let addresses = addresses(seed).await;
            if !addresses.is_empty() && !addresses.iter().any(|address| address.to_canonical().is_loopback()) {
                away = Some(seed);
                break;
            }
        }
        let Some(seed) = away else { return Ok(()) };
        for endpoint in [&self.raft, &self.requests] {
            let addresses = addresses(&endpoint.advertise).await;
            if !addresses.is_empty() && addresses.iter().all(|address| address.to_canonical().is_loopback()) {
                return Err(AdmissionError::OutOfReach {
                    address: endpoint.advertise.clone(),
                    seed: seed.clone(),
                });
            }
        }
        Ok(())
    }
}

/// What a name stands for here; nothing if nobody knows.
async fn addresses(address: &NodeAddress) -> Vec<IpAddr> {
    let found = tokio::net::lookup_host(address.as_str()).await;
    found.map_or_else(|_| Vec::new(), |found| found.map(|address| address.ip()).collect())
}

fn prepare(directory: &Path) -> Result<(), AdmissionError> {
    create_directory(directory)
        .map_err(|error| AdmissionError::Directory(super::unusable(directory, &error).to_string()))
}

fn refused(unjoined: Unjoined, directory: &Path, within: Duration) -> AdmissionError {
    match unjoined {
        Unjoined::Refused(Refusal::OtherCluster { asked, this }) => AdmissionError::Refused(format!(
            "{} belongs to cluster {asked}, the seed to cluster {this}",
            directory.display()
        )),
        Unjoined::Refused(refusal) => AdmissionError::Refused(refusal.to_string()),
        Unjoined::Unanswered { seeds, .. } => {
            let unanswered = seeds.into_iter().map(|(seed, silence)| Unanswered {
                seed,
                reason: silence.reason,
                is_lasting: silence.is_lasting,
            });
            AdmissionError::Unanswered(unanswered.collect(), within)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::Ipv4Addr};

    use tempfile::TempDir;
    use tokio::runtime::Handle;

    use super::*;
    use crate::{Cluster, ClusterConfig, Endpoint, Stores, members::Settled};

    /// Longer than anything takes here.
    const LONG: Duration = Duration::from_secs(30);

    fn endpoint() -> Endpoint {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listen = listener.local_addr().unwrap();
        let advertise = NodeAddress::new(&listen.to_string()).unwrap();
        Endpoint { listen, advertise }
    }

    fn network(name: &str, seeds: &[&str]) -> NetworkConfig {
        NetworkConfig {
            name: NodeName::new(name).unwrap(),
            role: Role::Replica,
            zone: None,
            raft: endpoint(),
            requests: endpoint(),
            http: None,
            seeds: seeds.iter().map(|seed| NodeAddress::new(seed).unwrap()).collect(),
            security: Security::default(),
        }
    }

    async fn open(network: &NetworkConfig, directory: &Path) -> Cluster {
        let runtime = Handle::current();
        let config = ClusterConfig {
            shards: 1,
            network: Some(network.clone()),
            ..ClusterConfig::new(runtime.clone(), runtime)
        };
        let stores = Stores::disk_with_cache(directory, 8 << 20);
        Cluster::builder(config).open(stores).await.unwrap()
    }

    fn settled(directory: &Path) -> Settled {
        match Identity::read(directory).unwrap() {
            Some(Identity::Settled(settled)) => settled,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cluster_that_is_to_be_founded_is_founded_once_wherever_the_node_crashes() {
        let directory = TempDir::new().unwrap();
        // It has seeds like all others, and does not ask them.
        let network = network("one", &["127.0.0.1:1"]);
        let founding = network.found(directory.path()).unwrap();
        assert_eq!(founding.node, NodeId::FIRST);
        let again = network.found(directory.path()).unwrap_err();
        assert!(matches!(again, AdmissionError::Founds { cluster, .. } if cluster == founding.cluster));
        let begun = Identity::read(directory.path()).unwrap().unwrap();
        let founded = async || {
            let cluster = open(&network, directory.path()).await;
            let members = cluster.members();
            assert_eq!(members.len(), 1);
            cluster.shutdown().await;
            settled(directory.path())
        };
        let first = founded().await;
        assert_eq!((first.cluster, first.node), (founding.cluster, NodeId::FIRST));
        // It crashed before it had said so.
        begun.write(directory.path()).unwrap();
        assert_eq!(founded().await, first);
        let again = network.found(directory.path()).unwrap_err();
        assert!(again.to_string().contains(&founding.cluster.to_string()), "{again}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_joins_once_however_often_it_asks() {
        let directory = TempDir::new().unwrap();
        let [first, second, other] = ["one", "two", "other"].map(|name| directory.path().join(name));
        let one = network("one", &[]);
        one.found(&first).unwrap();
        let cluster = open(&one, &first).await;
        let seeds = ["127.0.0.1:1", one.requests.advertise.as_str()];
        let mut two = network("two", &seeds);
        let joined = two.join(&second, LONG).await.unwrap();
        assert_eq!(
            (joined.node, joined.shards, joined.is_known),
            (NodeId::new(2), 1, false)
        );
        let again = two.join(&second, LONG).await.unwrap();
        assert_eq!(
            (again.node, again.cluster, again.is_known),
            (joined.node, joined.cluster, true)
        );
        assert_eq!(settled(&second).node, joined.node);

        two.name = one.name.clone();
        let taken = two.join(&second, LONG).await.unwrap_err();
        assert!(
            taken.is_lasting() && taken.to_string().contains("the name one is taken"),
            "{taken}"
        );
        assert_eq!(settled(&second).name.as_str(), "two");

        let stranger = network("other", &seeds);
        let foreign = Settled {
            cluster: ClusterId::new(Uuid::from_u128(5)),
            ..settled(&second)
        };
        fs::create_dir(&other).unwrap();
        Identity::Settled(foreign).write(&other).unwrap();
        let refused = stranger.join(&other, LONG).await.unwrap_err().to_string();
        let clusters = [Uuid::from_u128(5).to_string(), joined.cluster.to_string()];
        assert!(clusters.iter().all(|cluster| refused.contains(cluster)), "{refused}");
        cluster.shutdown().await;
    }

    #[tokio::test]
    async fn a_directory_that_cannot_join_is_left_as_it_was() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("cluster");
        let within = Duration::from_millis(300);
        let refused = async |network: &NetworkConfig| {
            let error = network.join(&path, within).await.unwrap_err();
            assert_eq!(Identity::read(&path).unwrap(), None, "{error}");
            error
        };
        assert!(matches!(refused(&network("two", &[])).await, AdmissionError::NoSeeds));
        let mut own = network("two", &[]);
        own.seeds = vec![own.requests.advertise.clone()];
        assert!(matches!(refused(&own).await, AdmissionError::Itself(_)));
        let late = refused(&network("two", &["127.0.0.1:1"])).await;
        assert!(!late.is_lasting());
        assert!(
            late.to_string()
                .contains("within 300ms: 127.0.0.1:1: failed to connect"),
            "{late}"
        );
        let far = refused(&network("two", &["192.0.2.1:7802"])).await;
        assert!(matches!(far, AdmissionError::Unanswered(..)), "{far}");

        let mut unreachable = network("two", &["192.0.2.1:7802"]);
        unreachable.security = Security::Plaintext(Plaintext::Between(vec!["192.0.2.2".parse().unwrap()]));
        let error = refused(&unreachable).await;
        assert!(
            matches!(error, AdmissionError::OutOfReach { .. }) && error.is_lasting(),
            "{error}"
        );

        let taken = network("two", &["127.0.0.1:1"]);
        let holder = TcpListener::bind(taken.raft.listen).unwrap();
        assert!(
            matches!(refused(&taken).await, AdmissionError::Listen { address, .. } if address == taken.raft.listen)
        );
        drop(holder);
    }

    #[test]
    fn only_a_new_directory_becomes_that_of_a_founder() {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        let mut gateway = network("one", &["127.0.0.1:1"]);
        gateway.role = Role::Gateway;
        assert!(matches!(gateway.found(path), Err(AdmissionError::Gateway)));
        let name = NodeName::new("one").unwrap();
        let token = Uuid::from_u128(1);
        Identity::Joining { name, token }.write(path).unwrap();
        assert!(matches!(network("one", &[]).found(path), Err(AdmissionError::Joins(_))));
        Identity::forget(path).unwrap();
        consensus::DataDirectory::open(path, 8).unwrap();
        assert!(matches!(
            network("one", &[]).found(path),
            Err(AdmissionError::OwnCluster(_))
        ));
    }
}
