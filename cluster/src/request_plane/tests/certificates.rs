use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use super::fixture::{A, B, call, connected, introduce, name, start_tls, trouble};
use crate::request_plane::Tls;

/// Makes certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a node with this name is given.
    fn tls(&self, name: String) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name]).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![params.signed_by(&key, &self.0).unwrap().into()];
        let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let roots = Arc::new(roots);
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain.clone(), key())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key())
            .unwrap();
        Tls {
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }
}

/// Two encrypted nodes, for the measurements.
pub(super) fn two() -> [Tls; 2] {
    let authority = Authority::new();
    [A, B].map(|node| authority.tls(name(node)))
}

#[tokio::test]
async fn nodes_with_certificates_of_one_authority_connect() {
    let [first, second] = two();
    let (a, b) = (start_tls(A, first).await, start_tls(B, second).await);
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    connected(&a, B).await;
    connected(&b, A).await;
    assert_eq!(call(&a, B, "secret").await.unwrap(), "secret");
    let large = bytes::Bytes::from(vec![3; 8 * 1024 * 1024]);
    assert!(call(&b, A, large.clone()).await.unwrap() == large);
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused_on_both_sides() {
    let authority = Authority::new();
    // Both have the certificate of B.
    let a = start_tls(A, authority.tls(name(B))).await;
    let b = start_tls(B, authority.tls(name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "expects another certificate").await;
    trouble(&b, A, "certificate").await;
}

#[tokio::test]
async fn certificates_of_another_authority_are_refused() {
    let a = start_tls(A, Authority::new().tls(name(A))).await;
    let b = start_tls(B, Authority::new().tls(name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "certificate").await;
}

#[tokio::test]
async fn a_node_without_certificates_reaches_none_with_them() {
    let a = super::fixture::start(A, super::fixture::echo()).await;
    let b = start_tls(B, Authority::new().tls(name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "").await;
    trouble(&b, A, "connection failed").await;
}
