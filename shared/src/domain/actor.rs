//! Who acts: recorded with every event.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use super::ids::{ProducerId, UserId};

/// Who caused an event. Written as `kind:id` (`customer:0190…`, `system:order_payment`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Actor {
    /// A signed-in customer.
    Customer(UserId),
    /// A cook, acting for a kitchen.
    Producer {
        /// The kitchen acted for.
        producer_id: ProducerId,
        /// The person.
        user_id: UserId,
    },
    /// An administrator.
    Admin(UserId),
    /// A process manager or timer, by name.
    System(String),
    /// A payment provider, by name.
    Provider(String),
}

impl Actor {
    /// A part of this system, by name.
    pub fn system(name: &str) -> Self {
        Self::System(name.to_owned())
    }

    /// The person behind the act, if there is one.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Customer(id) | Self::Admin(id) | Self::Producer { user_id: id, .. } => Some(*id),
            Self::System(_) | Self::Provider(_) => None,
        }
    }

    /// The kind alone: `customer`, `producer`, `admin`, `system` or `provider`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Customer(_) => "customer",
            Self::Producer { .. } => "producer",
            Self::Admin(_) => "admin",
            Self::System(_) => "system",
            Self::Provider(_) => "provider",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) | Self::Admin(id) => write!(f, "{}:{id}", self.kind()),
            Self::Producer { producer_id, user_id } => write!(f, "producer:{producer_id}/{user_id}"),
            Self::System(name) | Self::Provider(name) => write!(f, "{}:{name}", self.kind()),
        }
    }
}

/// The text is not an actor.
#[derive(Debug, thiserror::Error)]
#[error("not an actor: {0:?}")]
pub struct ParseActorError(String);

impl FromStr for Actor {
    type Err = ParseActorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseActorError(text.to_owned());
        let uuid = |part: &str| Uuid::parse_str(part).map_err(|_| wrong());
        let (kind, id) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            "customer" => Ok(Self::Customer(UserId(uuid(id)?))),
            "admin" => Ok(Self::Admin(UserId(uuid(id)?))),
            "producer" => {
                let (producer, user) = id.split_once('/').ok_or_else(wrong)?;
                Ok(Self::Producer { producer_id: ProducerId(uuid(producer)?), user_id: UserId(uuid(user)?) })
            }
            "system" => Ok(Self::System(id.to_owned())),
            "provider" => Ok(Self::Provider(id.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl TryFrom<String> for Actor {
    type Error = ParseActorError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
