//! Who makes a call: which actors wait for it, on whose account it is made, and whether that is inside an actor.
//!
//! What a call is part of lies with the task that makes it. Turns and work beside the mailbox have each a task-local of
//! their own, so nothing of it goes along with what they spawn.

use std::{future::Future, sync::Arc};

use crate::{Credential, Gatekeeper, address::Address, chain::Chain, id::ActorHash};

tokio::task_local! {
    /// What the present task runs of an actor.
    static RUNNING: Running;
}

/// What runs of an actor.
pub(crate) enum Running {
    /// A turn.
    Turn {
        actor: ActorHash,
        /// Who waits for it.
        askers: Option<Arc<Chain>>,
        account: Account,
    },
    /// Work beside the mailbox: nobody waits for it, because its actor is free meanwhile.
    Work(Arc<Address>),
}

impl Running {
    /// Makes all that `work` calls a call from here.
    pub(crate) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        RUNNING.scope(self, work)
    }
}

/// On whose account a call is made.
#[derive(Debug, Clone, Default)]
pub(crate) enum Account {
    /// Nobody's that is known.
    #[default]
    Nobody,
    /// That of whoever has shown this.
    Holder(Credential),
    /// The own one of this actor.
    Own(Arc<Address>),
    /// The own one of an actor on another node, which has vouched for it.
    Vouched(Credential),
}

impl Account {
    /// What the handler of the call is told.
    pub(crate) fn credential(&self) -> Option<&Credential> {
        match self {
            Self::Holder(credential) => Some(credential),
            // That it came from another node shall make no difference.
            Self::Nobody | Self::Own(_) | Self::Vouched(_) => None,
        }
    }

    /// What is shown for the call where it enters or arrives.
    pub(crate) fn shown(&self) -> Option<&Credential> {
        match self {
            Self::Holder(credential) | Self::Vouched(credential) => Some(credential),
            Self::Nobody | Self::Own(_) => None,
        }
    }

    /// The same account on another node.
    pub(crate) fn away(&self, gatekeeper: Option<&dyn Gatekeeper>) -> Self {
        match (self, gatekeeper) {
            (Self::Own(actor), Some(gatekeeper)) => Self::Vouched(gatekeeper.vouch(actor.id.tenant())),
            (Self::Own(_), None) => Self::Nobody,
            (Self::Nobody | Self::Holder(_) | Self::Vouched(_), _) => self.clone(),
        }
    }
}

/// Who makes a call.
pub(crate) struct Caller {
    /// The actors that wait for it.
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) account: Account,
    /// Whether no actor makes it.
    pub(crate) is_outside: bool,
}

impl Caller {
    /// Whoever the present task makes calls for.
    pub(crate) fn current() -> Self {
        let running = RUNNING.try_with(|running| match running {
            Running::Turn { actor, askers, account } => Self {
                chain: Some(Chain::extend(*actor, askers.clone())),
                account: account.clone(),
                is_outside: false,
            },
            Running::Work(actor) => Self {
                chain: None,
                account: Account::Own(Arc::clone(actor)),
                is_outside: false,
            },
        });
        let mut caller = running.unwrap_or(Self {
            chain: None,
            account: Account::Nobody,
            is_outside: true,
        });
        if let Some(credential) = Credential::given() {
            caller.account = Account::Holder(credential);
        }
        caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTOR: ActorHash = ActorHash([1; 16]);

    fn turn(account: Account) -> Running {
        Running::Turn {
            actor: ACTOR,
            askers: None,
            account,
        }
    }

    /// Guarantee 15.
    #[tokio::test]
    async fn what_a_turn_spawns_is_not_of_its_chain() {
        let (inside, spawned) = turn(Account::Nobody)
            .scope(async {
                let spawned = tokio::spawn(async { Caller::current().is_outside });
                (Caller::current(), spawned.await.unwrap())
            })
            .await;
        assert!(!inside.is_outside && inside.chain.unwrap().contains(ACTOR));
        assert!(spawned && Caller::current().is_outside);
    }

    /// Guarantee 18.
    #[tokio::test]
    async fn a_credential_that_is_given_in_a_turn_replaces_its_own() {
        let credential = |text: &str| Credential::new(text).unwrap();
        let (first, second) = turn(Account::Holder(credential("first")))
            .scope(async {
                let second = credential("second").scope(async { Caller::current() });
                (Caller::current(), second.await)
            })
            .await;
        assert_eq!(first.account.credential().unwrap().as_str(), "first");
        assert_eq!(second.account.credential().unwrap().as_str(), "second");
        assert!(!second.is_outside, "it is the same actor that calls");
    }
}
