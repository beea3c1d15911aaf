//! Handshakes between nodes that should and should not trust each other.

use std::{fs, net::Ipv4Addr, sync::Arc, time::Duration};

use rcgen::{CertificateParams, date_time_ymd};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version::TLS12};
use tempfile::tempdir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::{authority::Authority, *};
use crate::node_name::NodeName;

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// What both ends of a handshake say: whom they have found, or what was wrong. In TLS 1.3 the dialler is done before
/// its own certificate has been looked at, so it also waits for a byte.
async fn handshake(
    dialler: &Certificates,
    listener: &Certificates,
    expected: Option<&NodeName>,
) -> (Result<NodeName, String>, Result<NodeName, String>) {
    let (near, far) = duplex(64 * 1024);
    let dialling = async {
        let (mut stream, found) = dialler
            .connect(near, expected)
            .await
            .map_err(|error| error.to_string())?;
        let byte = stream.read_u8().await;
        byte.map(|_| found).map_err(|error| error.to_string())
    };
    let accepting = async {
        let (mut stream, found) = listener.accept(far).await.map_err(|error| error.to_string())?;
        stream.write_u8(1).await.unwrap();
        stream.flush().await.unwrap();
        Ok(found)
    };
    tokio::join!(dialling, accepting)
}

/// A dialler that shows what `read` would refuse, or nothing.
fn intruder(trusted: &Authority, shown: Option<(&Authority, &CertificateParams)>) -> ClientConfig {
    let folder = tempdir().unwrap();
    let mut roots = RootCertStore::empty();
    let trusted = trusted.issue(&name("x"), folder.path()).read().unwrap();
    roots.add(trusted.ca[0].clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        Some((authority, params)) => {
            let shown = authority.sign(params, folder.path()).read().unwrap();
            config.with_client_auth_cert(shown.chain, shown.key).unwrap()
        }
        None => config.with_no_client_auth(),
    }
}

/// What a listener says to a dialler that does not keep to the rules.
async fn intrude(listener: &Certificates, intruder: ClientConfig) -> String {
    let (near, far) = duplex(64 * 1024);
    let dialling = async {
        let domain = NodeName::DOMAIN.try_into().unwrap();
        let stream = TlsConnector::from(Arc::new(intruder)).connect(domain, near).await;
        if let Ok(mut stream) = stream {
            let _ = stream.read_u8().await;
        }
    };
    let (accepted, ()) = tokio::join!(listener.accept(far), dialling);
    accepted.map(|(_, found)| found).unwrap_err().to_string()
}

#[tokio::test]
async fn nodes_of_one_ca_learn_each_others_names() {
    let authority = Authority::new();
    let (a, b) = (name("a"), name("b"));
    let (near, far) = (authority.certificates(&a), authority.certificates(&b));
    assert_eq!(handshake(&near, &far, Some(&b)).await, (Ok(b.clone()), Ok(a.clone())));
    assert_eq!(handshake(&near, &far, None).await, (Ok(b), Ok(a)));
}

#[test]
fn a_node_knows_when_its_certificate_ends() {
    let (authority, folder) = (Authority::new(), tempdir().unwrap());
    let mut params = Authority::params(&["a.node.internal", "node.internal"]);
    params.not_after = date_time_ymd(2040, 1, 1);
    let files = authority.sign(&params, folder.path());
    let certificates = Certificates::read(files, &name("a")).unwrap();
    assert_eq!(certificates.ends().as_secs(), 2_208_988_800);
}

#[tokio::test]
async fn a_node_cannot_pose_as_another() {
    let authority = Authority::new();
    let (near, far) = (authority.certificates(&name("a")), authority.certificates(&name("b")));
    let (dialled, _) = handshake(&near, &far, Some(&name("c"))).await;
    assert!(dialled.unwrap_err().contains("not valid for name \"c.node.internal\""));
}

#[tokio::test]
async fn nodes_of_another_ca_are_refused_by_both_ends() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (near, far) = (ours.certificates(&name("a")), theirs.certificates(&name("b")));
    let (dialled, accepted) = handshake(&near, &far, Some(&name("b"))).await;
    assert!(dialled.unwrap_err().contains("invalid peer certificate"));
    assert!(accepted.is_err());

    // One that dials and does not mind is not let in.
    let params = Authority::params(&["a.node.internal", "node.internal"]);
    let refused = intrude(&far, intruder(&theirs, Some((&ours, &params)))).await;
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn a_dialler_must_show_a_certificate_that_is_good_now_and_names_one_node() {
    let authority = Authority::new();
    let listener = authority.certificates(&name("b"));
    let refused = intrude(&listener, intruder(&authority, None)).await;
    assert!(refused.contains("peer sent no certificates"), "{refused}");

    let expired = Authority::expired(&["a.node.internal", "node.internal"]);
    let refused = intrude(&listener, intruder(&authority, Some((&authority, &expired)))).await;
    assert!(refused.contains("expired"), "{refused}");
    for names in [
        &["example.org"] as &[_],
        &["a.node.internal", "b.node.internal"],
        &["*.node.internal"],
    ] {
        let params = Authority::params(names);
        let refused = intrude(&listener, intruder(&authority, Some((&authority, &params)))).await;
        assert!(refused.contains("must name one node"), "{refused}");
    }
}

#[tokio::test]
async fn only_tls_1_3_is_spoken() {
    let authority = Authority::new();
    let listener = authority.certificates(&name("b"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let refused = intrude(&listener, old).await;
    assert!(refused.contains("Tls12NotOfferedOrEnabled"), "{refused}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let folder = tempdir().unwrap();
    let node = name("a");
    let good = authority.issue(&node, folder.path());
    assert!(Certificates::read(good.clone(), &node).is_ok());
    let refused = |files: &CertificateFiles| Certificates::read(files.clone(), &node).unwrap_err().to_string();

    let missing = CertificateFiles {
        ca: folder.path().join("missing.pem"),
        ..good.clone()
    };
    assert!(refused(&missing).starts_with("failed to read ") && refused(&missing).contains("missing.pem"));
    let swapped = CertificateFiles {
        certificate: good.key.clone(),
        ..good.clone()
    };
    assert!(
        refused(&swapped).contains("node.key does not hold certificates"),
        "{}",
        refused(&swapped)
    );
    let swapped = CertificateFiles {
        key: good.ca.clone(),
        ..good.clone()
    };
    assert!(
        refused(&swapped).contains("ca.pem does not hold a private key"),
        "{}",
        refused(&swapped)
    );

    let other = tempdir().unwrap();
    let others = Authority::new().issue(&node, other.path());
    let foreign = CertificateFiles {
        ca: others.ca.clone(),
        ..good.clone()
    };
    assert!(
        refused(&foreign).contains("is not good for node a below the CA in "),
        "{}",
        refused(&foreign)
    );
    let unfit = CertificateFiles {
        key: others.key,
        ..good.clone()
    };
    assert!(
        refused(&unfit).contains("node.key cannot be used"),
        "{}",
        refused(&unfit)
    );

    let late = authority.sign(
        &Authority::expired(&["a.node.internal", "node.internal"]),
        folder.path(),
    );
    assert!(refused(&late).contains("expired"), "{}", refused(&late));
    let another = authority.issue(&name("b"), folder.path());
    assert!(
        refused(&another).contains("not valid for name \"a.node.internal\""),
        "{}",
        refused(&another)
    );
    let both = authority.sign(
        &Authority::params(&["a.node.internal", "b.node.internal", "node.internal"]),
        folder.path(),
    );
    assert!(
        refused(&both).contains("must name one node below node.internal, and names a, b"),
        "{}",
        refused(&both)
    );
}

#[tokio::test(start_paused = true)]
async fn certificates_are_read_again_when_their_files_change() {
    let (old, new) = (Authority::new(), Authority::new());
    let (a, b) = (name("a"), name("b"));
    let folder = tempdir().unwrap();
    let certificates = Certificates::read(old.issue(&a, folder.path()), &a).unwrap();
    let (before, after) = (old.certificates(&b), new.certificates(&b));

    // What cannot be used changes nothing.
    let files = new.issue(&a, folder.path());
    let key = fs::read(&files.key).unwrap();
    fs::write(&files.key, "half a k").unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(
        handshake(&certificates, &before, Some(&b)).await,
        (Ok(b.clone()), Ok(a.clone()))
    );

    fs::write(&files.key, key).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(handshake(&certificates, &before, Some(&b)).await.0.is_err());
    assert_eq!(handshake(&certificates, &after, Some(&b)).await, (Ok(b), Ok(a)));
}

#[tokio::test]
async fn without_certificates_a_node_listens_and_talks_only_where_it_may() {
    let security = Security::default();
    security.check_listener("127.0.0.1:0".parse().unwrap()).unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = security
            .check_listener(address.parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("listens only on loopback addresses"), "{refused}");
    }
    let (here, there) = ([127, 0, 0, 1].into(), [192, 0, 2, 1].into());
    for (local, remote) in [(here, there), (there, here), (there, there)] {
        assert!(matches!(
            security.check_ends(local, remote),
            Err(ChannelError::Plaintext { .. })
        ));
    }
    let named = Security::Plaintext(Plaintext::Between(vec![there]));
    named.check_ends(here, there).unwrap();
    let certain = Authority::new().security(&name("a"));
    certain.check_listener("0.0.0.0:0".parse().unwrap()).unwrap();
    certain.check_ends(there, there).unwrap();
}

#[tokio::test]
async fn who_speaks_plaintext_to_a_node_with_certificates_is_refused() {
    let certain = Authority::new().security(&name("a"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let refused = certain.accept(accepted).await.unwrap_err();
    assert!(matches!(refused, ChannelError::Handshake(_)), "{refused}");
}
