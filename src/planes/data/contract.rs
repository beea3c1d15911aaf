//! The contracts of the ports `Objects` and `Vectors`: what holds for every implementation, the fakes included.

use actors::ports::{
    ObjectError, ObjectMeta, Objects, VectorChange, VectorError, VectorMatch, VectorQuery, VectorRow, VectorScope,
    VectorWrite, Vectors,
};
use bytes::Bytes;

/// What every object store does. The store must be empty.
pub(super) async fn objects(objects: impl Objects) {
    let get = async |key: &str| objects.get(key.to_owned()).await;
    let put = async |key: &str, body: &'static [u8]| {
        objects
            .put(key.to_owned(), "application/json", Bytes::from_static(body))
            .await
    };

    assert_eq!(
        get("runs/1/a").await,
        Err(ObjectError::NotFound("runs/1/a".into())),
        "absent at first"
    );
    let meta = put("runs/1/a", b"abc").await.unwrap();
    let expected = ObjectMeta {
        key: "runs/1/a".into(),
        size: 3,
        content_type: "application/json".into(),
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
    };
    assert_eq!(meta, expected);
    assert_eq!(get("runs/1/a").await.unwrap(), (expected, Bytes::from_static(b"abc")));

    put("runs/1/a", b"a longer body").await.unwrap();
    assert_eq!(get("runs/1/a").await.unwrap().1, "a longer body", "a put replaces");
    put("runs/1/a", b"").await.unwrap();
    let (meta, body) = get("runs/1/a").await.unwrap();
    assert_eq!((meta.size, body.len()), (0, 0), "an empty body is a body");

    let keys = [
        "a", "a/b", "a~", "a~/b", "a#1", "a%2Fb", "a b", "ä/ö", "a'b\"c", "a\\b", ".hidden", "...", "A",
    ];
    for key in keys {
        objects
            .put(key.to_owned(), "text/plain", Bytes::from(key))
            .await
            .unwrap();
    }
    for key in keys {
        let (meta, body) = get(key).await.unwrap();
        assert_eq!(
            (meta.key.as_str(), body.as_ref()),
            (key, key.as_bytes()),
            "keys do not share a place"
        );
    }

    put("tenants/a/1", b"1").await.unwrap();
    put("tenants/a/b/2", b"2").await.unwrap();
    put("tenants/ab/3", b"3").await.unwrap();
    put("tenants/a", b"4").await.unwrap();
    assert_eq!(objects.delete_below("tenants/a".into()).await, Ok(2));
    assert_eq!(
        objects.delete_below("tenants/a".into()).await,
        Ok(0),
        "there is nothing left"
    );
    for gone in ["tenants/a/1", "tenants/a/b/2"] {
        assert_eq!(get(gone).await, Err(ObjectError::NotFound(gone.to_owned())));
    }
    for kept in ["tenants/ab/3", "tenants/a"] {
        assert!(get(kept).await.is_ok(), "{kept} is beside it");
    }

    objects.delete("a".into()).await.unwrap();
    objects
        .delete("a".into())
        .await
        .expect("removing an absent object succeeds");
    assert_eq!(get("a").await, Err(ObjectError::NotFound("a".into())));
    assert_eq!(get("a/b").await.unwrap().1, "a/b", "a key below a removed one stays");

    let long = "k/".repeat(512) + "k";
    for key in [
        "",
        "/",
        "/absolute",
        "directory/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a\0b",
        &long,
    ] {
        let invalid = ObjectError::InvalidKey(key.to_owned());
        assert_eq!(put(key, b"x").await, Err(invalid.clone()), "{key:?}");
        assert_eq!(get(key).await, Err(invalid.clone()), "{key:?}");
        assert_eq!(objects.delete(key.to_owned()).await, Err(invalid), "{key:?}");
    }
}

/// A row whose vector points into one of four directions.
pub(super) fn row(run_id: &str, attempt: u32, phase: &str, direction: usize) -> VectorRow {
    let mut embedding = vec![0.1; 4];
    embedding[direction] = 1.0;
    VectorRow {
        id: format!("planning:{run_id}:{attempt}:{phase}"),
        run_id: run_id.into(),
        phase: phase.into(),
        attempt,
        version: 1,
        text: format!("{phase} of {run_id}"),
        embedding,
    }
}

/// Adds rows as a writer of a tenant.
pub(super) async fn put(
    vectors: &impl Vectors,
    tenant: &str,
    writer: u64,
    rows: Vec<VectorRow>,
) -> Result<(), VectorError> {
    let changes = rows.into_iter().map(VectorChange::Upsert).collect();
    let tenant = tenant.into();
    let write = VectorWrite {
        tenant,
        writer,
        changes,
    };
    vectors.write(write).await
}

/// Removes rows of a run as a writer of a tenant.
pub(super) async fn forget(
    vectors: &impl Vectors,
    tenant: &str,
    writer: u64,
    run_id: &str,
    attempt: Option<u32>,
) -> Result<(), VectorError> {
    let run_id = run_id.into();
    let write = VectorWrite {
        tenant: tenant.into(),
        writer,
        changes: vec![VectorChange::DeleteRun { run_id, attempt }],
    };
    vectors.write(write).await
}

/// Asks an index of four dimensions for what is nearest to one direction.
pub(super) async fn nearest(
    vectors: &impl Vectors,
    tenant: &str,
    scope: VectorScope,
    direction: usize,
    limit: usize,
) -> Vec<VectorMatch> {
    let mut embedding = vec![0.0; 4];
    embedding[direction] = 2.0;
    vectors
        .query(VectorQuery {
            tenant: tenant.into(),
            scope,
            embedding,
            limit,
        })
        .await
        .unwrap()
}

fn names(matches: &[VectorMatch]) -> Vec<(&str, u32, &str)> {
    matches
        .iter()
        .map(|found| (found.run_id.as_str(), found.attempt, found.phase.as_str()))
        .collect()
}

/// What every vector index does. The index must be empty and have four dimensions.
pub(super) async fn vectors(vectors: impl Vectors) {
    let attempt = |run_id: &str, attempt: u32| VectorScope::Attempt {
        run_id: run_id.into(),
        attempt,
    };
    let others = |run_id: &str| VectorScope::OtherRuns { run_id: run_id.into() };

    assert!(
        nearest(&vectors, "acme", VectorScope::Tenant, 0, 8).await.is_empty(),
        "empty at first"
    );
    let writer = async |tenant: &str| vectors.writer(tenant.to_owned()).await.unwrap();
    assert_eq!(writer("acme").await, 0, "nobody has written yet");
    put(&vectors, "acme", 1, Vec::new())
        .await
        .expect("nothing to insert is no error");
    let rows = vec![
        row("r1", 0, "intake", 0),
        row("r1", 0, "market", 1),
        row("r1", 1, "intake", 2),
        row("r2", 0, "intake", 3),
    ];
    put(&vectors, "acme", 1, rows).await.unwrap();
    let rows = vec![row("r1", 0, "intake", 0), row("r9", 0, "secret", 0)];
    put(&vectors, "other", 1, rows).await.unwrap();

    let all = nearest(&vectors, "acme", VectorScope::Tenant, 1, 8).await;
    assert_eq!(all.len(), 4, "a tenant sees its own rows and all of them");
    assert_eq!(names(&all[..1]), [("r1", 0, "market")], "the nearest is first");
    assert!(all.windows(2).all(|pair| pair[0].score >= pair[1].score), "{all:?}");
    assert!(
        (all[0].score - 1.0 / 1.03_f32.sqrt()).abs() < 1e-3,
        "the score is the cosine: {}",
        all[0].score
    );
    assert_eq!((all[0].text.as_str(), all[0].version), ("market of r1", 1));

    let limited = nearest(&vectors, "acme", attempt("r1", 1), 0, 1).await;
    assert_eq!(
        names(&limited),
        [("r1", 1, "intake")],
        "the filter comes before the limit"
    );
    assert_eq!(names(&nearest(&vectors, "acme", attempt("r1", 0), 1, 8).await).len(), 2);
    assert_eq!(
        names(&nearest(&vectors, "acme", others("r1"), 0, 1).await),
        [("r2", 0, "intake")]
    );
    assert!(
        nearest(&vectors, "acme", attempt("r9", 0), 0, 8).await.is_empty(),
        "no run of another tenant"
    );
    assert!(nearest(&vectors, "nobody", VectorScope::Tenant, 0, 8).await.is_empty());
    assert!(
        nearest(&vectors, "acme", VectorScope::Tenant, 0, 0).await.is_empty(),
        "none were asked for"
    );

    let replaced = VectorRow {
        version: 2,
        text: "again".into(),
        ..row("r1", 0, "intake", 0)
    };
    let overtaken = VectorRow {
        version: 9,
        text: "overtaken".into(),
        ..replaced.clone()
    };
    put(&vectors, "acme", 1, vec![overtaken, replaced]).await.unwrap();
    let found = nearest(&vectors, "acme", attempt("r1", 0), 0, 8).await;
    assert_eq!(
        names(&found),
        [("r1", 0, "intake"), ("r1", 0, "market")],
        "an upsert replaces"
    );
    assert_eq!(
        (found[0].version, found[0].text.as_str()),
        (2, "again"),
        "and the last of equal ids wins"
    );
    let foreign = nearest(&vectors, "other", attempt("r1", 0), 0, 8).await;
    assert_eq!(
        foreign[0].text, "intake of r1",
        "the same id of another tenant is another row"
    );

    let listed = async |attempt| {
        let entries = vectors.listed("acme".into(), "r1".into(), attempt).await.unwrap();
        let mut entries: Vec<_> = entries.into_iter().map(|entry| (entry.phase, entry.version)).collect();
        entries.sort();
        entries
    };
    assert_eq!(listed(0).await, [("intake".to_owned(), 2), ("market".to_owned(), 1)]);
    assert_eq!(listed(7).await, []);

    forget(&vectors, "acme", 1, "r1", Some(0)).await.unwrap();
    assert_eq!(listed(0).await, []);
    assert!(nearest(&vectors, "acme", attempt("r1", 0), 0, 8).await.is_empty());
    assert_eq!(
        nearest(&vectors, "acme", attempt("r1", 1), 0, 8).await.len(),
        1,
        "the other attempt stays"
    );
    forget(&vectors, "acme", 1, "r1", None).await.unwrap();
    forget(&vectors, "acme", 1, "r1", None)
        .await
        .expect("removing nothing is no error");
    assert_eq!(
        names(&nearest(&vectors, "acme", VectorScope::Tenant, 0, 8).await),
        [("r2", 0, "intake")]
    );
    assert_eq!(
        nearest(&vectors, "other", VectorScope::Tenant, 0, 8).await.len(),
        2,
        "another tenant's run stays"
    );

    let odd = [
        "it's",
        "' OR '1'='1",
        "a\\' OR 1=1 --",
        "x==y",
        "\"quoted\"",
        "`tick`",
        "a;b",
        "ä\u{1F600}",
        "%_",
        "",
    ];
    for (phase, odd) in odd.iter().enumerate() {
        let phase = format!("p{phase}");
        put(&vectors, "odd", 1, vec![row(odd, 0, &phase, 0), row(odd, 1, odd, 0)])
            .await
            .unwrap();
    }
    for (phase, odd) in odd.iter().enumerate() {
        let found = nearest(&vectors, "odd", attempt(odd, 0), 0, 50).await;
        assert_eq!(
            names(&found),
            [(*odd, 0, format!("p{phase}").as_str())],
            "{odd:?} means itself only"
        );
    }
    let rest = 2 * (odd.len() - 1);
    assert_eq!(nearest(&vectors, "odd", others("it's"), 0, 50).await.len(), rest);
    forget(&vectors, "odd", 1, "' OR '1'='1", None).await.unwrap();
    assert_eq!(nearest(&vectors, "odd", VectorScope::Tenant, 0, 50).await.len(), rest);

    // In one write: what comes later wins.
    let again = |change| VectorChange::Upsert(row("r5", 0, change, 0));
    let gone = VectorChange::DeleteRun {
        run_id: "r5".into(),
        attempt: None,
    };
    let write = VectorWrite {
        tenant: "odd".into(),
        writer: 1,
        changes: vec![
            again("first"),
            VectorChange::Clear,
            again("second"),
            gone,
            again("third"),
        ],
    };
    vectors.write(write).await.unwrap();
    let found = nearest(&vectors, "odd", VectorScope::Tenant, 0, 50).await;
    assert_eq!(names(&found), [("r5", 0, "third")]);

    put(&vectors, "acme", 3, vec![row("r4", 0, "intake", 0)]).await.unwrap();
    assert_eq!((writer("acme").await, writer("other").await), (3, 1));
    let superseded = Err(VectorError::Superseded { writer: 3 });
    assert_eq!(
        put(&vectors, "acme", 2, vec![row("r4", 0, "market", 0)]).await,
        superseded
    );
    assert_eq!(forget(&vectors, "acme", 1, "r4", None).await, superseded);
    assert_eq!(
        names(&nearest(&vectors, "acme", attempt("r4", 0), 0, 8).await),
        [("r4", 0, "intake")],
        "a superseded writer changes nothing"
    );
    put(&vectors, "other", 2, vec![row("r4", 0, "market", 0)])
        .await
        .expect("each tenant has a writer of its own");

    let wrong = VectorError::Dimensions { expected: 4, actual: 3 };
    let short = VectorRow {
        embedding: vec![1.0; 3],
        ..row("r3", 0, "intake", 0)
    };
    let query = VectorQuery {
        tenant: "acme".into(),
        scope: VectorScope::Tenant,
        embedding: vec![1.0; 3],
        limit: 1,
    };
    assert_eq!(
        put(&vectors, "acme", 3, vec![row("r3", 0, "market", 0), short]).await,
        Err(wrong.clone())
    );
    assert_eq!(vectors.query(query).await, Err(wrong));
    assert!(
        nearest(&vectors, "acme", attempt("r3", 0), 0, 8).await.is_empty(),
        "nothing of a refused upsert is kept"
    );
}

#[cfg(test)]
mod tests {
    use actors::ports::fake::{FakeObjects, FakeVectors};

    #[tokio::test]
    async fn the_fake_object_store_keeps_the_contract() {
        super::objects(FakeObjects::default()).await;
    }

    #[tokio::test]
    async fn the_fake_vector_index_keeps_the_contract() {
        super::vectors(FakeVectors::default()).await;
    }
}
