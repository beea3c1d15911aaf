//! Section `[cluster]`: the place of this node among others.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use cluster::{CertificateFiles, Endpoint, NodeAddress, NodeName, Plaintext, Role, Zone};
use serde::{Deserialize, Serialize};

/// Section `[cluster]`: the place of this node among others. Without a name the node is a cluster of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeConfig {
    /// Name of the node; empty means a cluster of its own.
    pub name: String,
    /// What the node is there for: a `replica` keeps copies of shards, a `gateway` keeps nothing and passes requests on.
    pub role: String,
    /// Where the groups of other nodes reach this one.
    pub raft_bind: SocketAddr,
    /// Where requests of other nodes reach this one.
    pub requests_bind: SocketAddr,
    /// What other nodes dial to reach `raft_bind`; empty means that address.
    pub raft_advertise: String,
    /// What other nodes dial to reach `requests_bind`; empty means that address.
    pub requests_advertise: String,
    /// Nodes that are asked to take this one in while its directory is new.
    pub seeds: Vec<NodeAddress>,
    /// What may fail together with this node; empty means nothing else.
    pub zone: String,
    /// Certificates of the CA; empty means none.
    pub ca_file: PathBuf,
    /// Certificate of this node; empty means none.
    pub certificate_file: PathBuf,
    /// Private key of this node; empty means none.
    pub key_file: PathBuf,
    /// Addresses of nodes that talk without certificates, beside those of this machine.
    pub plaintext_between: Vec<IpAddr>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            role: Role::Replica.to_string(),
            raft_bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 7801)),
            requests_bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 7802)),
            raft_advertise: String::new(),
            requests_advertise: String::new(),
            seeds: Vec::new(),
            zone: String::new(),
            ca_file: PathBuf::new(),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            plaintext_between: Vec::new(),
        }
    }
}

/// The place of a node among others, as it was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodePlace {
    pub(crate) name: NodeName,
    pub(crate) role: Role,
    pub(crate) zone: Option<Zone>,
    pub(crate) raft: EndpointPlace,
    pub(crate) requests: EndpointPlace,
    pub(crate) seeds: Vec<NodeAddress>,
    pub(crate) protection: Protection,
}

/// Where a node listens, and what others dial to reach it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointPlace {
    listen: SocketAddr,
    advertise: NodeAddress,
}

impl From<EndpointPlace> for Endpoint {
    fn from(place: EndpointPlace) -> Self {
        Self {
            listen: place.listen,
            advertise: place.advertise,
        }
    }
}

/// What protects the connections between nodes. Files are read when the node starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protection {
    Certificates(CertificateFiles),
    Plaintext(Plaintext),
}

/// The key at fault, and what is wrong with its value.
type Fault = (&'static str, String);

impl NodeConfig {
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.place().map(drop)
    }

    /// The place that this section gives the node; none without a name.
    ///
    /// # Errors
    ///
    /// Names the key that does not fit.
    pub(crate) fn place(&self) -> Result<Option<NodePlace>, Fault> {
        if self.name.is_empty() {
            return match self.idle_key() {
                None => Ok(None),
                Some(key) => Err((
                    key,
                    "means nothing without cluster.name: a node without a name is a cluster of its own".to_owned(),
                )),
            };
        }
        let name = NodeName::new(self.name.as_str()).map_err(|error| ("cluster.name", error.to_string()))?;
        let role = self.role.parse::<Role>();
        let role = role.map_err(|error| ("cluster.role", error.to_string()))?;
        let zone = Some(self.zone.as_str()).filter(|zone| !zone.is_empty()).map(Zone::new);
        let zone = zone.transpose().map_err(|error| ("cluster.zone", error.to_string()))?;
        if self.raft_bind == self.requests_bind {
            return Err(("cluster.requests-bind", "must not be cluster.raft-bind".to_owned()));
        }
        let raft = endpoint(
            ("cluster.raft-bind", self.raft_bind),
            ("cluster.raft-advertise", &self.raft_advertise),
        )?;
        let requests = endpoint(
            ("cluster.requests-bind", self.requests_bind),
            ("cluster.requests-advertise", &self.requests_advertise),
        )?;
        if !self.seeds.is_empty() && self.seeds.iter().all(|seed| *seed == requests.advertise) {
            return Err((
                "cluster.seeds",
                "names only this node: the first node of a cluster has no seeds, and every other one names nodes that run"
                    .to_owned(),
            ));
        }
        if role == Role::Gateway && self.seeds.is_empty() {
            return Err((
                "cluster.seeds",
                "must name nodes that run: a gateway keeps nothing, so it cannot found a cluster".to_owned(),
            ));
        }
        Ok(Some(NodePlace {
            name,
            role,
            zone,
            raft,
            requests,
            seeds: self.seeds.clone(),
            protection: self.protection()?,
        }))
    }

    /// The first key that was set although the node has no name.
    fn idle_key(&self) -> Option<&'static str> {
        let none = Self::default();
        [
            ("cluster.role", self.role != none.role),
            ("cluster.raft-bind", self.raft_bind != none.raft_bind),
            ("cluster.requests-bind", self.requests_bind != none.requests_bind),
            ("cluster.raft-advertise", self.raft_advertise != none.raft_advertise),
            (
                "cluster.requests-advertise",
                self.requests_advertise != none.requests_advertise,
            ),
            ("cluster.seeds", self.seeds != none.seeds),
            ("cluster.zone", self.zone != none.zone),
            ("cluster.ca-file", self.ca_file != none.ca_file),
            (
                "cluster.certificate-file",
                self.certificate_file != none.certificate_file,
            ),
            ("cluster.key-file", self.key_file != none.key_file),
            (
                "cluster.plaintext-between",
                self.plaintext_between != none.plaintext_between,
            ),
        ]
        .into_iter()
        .find_map(|(key, is_set)| is_set.then_some(key))
    }

    fn protection(&self) -> Result<Protection, Fault> {
        let files = [
            ("cluster.ca-file", &self.ca_file),
            ("cluster.certificate-file", &self.certificate_file),
            ("cluster.key-file", &self.key_file),
        ];
        let is_empty = |path: &Path| path.as_os_str().is_empty();
        if files.iter().all(|(_, path)| is_empty(path)) {
            return self.plaintext().map(Protection::Plaintext);
        }
        if let Some((key, _)) = files.into_iter().find(|(_, path)| is_empty(path)) {
            return Err((
                key,
                "must be set: cluster.ca-file, cluster.certificate-file and cluster.key-file belong together"
                    .to_owned(),
            ));
        }
        if !self.plaintext_between.is_empty() {
            return Err((
                "cluster.plaintext-between",
                "means nothing beside certificates: nodes that have them talk in no other way".to_owned(),
            ));
        }
        Ok(Protection::Certificates(CertificateFiles {
            ca: self.ca_file.clone(),
            certificate: self.certificate_file.clone(),
            key: self.key_file.clone(),
        }))
    }

    fn plaintext(&self) -> Result<Plaintext, Fault> {
        for (key, address) in [
            ("cluster.raft-bind", self.raft_bind),
            ("cluster.requests-bind", self.requests_bind),
        ] {
            if !address.ip().is_loopback() && !self.plaintext_between.contains(&address.ip()) {
                return Err((
                    key,
                    "is reachable from other machines, so nodes need certificates: set cluster.ca-file, \
                     cluster.certificate-file and cluster.key-file (`foundation cluster certs` makes them)"
                        .to_owned(),
                ));
            }
        }
        Ok(if self.plaintext_between.is_empty() {
            Plaintext::Loopback
        } else {
            Plaintext::Between(self.plaintext_between.clone())
        })
    }
}

fn endpoint(bind: (&'static str, SocketAddr), advertise: (&'static str, &str)) -> Result<EndpointPlace, Fault> {
    let (bind_key, listen) = bind;
    let (key, text) = advertise;
    if text.is_empty() {
        if listen.ip().is_unspecified() {
            return Err((
                key,
                format!("must be set, because no other node can dial {listen} ({bind_key})"),
            ));
        }
        let advertise = NodeAddress::new(&listen.to_string()).map_err(|error| (bind_key, error.to_string()))?;
        return Ok(EndpointPlace { listen, advertise });
    }
    let is_unspecified = text
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.ip().is_unspecified());
    if is_unspecified {
        return Err((key, format!("no other node can dial {text}")));
    }
    let advertise = NodeAddress::new(text).map_err(|error| (key, error.to_string()))?;
    Ok(EndpointPlace { listen, advertise })
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, Layers, load};
    use super::*;

    fn with(flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let own = |(key, value): &(&str, &str)| (format!("cluster.{key}"), (*value).to_owned());
        load(&Layers {
            flags: flags.iter().map(own).collect(),
            ..Layers::default()
        })
    }

    fn place(flags: &[(&str, &str)]) -> NodePlace {
        with(flags).unwrap().cluster.place().unwrap().unwrap()
    }

    #[track_caller]
    fn refused(flags: &[(&str, &str)], key: &str) -> String {
        let error = with(flags).unwrap_err();
        assert_eq!(error.key(), Some(format!("cluster.{key}").as_str()), "{error}");
        error.to_string()
    }

    const FILES: [(&str, &str); 4] = [
        ("name", "one"),
        ("ca-file", "/c/ca.pem"),
        ("certificate-file", "/c/one.pem"),
        ("key-file", "/c/one.key"),
    ];

    #[test]
    fn a_node_without_a_name_is_a_cluster_of_its_own_and_nothing_else_may_be_set() {
        assert_eq!(with(&[]).unwrap().cluster.place(), Ok(None));
        for (key, value) in [
            ("role", "gateway"),
            ("raft-bind", "127.0.0.1:9"),
            ("requests-bind", "127.0.0.1:9"),
            ("raft-advertise", "a:1"),
            ("requests-advertise", "a:1"),
            ("seeds", "a:1"),
            ("zone", "a"),
            ("ca-file", "a"),
            ("certificate-file", "a"),
            ("key-file", "a"),
            ("plaintext-between", "10.0.0.1"),
        ] {
            assert!(refused(&[(key, value)], key).contains("cluster.name"));
        }
    }

    #[test]
    fn a_name_is_enough_for_a_node_on_loopback() {
        let place = place(&[("name", "one")]);
        assert_eq!(place.name.as_str(), "one");
        assert_eq!(place.raft.advertise.as_str(), "127.0.0.1:7801");
        assert_eq!(place.requests.advertise.as_str(), "127.0.0.1:7802");
        assert_eq!(place.protection, Protection::Plaintext(Plaintext::Loopback));
        assert_eq!((place.role, place.zone, place.seeds), (Role::Replica, None, Vec::new()));
    }

    #[test]
    fn names_zones_seeds_and_addresses_are_checked() {
        for (key, value) in [
            ("name", "One"),
            ("zone", "a b"),
            ("role", "voter"),
            ("seeds", "10.0.0.1"),
            ("raft-advertise", "nowhere"),
            ("requests-advertise", "0.0.0.0:7802"),
            ("raft-bind", "127.0.0.1:0"),
            ("requests-bind", "127.0.0.1:7801"),
            ("seeds", "127.0.0.1:7802"),
        ] {
            refused(&[("name", "one"), (key, value)], key);
        }
        let seeds = place(&[("name", "two"), ("seeds", "10.0.0.1:1, one.example:7802")]).seeds;
        assert_eq!(seeds.len(), 2);
        let gateway = place(&[("name", "two"), ("role", "gateway"), ("seeds", "one.example:7802")]);
        assert_eq!(gateway.role, Role::Gateway);
        assert!(refused(&[("name", "two"), ("role", "gateway")], "seeds").contains("gateway"));
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_not_advertised() {
        let all = [FILES.as_slice(), &[("raft-bind", "0.0.0.0:7801")]].concat();
        refused(&all, "raft-advertise");
        let told = [all.as_slice(), &[("raft-advertise", "one.example:7801")]].concat();
        let raft = place(&told).raft;
        assert_eq!(raft.advertise.as_str(), "one.example:7801");
        assert_eq!(raft.listen.to_string(), "0.0.0.0:7801");
    }

    #[test]
    fn certificates_are_three_files_or_none() {
        for missing in 1..FILES.len() {
            let mut flags = FILES.to_vec();
            let (key, _) = flags.remove(missing);
            refused(&flags, key);
        }
        assert!(matches!(place(&FILES).protection, Protection::Certificates(_)));
        let both = [FILES.as_slice(), &[("plaintext-between", "10.0.0.1")]].concat();
        refused(&both, "plaintext-between");
    }

    #[test]
    fn without_certificates_a_node_listens_on_loopback_or_where_that_is_permitted() {
        let flags = [
            ("name", "one"),
            ("raft-bind", "10.0.0.1:7801"),
            ("requests-bind", "10.0.0.1:7802"),
        ];
        assert!(refused(&flags, "raft-bind").contains("foundation cluster certs"));
        let permitted = [flags.as_slice(), &[("plaintext-between", "10.0.0.1,10.0.0.2")]].concat();
        let ends = ["10.0.0.1", "10.0.0.2"].map(|end| end.parse().unwrap()).to_vec();
        assert_eq!(
            place(&permitted).protection,
            Protection::Plaintext(Plaintext::Between(ends))
        );
    }
}
