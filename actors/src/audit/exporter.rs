//! Reads a chain out as a file.

use cluster::prelude::{ActorError, ActorRef, Result};

use super::{
    chain::AuditLog,
    checkpoint::Checkpoint,
    export::{anchor_line, head_line, record_line},
    messages::{GetHead, ListRecords, PAGE, SignHead},
};

/// An export of the chain of a tenant as it is when it begins, a page at a time.
#[derive(Debug)]
pub struct Exporter {
    audit: ActorRef<AuditLog>,
    anchor: Option<Checkpoint>,
    end: Checkpoint,
    /// Number of the last record that was read out.
    seq: u64,
    begun: bool,
    ended: bool,
}

impl Exporter {
    /// Signs the end of the chain and begins.
    ///
    /// # Errors
    /// If the actor does not answer, or the key of the cluster is not known yet.
    pub async fn begin(audit: ActorRef<AuditLog>) -> Result<Self> {
        let end = audit.ask(SignHead).await?;
        let anchor = audit.ask(GetHead).await?.anchor;
        let seq = anchor.as_ref().map_or(0, |anchor| anchor.seq);
        if seq > end.seq {
            return Err(removed());
        }
        Ok(Self {
            audit,
            anchor,
            end,
            seq,
            begun: false,
            ended: false,
        })
    }

    /// The signed end, which is the last line.
    #[must_use]
    pub fn end(&self) -> &Checkpoint {
        &self.end
    }

    /// The next lines, each with its line feed; `None` behind the last one.
    ///
    /// # Errors
    /// If the actor does not answer; `audit.removed` if records were removed meanwhile because they are too old.
    pub async fn next(&mut self) -> Result<Option<String>> {
        if self.ended {
            return Ok(None);
        }
        let tenant = self.audit.id().tenant().as_str();
        let mut lines = String::new();
        let mut push = |line: String| {
            lines.push_str(&line);
            lines.push('\n');
        };
        if !std::mem::replace(&mut self.begun, true)
            && let Some(anchor) = &self.anchor
        {
            push(anchor_line(tenant, anchor));
        }
        if self.seq < self.end.seq {
            let list = ListRecords {
                cursor: Some(self.seq),
                limit: PAGE,
                ..ListRecords::default()
            };
            let page = self.audit.ask(list).await?;
            if page.records.first().is_none_or(|record| record.seq != self.seq + 1) {
                return Err(removed());
            }
            for record in page.records {
                if record.seq > self.end.seq {
                    break;
                }
                self.seq = record.seq;
                push(record_line(tenant, record));
            }
        }
        if self.seq == self.end.seq {
            push(head_line(tenant, &self.end));
            self.ended = true;
        }
        Ok(Some(lines))
    }
}

/// Also what a reader is told of a chain that lacks records.
fn removed() -> ActorError {
    ActorError::conflict("audit.removed", "records of the chain are not there any more")
}
