//! The actors under test: lists that only grow, and the actors that hear of every element.

use cluster::prelude::*;
use serde::{Deserialize, Serialize};

use crate::history::{Element, digest};

/// Most elements of a list; so many fit into one answer.
pub(crate) const ELEMENTS_MAX: usize = 100_000;

const ELEMENTS: Keys<Element> = Keys::new("element/");

/// A list that only grows. Each element is told, durably, to the [`Witness`] of the same name.
pub(crate) struct Growing {
    elements: Vec<Element>,
}

/// Appends an element; answers its place.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "nodes.append", reply = u64)]
pub(crate) struct Append(pub(crate) Element);

/// Asks for the length and the digest of a list.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "nodes.read", reply = (u64, u64))]
pub(crate) struct Read;

/// Asks for all there is.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "nodes.all", reply = Vec<Element>)]
pub(crate) struct All;

/// Tells of a new element.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "nodes.grown")]
pub(crate) struct Grown(pub(crate) Element);

fn key(place: usize) -> Key<Element> {
    ELEMENTS.key(&format!("{place:06}"))
}

async fn stored<A: VirtualActor>(ctx: &mut Ctx<A>) -> Result<Vec<Element>> {
    let mut elements = Vec::new();
    while elements.len() < ELEMENTS_MAX
        && let Some(element) = ctx.storage().get(&key(elements.len())).await?
    {
        elements.push(element);
    }
    Ok(elements)
}

impl VirtualActor for Growing {
    const CLASS: &'static str = "growing";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Append>().on::<Read>().on::<All>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            elements: stored(ctx).await?,
        })
    }
}

impl Handler<Append> for Growing {
    async fn handle(&mut self, Append(element): Append, ctx: &mut Ctx<Self>) -> Result<u64> {
        let place = self.elements.len();
        if place == ELEMENTS_MAX {
            return Err(ActorError::too_large("nodes.full", "the list is full"));
        }
        ctx.storage().put(&key(place), &element)?;
        let witness = ctx.get::<Witness>(ctx.name());
        ctx.send(&witness, Grown(element))?;
        self.elements.push(element);
        Ok(place as u64)
    }
}

impl Handler<Read> for Growing {
    async fn handle(&mut self, _: Read, _: &mut Ctx<Self>) -> Result<(u64, u64)> {
        Ok((self.elements.len() as u64, digest(&self.elements)))
    }
}

impl Handler<All> for Growing {
    async fn handle(&mut self, _: All, _: &mut Ctx<Self>) -> Result<Vec<Element>> {
        Ok(self.elements.clone())
    }
}

/// Hears of the elements of a list, and writes down what it hears as often as it hears it.
pub(crate) struct Witness {
    heard: usize,
}

impl VirtualActor for Witness {
    const CLASS: &'static str = "witness";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Grown>().on::<All>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let heard = stored(ctx).await?.len();
        Ok(Self { heard })
    }
}

impl Handler<Grown> for Witness {
    async fn handle(&mut self, Grown(element): Grown, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&key(self.heard), &element)?;
        self.heard += 1;
        Ok(())
    }
}

impl Handler<All> for Witness {
    async fn handle(&mut self, _: All, ctx: &mut Ctx<Self>) -> Result<Vec<Element>> {
        stored(ctx).await
    }
}
