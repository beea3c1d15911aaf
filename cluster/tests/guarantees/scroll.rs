//! An actor that keeps the order in which it was told something.

use cluster::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fixture::{Activations, tenant};

/// Writes down what it is told, and ends its activation now and then.
pub(crate) struct Scroll;

const LINES: Keys<u32> = Keys::new("lines/");
const LENGTH: Key<u32> = Key::new("length");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "scroll.append")]
pub(crate) struct Append(pub(crate) u32);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "scroll.lines", reply = Vec<u32>)]
pub(crate) struct Lines(pub(crate) u32);

/// Sends lines to another scroll, durably.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "scroll.dictate")]
pub(crate) struct Dictate {
    pub(crate) to: String,
    pub(crate) from: u32,
    pub(crate) lines: u32,
}

impl VirtualActor for Scroll {
    const CLASS: &'static str = "scroll";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Append>().on::<Lines>().on::<Dictate>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        ctx.env().another();
        Ok(Self)
    }
}

impl Handler<Append> for Scroll {
    async fn handle(&mut self, Append(line): Append, ctx: &mut Ctx<Self>) -> Result<()> {
        let length = ctx.storage().get(&LENGTH).await?.unwrap_or_default();
        ctx.storage().put(&LENGTH, &(length + 1))?;
        ctx.storage().put(&LINES.key(&format!("{length:06}")), &line)?;
        if line % 97 == 0 {
            ctx.passivate();
        }
        Ok(())
    }
}

impl Handler<Lines> for Scroll {
    async fn handle(&mut self, Lines(from): Lines, ctx: &mut Ctx<Self>) -> Result<Vec<u32>> {
        let page = List {
            start: Some(format!("{from:06}")),
            ..List::default()
        };
        let lines = ctx.storage().list(&LINES, page).await?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

impl Handler<Dictate> for Scroll {
    async fn handle(&mut self, Dictate { to, from, lines }: Dictate, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&to);
        (from..from + lines).try_for_each(|line| ctx.send(&to, Append(line)))
    }
}

pub(crate) fn scroll_id(name: &str) -> ActorId {
    ActorId::from_name::<Scroll>(&tenant(), name)
}

/// All lines, asked until it answers.
pub(crate) async fn lines(scroll: &ActorRef<Scroll>) -> Vec<u32> {
    let mut lines: Vec<u32> = Vec::new();
    for _ in 0..200 {
        let from = u32::try_from(lines.len()).unwrap();
        match scroll.clone().ask(Lines(from)).await {
            Ok(page) if page.is_empty() => return lines,
            Ok(page) => lines.extend(page),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Retryable | ErrorKind::Unknown)),
        }
    }
    panic!("the scroll never answers");
}
