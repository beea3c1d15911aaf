//! A bucket of a real server.

use super::StoreKind;
use super::config::S3Config;
use super::place::{Place, StoreError};
use super::s3::Bucket;
use super::server::{BUCKET, KEY_ID, S3Server, SECRET};

/// How the bucket of a server is reached.
fn config(server: &S3Server) -> S3Config {
    config_at(server.endpoint())
}

fn config_at(endpoint: String) -> S3Config {
    S3Config {
        bucket: BUCKET.into(),
        prefix: "some/part".into(),
        endpoint,
        path_style: true,
        connect_seconds: 2,
        request_seconds: 20,
        retry_seconds: 2,
        ..S3Config::default()
    }
}

/// The variables that hold the access key.
fn variables(name: &str) -> Option<String> {
    match name {
        "AWS_ACCESS_KEY_ID" => Some(KEY_ID.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(SECRET.to_owned()),
        _ => None,
    }
}

/// A place in the bucket of a server.
pub(in crate::planes::data) fn place(server: &S3Server) -> Place {
    place_of(&config(server))
}

/// The same place, for a process that knows the port of the server.
pub(in crate::planes::data) fn place_at(port: u16) -> Place {
    place_of(&config_at(format!("http://127.0.0.1:{port}")))
}

fn place_of(config: &S3Config) -> Place {
    let path = std::path::Path::new("");
    Place::new("files", StoreKind::S3, path, config, path, &variables).unwrap()
}

async fn check(config: &S3Config) -> Result<(), StoreError> {
    Bucket::new(config, &variables, "files").unwrap().check().await
}

#[tokio::test]
async fn a_bucket_that_does_what_is_needed_is_left_as_it_was() {
    let server = S3Server::start();
    check(&config(&server)).await.unwrap();
    let bucket = Bucket::new(&config(&server), &variables, "files").unwrap();
    let left: Vec<_> = futures_util::TryStreamExt::try_collect(object_store::ObjectStore::list(&*bucket.client, None))
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_says_what_to_look_at() {
    let mut server = S3Server::start();
    let missing = S3Config {
        bucket: "missing".into(),
        ..config(&server)
    };
    let error = check(&missing).await.unwrap_err().to_string();
    assert!(error.contains("bucket missing at http://127.0.0.1"), "{error}");
    assert!(error.contains("`files.s3`"), "{error}");

    let stranger = |name: &str| Some(format!("another {name}"));
    let denied = Bucket::new(&config(&server), &stranger, "vector-index").unwrap();
    let error = denied.check().await.unwrap_err().to_string();
    assert!(error.contains("`vector-index.s3`"), "{error}");
    assert!(!error.contains("another AWS_SECRET_ACCESS_KEY"), "{error}");

    server.kill();
    let error = check(&config(&server)).await.unwrap_err().to_string();
    assert!(error.contains("failed to use the bucket"), "{error}");
}

#[test]
fn the_secret_of_the_access_key_is_in_no_debug_form() {
    let config = S3Config {
        bucket: BUCKET.into(),
        ..S3Config::default()
    };
    let bucket = Bucket::new(&config, &variables, "files").unwrap();
    for shown in [format!("{bucket:?}"), format!("{:?}", bucket.client)] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
