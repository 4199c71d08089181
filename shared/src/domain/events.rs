//! The macro that writes down an aggregate's events once: variant, stable name and schema version.

/// The stored payload does not say what its type and version promise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// No event of this aggregate has that name.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The payload lacks a field, or a field has the wrong type.
    #[error("the payload of {event_type} cannot be read: {reason}")]
    Payload {
        /// The event's type.
        event_type: String,
        /// What the JSON reader says.
        reason: String,
    },
}

/// Declares an aggregate's event enum. Each variant holds the struct of the same name; `=> "name" v N` gives the
/// stable type and the schema version that is written today. The JSON form carries the name as `type`, so that a
/// plain cqrs-es program can read it.
macro_rules! aggregate_events {
    ($(#[$doc:meta])* $enum:ident { $($(#[doc = $variant_doc:literal])* $variant:ident => $name:literal v $version:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(tag = "type")]
        pub enum $enum {
            $($(#[doc = $variant_doc])* #[serde(rename = $name)] $variant($variant),)+
        }

        impl $enum {
            /// Every type of event with the schema version that is written today.
            pub const TYPES: &'static [(&'static str, u16)] = &[$(($name, $version)),+];

            /// What each type of event says happened.
            pub const MEANINGS: &'static [(&'static str, &'static str)] = &[$(($name, concat!($($variant_doc),*))),+];

            /// The stable name of the event's type.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The version of the payload's schema.
            pub fn schema_version(&self) -> u16 {
                match self { $(Self::$variant(_) => $version,)+ }
            }

            /// Reads a payload of the current schema version.
            pub fn decode(event_type: &str, payload: &[u8]) -> Result<Self, $crate::domain::events::DecodeError> {
                let wrong = |error: ::serde_json::Error| $crate::domain::events::DecodeError::Payload {
                    event_type: event_type.to_owned(),
                    reason: error.to_string(),
                };
                match event_type {
                    $($name => ::serde_json::from_slice(payload).map(Self::$variant).map_err(wrong),)+
                    _ => Err($crate::domain::events::DecodeError::UnknownType(event_type.to_owned())),
                }
            }

            /// The JSON Schema of each event's payload, by stable name.
            pub fn schemas() -> Vec<(&'static str, u16, ::schemars::Schema)> {
                vec![$(($name, $version, ::schemars::schema_for!($variant))),+]
            }
        }

        $(impl From<$variant> for $enum {
            fn from(event: $variant) -> Self {
                Self::$variant(event)
            }
        })+

        impl ::cqrs_es::DomainEvent for $enum {
            fn event_type(&self) -> String {
                self.type_name().to_owned()
            }

            fn event_version(&self) -> String {
                self.schema_version().to_string()
            }
        }
    };
}

pub(crate) use aggregate_events;
