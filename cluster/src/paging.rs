//! Reading what may be too much to be read at once.

use std::{io, ops::Bound};

use bytes::Bytes;

use crate::{
    TenantId,
    id::ClassUid,
    keyspace::{self, KeyRange},
    store::Row,
};

/// Rows read at once.
const PAGE: usize = 1000;

/// Reads up to a number of rows of a range, in key order.
pub(crate) type Read<'a> = &'a dyn Fn(KeyRange, usize) -> io::Result<Vec<Row>>;

/// Hands out the rows of a range.
pub(crate) fn each(
    read: Read<'_>,
    range: KeyRange,
    hand: &mut dyn FnMut(Bytes, Bytes) -> io::Result<()>,
) -> io::Result<()> {
    let (mut from, to) = range;
    loop {
        let page = read((from, to.clone()), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = Bound::Excluded(last.clone());
        for (key, value) in page {
            hand(key, value)?;
        }
    }
}

/// The entries of a tenant in the directory of a shard, of whatever class.
pub(crate) fn of_tenant(read: Read<'_>, tenant: &TenantId) -> io::Result<Vec<Row>> {
    let mut found = Vec::new();
    let mut rest = keyspace::all_directory();
    while let Some((key, _)) = read(rest, 1)?.pop() {
        let class = key.get(1..9).and_then(|class| class.try_into().ok()).map(ClassUid);
        let Some(class) = class else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a key of the directory is broken",
            ));
        };
        let entries = keyspace::under(keyspace::directory(class, tenant, ""));
        each(read, entries, &mut |key, value| {
            found.push((key, value));
            Ok(())
        })?;
        rest = keyspace::directory_behind(class);
    }
    Ok(found)
}
