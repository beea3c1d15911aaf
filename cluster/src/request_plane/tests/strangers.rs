use std::time::Duration;

use bytes::Bytes;

use super::{
    certificates::two,
    fixture::{A, LONG, bounds, config, echo, start, start_secure},
};
use crate::{
    request_plane::{RequestPlane, call_address, stranger::AddressError},
    tls::Security,
};

async fn ask(security: &Security, address: impl ToString, request: &'static str) -> Result<Bytes, AddressError> {
    let request = Bytes::from_static(request.as_bytes());
    call_address(security, &bounds(), &address.to_string(), request, LONG).await
}

#[tokio::test]
async fn a_node_without_an_id_asks_one_thing() {
    let a = start(A, echo()).await;
    assert_eq!(
        ask(&Security::default(), a.address(), "let me in").await.unwrap(),
        "let me in"
    );
    assert_eq!(ask(&Security::default(), a.address(), "").await.unwrap(), "");
}

#[tokio::test]
async fn a_stranger_that_is_turned_away_knows_that_nothing_was_done() {
    let a = start(A, echo()).await;
    let refused = ask(&Security::default(), a.address(), "not you").await;
    assert!(matches!(refused, Err(AddressError::NotSent { .. })), "{refused:?}");
    let mut full = config(A);
    full.bounds.joining = 0;
    let full = RequestPlane::bind(full, echo()).await.unwrap();
    let refused = ask(&Security::default(), full.address(), "let me in")
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("busy"), "{refused}");
    let nobody = ask(&Security::default(), "127.0.0.1:1", "let me in").await;
    assert!(matches!(nobody, Err(AddressError::NotSent { .. })), "{nobody:?}");
    let long = Bytes::from(vec![0; bounds().joining_body + 1]);
    let long = call_address(&Security::default(), &bounds(), &a.address().to_string(), long, LONG).await;
    assert!(matches!(long, Err(AddressError::NotSent { .. })), "{long:?}");
    // Nobody may be there a moment later; what is too long stays so.
    let is_lasting = [nobody, long].map(|asked| asked.unwrap_err().is_lasting());
    assert_eq!(is_lasting, [false, true]);
}

#[tokio::test]
async fn strangers_need_a_certificate_where_nodes_do() {
    let [first, second] = two();
    let a = start_secure(A, first).await;
    assert!(ask(&Security::default(), a.address(), "let me in").await.is_err());
    let [stranger, _] = two();
    let unknown = ask(&stranger, a.address(), "let me in").await.unwrap_err();
    assert!(
        unknown.is_lasting() && unknown.to_string().contains("same CA"),
        "{unknown}"
    );
    let plain = start(A, echo()).await;
    let bare = ask(&second, plain.address(), "let me in").await.unwrap_err();
    assert!(bare.to_string().contains("certificates"), "{bare}");
    assert_eq!(ask(&second, a.address(), "let me in").await.unwrap(), "let me in");
}

#[tokio::test]
async fn a_stranger_does_not_wait_for_ever() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let within = Duration::from_millis(100);
    let (security, bounds) = (Security::default(), bounds());
    let asked = call_address(&security, &bounds, &address, Bytes::new(), within);
    assert!(asked.await.unwrap_err().to_string().contains("deadline"));
}
