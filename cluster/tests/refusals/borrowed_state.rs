//! The state borrows what may go before the actor does.
//~ does not fulfill the required lifetime
//~ type must satisfy the static lifetime

use cluster::prelude::*;

pub struct Door<'a> {
    pub plate: &'a str,
}

impl<'a> VirtualActor for Door<'a> {
    const CLASS: &'static str = "door";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { plate: "" })
    }
}
