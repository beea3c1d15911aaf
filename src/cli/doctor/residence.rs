//! What the data directory of a server that does not answer says of its cluster, and which of the others can be reached.

use std::{path::Path, time::Duration};

use cluster::{Member, Residence, Role};
use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};

use super::{Check, Verdict};

/// How long another node may take to be reached.
const REACH_WITHIN: Duration = Duration::from_secs(2);

/// Another node, and why it was not reached.
struct Other {
    name: String,
    address: String,
    trouble: Option<String>,
}

/// Reads the directory and looks for the other nodes.
pub(super) async fn check(directory: &Path) -> Option<Check> {
    let residence = match Residence::read(directory) {
        Ok(residence) => residence?,
        Err(error) => return Some(Check::new("cluster", Verdict::Bad, error.to_string())),
    };
    Some(match residence {
        Residence::Founding(cluster) => {
            let detail = format!("this node founds cluster {cluster} when its server is started");
            Check::new("cluster", Verdict::Good, detail)
        }
        Residence::Joining(name) => {
            let detail = format!("{name} has begun to join a cluster, and was not told that it is in it");
            let check = Check::new("cluster", Verdict::Warning, detail);
            check.next("run `foundation cluster join` while the server is stopped: it says what is wrong")
        }
        Residence::Settled {
            cluster,
            node,
            name,
            members,
        } => {
            let others = members
                .iter()
                .filter(|member| member.id != node && member.role == Role::Replica);
            let others = join_all(others.map(reach)).await;
            let votes = members
                .iter()
                .any(|member| member.id == node && member.role == Role::Replica);
            judge(&format!("{name} ({node}) of cluster {cluster}"), votes, &others)
        }
    })
}

async fn reach(member: &Member) -> Other {
    let address = member.addresses.requests.to_string();
    let reached = timeout(REACH_WITHIN, TcpStream::connect(&address)).await;
    let trouble = match reached {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("nothing answers".to_owned()),
    };
    Other {
        name: member.name.as_str().to_owned(),
        address,
        trouble,
    }
}

/// Judges whether enough of the others are there for this node to start. `votes` says whether it counts itself.
fn judge(this: &str, votes: bool, others: &[Other]) -> Check {
    let silent: Vec<String> = others
        .iter()
        .filter_map(|other| {
            let trouble = other.trouble.as_ref()?;
            Some(format!("{} is not reached at {}: {trouble}", other.name, other.address))
        })
        .collect();
    let (all, reached) = (others.len() + usize::from(votes), others.len() - silent.len());
    if silent.is_empty() {
        let detail = format!("this is {this}; its server does not answer, and {reached} other nodes are reached");
        return Check::new("cluster", Verdict::Good, detail);
    }
    let detail = format!(
        "this is {this}; its server does not answer, and {reached} of {} other nodes are reached; {}",
        others.len(),
        silent.join("; ")
    );
    let check = Check::new("cluster", Verdict::Warning, detail);
    let names = others.iter().filter(|other| other.trouble.is_some());
    let names: Vec<_> = names.map(|other| other.name.as_str()).collect();
    let names = names.join(", ");
    if reached + usize::from(votes) > all / 2 {
        return check.next(format!(
            "start this node: a majority can be there without {names}, which should be started too"
        ));
    }
    check.next(format!(
        "start all of them together: a node waits a minute for a majority, and ends without one. Look for {names} first. Only if \
         the directories of so many are lost for good that there is no majority any more, `foundation cluster unsafe-recover` \
         says what this node can go on with"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(reached: &[bool]) -> Vec<Other> {
        let other = |(number, reached): (usize, &bool)| Other {
            name: format!("n{number}"),
            address: format!("10.0.0.{number}:7802"),
            trouble: (!reached).then(|| "Connection refused".to_owned()),
        };
        reached.iter().enumerate().map(other).collect()
    }

    #[test]
    fn a_node_that_does_not_run_is_told_whether_enough_others_do() {
        for (votes, reached, verdict, advice) in [
            (true, vec![], Verdict::Good, ""),
            (true, vec![true, true], Verdict::Good, ""),
            (true, vec![true, false], Verdict::Warning, "without n1"),
            (true, vec![false, false], Verdict::Warning, "start all of them together"),
            (true, vec![false], Verdict::Warning, "start all of them together"),
            (false, vec![true, false, true], Verdict::Warning, "without n1"),
            (false, vec![true, false], Verdict::Warning, "start all of them together"),
        ] {
            let check = judge("one (1)", votes, &others(&reached));
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.next.as_deref().unwrap_or_default().contains(advice), "{check:?}");
            let is_last = check.next.as_ref().is_none_or(|next| {
                next.find("unsafe-recover")
                    .is_none_or(|recover| next.find("Look for").unwrap() < recover)
            });
            assert!(is_last, "{check:?}");
        }
    }
}
