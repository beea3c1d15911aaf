//! How many sockets each tenant has on this node.

use std::{collections::HashMap, sync::Arc};

use actix_web::http::StatusCode;
use cluster::prelude::TenantId;
use parking_lot::Mutex;

use crate::{gateway::error::Problem, metrics};

/// Sockets of tenants. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct SocketCounts(Arc<Mutex<HashMap<TenantId, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    counts: SocketCounts,
    tenant: TenantId,
}

impl SocketCounts {
    /// Counts another one.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has as many as it may.
    pub(super) fn another(&self, tenant: &TenantId, most: usize) -> Result<Counted, Problem> {
        let mut counts = self.0.lock();
        let count = counts.entry(tenant.clone()).or_default();
        if *count >= most {
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "socket.too-many-of-tenant",
                format!("a tenant has at most {most} sockets on one node"),
            )
            .with_retry_after(5));
        }
        *count += 1;
        ::metrics::gauge!(metrics::SOCKETS).increment(1.0);
        Ok(Counted {
            counts: self.clone(),
            tenant: tenant.clone(),
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock();
        ::metrics::gauge!(metrics::SOCKETS).decrement(1.0);
        if let Some(count) = counts.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_counts_until_it_is_gone_and_for_its_tenant_only() {
        let (counts, acme, other) = (
            SocketCounts::default(),
            TenantId::new("acme").unwrap(),
            TenantId::new("other").unwrap(),
        );
        let first = counts.another(&acme, 2).unwrap();
        let _second = counts.another(&acme, 2).unwrap();
        let problem = counts.another(&acme, 2).unwrap_err();
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (429, "socket.too-many-of-tenant")
        );
        counts.another(&other, 2).unwrap();
        drop(first);
        counts.another(&acme, 2).unwrap();
        assert_eq!(counts.0.lock().len(), 1);
    }
}
