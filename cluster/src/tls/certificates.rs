//! The certificates of a node, as they are now.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    version::TLS13,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::{CertificateError, CertificateFiles, ChannelError, files::Contents, files::Stamp};
use crate::{Timestamp, node_name::NodeName};

/// How long the files are taken to be as they were when they were last looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Later than any certificate ends: the year 9999.
const FAR: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799));

/// The certificates of a node and the CA that it trusts.
///
/// They are read again when their files change. As long as what is found cannot be used, the last good ones stay.
pub struct Certificates {
    files: CertificateFiles,
    node: NodeName,
    current: Mutex<Current>,
}

struct Current {
    loaded: Arc<Loaded>,
    stamps: [Stamp; 3],
    looked: Instant,
}

/// What was made of one state of the files.
struct Loaded {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    ends: Timestamp,
}

impl Certificates {
    /// Reads the certificates of a node and checks that others would accept them.
    ///
    /// # Errors
    /// Which file cannot be read or used, and why: among others, a key that does not belong to the certificate, and a
    /// certificate that has expired, is not below the CA, or is that of another node.
    pub fn read(files: CertificateFiles, node: &NodeName) -> Result<Self, CertificateError> {
        let stamps = files.stamps();
        let loaded = Arc::new(Loaded::read(&files, node)?);
        Ok(Self {
            files,
            node: node.clone(),
            current: Mutex::new(Current {
                loaded,
                stamps,
                looked: Instant::now(),
            }),
        })
    }

    /// When the first of the certificates that are in use ends.
    pub fn ends(&self) -> Timestamp {
        self.current().ends
    }

    /// Shows the certificate to a node that is dialled, and checks its own.
    pub(crate) async fn connect<S>(
        &self,
        stream: S,
        expected: Option<&NodeName>,
    ) -> Result<(client::TlsStream<S>, NodeName), ChannelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.current().client));
        let connecting = connector.connect(server_name(expected), stream);
        let stream = connecting.await.map_err(ChannelError::Handshake)?;
        let found = shown(stream.get_ref().1.peer_certificates())?;
        match expected {
            Some(expected) if *expected != found => Err(ChannelError::OtherNode {
                expected: expected.clone(),
                found,
            }),
            Some(_) | None => Ok((stream, found)),
        }
    }

    /// Shows the certificate to a node that has dialled, and checks its own.
    pub(crate) async fn accept<S>(&self, stream: S) -> Result<(server::TlsStream<S>, NodeName), ChannelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current().server));
        let stream = acceptor.accept(stream).await.map_err(ChannelError::Handshake)?;
        let found = shown(stream.get_ref().1.peer_certificates())?;
        Ok((stream, found))
    }

    /// What the files hold, or held when they could last be used.
    fn current(&self) -> Arc<Loaded> {
        let mut current = self.current.lock();
        if current.looked.elapsed() >= LOOK_EVERY {
            current.looked = Instant::now();
            // Before they are read: what is written meanwhile is found the next time.
            let stamps = self.files.stamps();
            if stamps != current.stamps {
                current.stamps = stamps;
                match Loaded::read(&self.files, &self.node) {
                    Ok(loaded) => {
                        tracing::info!(node = %self.node, "new certificates are in use");
                        current.loaded = Arc::new(loaded);
                    }
                    Err(error) => {
                        tracing::error!(node = %self.node, %error, "the certificates have changed and cannot be used");
                    }
                }
            }
        }
        Arc::clone(&current.loaded)
    }
}

impl Loaded {
    fn read(files: &CertificateFiles, node: &NodeName) -> Result<Self, CertificateError> {
        let unusable = |path: &Path, error: rustls::Error| CertificateError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let Contents { ca, chain, key } = files.read()?;
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            roots.add(certificate).map_err(|error| unusable(&files.ca, error))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let untrusted = |error: VerifierBuilderError| unusable(&files.ca, rustls::Error::General(error.to_string()));
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(untrusted)?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(untrusted)?;

        let (own, between) = chain.split_first().expect("a file without certificates is refused");
        let now = UnixTime::now();
        let server_at = |expected, then| servers.verify_server_cert(own, between, &server_name(expected), &[], then);
        let server = |expected| server_at(expected, now);
        server(Some(node))
            .and_then(|_| server(None))
            .and_then(|_| clients.verify_client_cert(own, between, now))
            .map_err(|error| CertificateError::Refused {
                path: files.certificate.clone(),
                ca: files.ca.clone(),
                node: node.clone(),
                reason: error.to_string(),
            })?;
        let ends = ends(|then| server_at(Some(node), then).err());
        named(own).map_err(|names| CertificateError::Names {
            path: files.certificate.clone(),
            names,
        })?;

        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&files.certificate, error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| unusable(&files.key, error))?;
        // A session that is resumed is one whose certificates nobody looks at.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&files.certificate, error))?
            .with_webpki_verifier(servers)
            .with_client_auth_cert(chain, key)
            .map_err(|error| unusable(&files.key, error))?;
        client.resumption = Resumption::disabled();
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
            ends,
        })
    }
}

/// The first moment at which something that is good today is refused for its age.
fn ends(refused_at: impl Fn(UnixTime) -> Option<rustls::Error>) -> Timestamp {
    let mut end = FAR;
    // Each certificate between the node and the CA may end before the one that was complained of.
    while let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext { not_after, .. })) =
        refused_at(end)
        && not_after < end
    {
        end = not_after;
    }
    let millis = end.as_secs().saturating_mul(1000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The DNS name that the certificate of a node must carry.
fn server_name(expected: Option<&NodeName>) -> ServerName<'static> {
    let name = expected.map_or_else(|| NodeName::DOMAIN.to_owned(), NodeName::dns_name);
    ServerName::try_from(name).expect("a label below the domain is a DNS name")
}

/// The node whose certificate was shown.
fn shown(chain: Option<&[CertificateDer<'_>]>) -> Result<NodeName, ChannelError> {
    let own = chain.and_then(<[_]>::first);
    own.map_or_else(|| Err(Vec::new()), named).map_err(ChannelError::Names)
}

/// The one node that a certificate names, or else all names below the domain. A wildcard is no name.
fn named(certificate: &CertificateDer<'_>) -> Result<NodeName, Vec<String>> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Err(Vec::new());
    };
    let suffix = format!(".{}", NodeName::DOMAIN);
    let below = |name: &str| name.to_ascii_lowercase().strip_suffix(&suffix).map(str::to_owned);
    let names = certificate.valid_dns_names().filter_map(below).collect::<Vec<_>>();
    let one = match names.as_slice() {
        [one] => NodeName::new(one.as_str()).ok(),
        _ => None,
    };
    one.ok_or(names)
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("node", &self.node)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
