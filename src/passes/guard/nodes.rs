//! A server that was started anew (重启后的核对) may have lost what it had confirmed: a backup in its place, a disk that lied. Only the
//! node that published it knows, so nothing goes out until every node that ever looked has looked at what this server remembers. Who
//! is away holds publishing after a while, until it is back or two persons say that it will not be.

use super::{Gateway, INCIDENT, PassError, record};
use crate::domain::memory::{Doubt, NodeLook};
use crate::domain::time::Timestamp;
use crate::store::sql::Tx;

/// How long a node may take to look at a server that was started anew, before persons are told.
const PATIENCE_MILLIS: i64 = 5 * 60 * 1000;

/// Who takes part, by what the database says.
#[derive(Debug)]
pub(super) struct Nodes {
    /// This start of the server.
    server: i64,
    own: Option<NodeLook>,
    awaited: Vec<NodeLook>,
}

impl Nodes {
    pub(super) async fn read(gateway: &Gateway, tx: &mut Tx) -> Result<Self, PassError> {
        let server = gateway.store.server_start(tx).await?;
        let name = &gateway.config.node.name;
        let (own, others): (Vec<_>, Vec<_>) = tx.node_looks().await?.into_iter().partition(|look| look.node == *name);
        let awaited = others.into_iter().filter(|look| look.is_awaited(server)).collect();
        Ok(Self { server, own: own.into_iter().next(), awaited })
    }

    pub(super) const fn server(&self) -> i64 {
        self.server
    }

    /// How often this node has begun to look.
    pub(super) fn looks(&self) -> i64 {
        self.own.as_ref().map_or(0, |own| own.looks)
    }

    /// Whether the database does not know yet that this node looked at it.
    pub(super) fn is_new(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.is_awaited(self.server) || own.is_away)
    }

    /// Lets all know that this node has looked, in the transaction that writes down what it has to say against the database.
    pub(super) async fn looked(&self, gateway: &Gateway, tx: &mut Tx, now: Timestamp) -> Result<i64, PassError> {
        let name = &gateway.config.node.name;
        let looks = tx.node_looked(name, self.server, now).await?;
        if let Some(own) = &self.own
            && tx.lift_hold(&own.absence(), &format!("{name} is back"), now).await?
            && tx.publishing_holds().await?.is_empty()
        {
            tx.close_incident(INCIDENT, now).await?;
        }
        Ok(looks)
    }

    /// Whether every node, this one too, has looked, or two persons said that it will not.
    pub(super) async fn all_have_looked(&self, tx: &mut Tx) -> Result<bool, PassError> {
        if self.own.as_ref().is_none_or(|own| own.is_awaited(self.server)) {
            return Ok(false);
        }
        for look in &self.awaited {
            if tx.is_publishing_released(&look.absence()).await? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every node that takes part has looked; after a while, publishing is held for each that did not.
    pub(super) async fn have_looked(&self, gateway: &Gateway, now: Timestamp) -> Result<bool, PassError> {
        if self.awaited.is_empty() {
            return Ok(true);
        }
        let mut tx = gateway.store.begin().await?;
        tx.lock_looks().await?;
        // One that came back since they were read has lifted what stood against it: nobody would lift what is written now. And the
        // patience begins with this node's own look at this start.
        let nodes = Self::read(gateway, &mut tx).await?;
        let is_late = nodes.own.is_some_and(|own| own.looked_at.plus_millis(PATIENCE_MILLIS) <= now);
        let mut missing = Vec::new();
        for look in nodes.awaited {
            if tx.is_publishing_released(&look.absence()).await? != Some(true) {
                missing.push(Doubt::Unseen { key: look.absence(), is_away: look.is_away, node: look.node });
            }
        }
        if is_late {
            record(gateway, &mut tx, &missing, now).await?;
        }
        tx.commit().await?;
        if !missing.is_empty() && !is_late {
            tracing::info!(nodes = missing.len(), "the server was started anew: nothing goes out until every node has looked at it");
        }
        Ok(missing.is_empty())
    }
}
