//! The mirror's stream as `nats/events.json` defines it.

use async_nats::jetstream::stream::Config;
use shared::subjects::Names;

const EVENTS: &str = include_str!("../../../nats/events.json");

/// The stream that mirrors the log.
pub fn events(names: &Names, replicas: usize) -> Config {
    let mut config: Config = serde_json::from_str(EVENTS).expect("a test reads the definition in nats/");
    config.name = names.events_stream();
    config.subjects = config.subjects.iter().map(|subject| names.subject(subject)).collect();
    config.num_replicas = replicas;
    config
}

/// What a stream has to be like to mirror the log, and is not. Replicas, placement, size limit and compression are
/// the operator's to choose.
pub(super) fn differences(wanted: &Config, actual: &Config) -> Vec<&'static str> {
    let checks = [
        ("subjects", wanted.subjects == actual.subjects),
        ("storage", wanted.storage == actual.storage),
        ("retention", wanted.retention == actual.retention),
        ("discard", wanted.discard == actual.discard),
        ("max_age", wanted.max_age == actual.max_age),
        ("max_msgs", wanted.max_messages == actual.max_messages),
        ("max_msgs_per_subject", wanted.max_messages_per_subject == actual.max_messages_per_subject),
        ("deny_delete", wanted.deny_delete == actual.deny_delete),
        ("deny_purge", wanted.deny_purge == actual.deny_purge),
        ("allow_direct", wanted.allow_direct == actual.allow_direct),
        ("no_ack", !actual.no_ack),
        ("sealed", !actual.sealed),
        ("mirror", actual.mirror.is_none()),
        ("sources", actual.sources.as_ref().is_none_or(Vec::is_empty)),
        ("subject_transform", actual.subject_transform.is_none()),
        ("allow_rollup_hdrs", !actual.allow_rollup),
        ("allow_msg_ttl", !actual.allow_message_ttl),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// The actual configuration with everything put right that `differences` looks at.
pub(super) fn corrected(wanted: &Config, actual: &Config) -> Config {
    Config {
        subjects: wanted.subjects.clone(),
        storage: wanted.storage,
        retention: wanted.retention,
        discard: wanted.discard,
        max_age: wanted.max_age,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        deny_delete: wanted.deny_delete,
        deny_purge: wanted.deny_purge,
        allow_direct: wanted.allow_direct,
        no_ack: false,
        mirror: None,
        sources: None,
        subject_transform: None,
        allow_rollup: false,
        allow_message_ttl: false,
        ..actual.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy, StorageType};
    use shared::subjects::{EVENTS_STREAM, EVENTS_SUBJECTS};

    use super::*;

    #[test]
    fn the_definition_says_what_the_conventions_say() {
        let events = events(&Names::default(), 3);
        assert_eq!(events.name, EVENTS_STREAM);
        assert_eq!(events.subjects, [EVENTS_SUBJECTS]);
        assert_eq!(events.num_replicas, 3);
        assert!(events.deny_delete && events.deny_purge && events.allow_direct);
        assert_eq!((events.discard, events.retention), (DiscardPolicy::New, RetentionPolicy::Limits));
        assert_eq!((events.storage, events.max_age), (StorageType::File, Duration::ZERO));
    }

    #[test]
    fn every_field_of_the_definition_is_known() {
        let read = serde_json::to_value(serde_json::from_str::<Config>(EVENTS).unwrap()).unwrap();
        let written: serde_json::Value = serde_json::from_str(EVENTS).unwrap();
        for (field, value) in written.as_object().unwrap() {
            assert_eq!(read.get(field), Some(value), "{field}");
        }
    }

    #[test]
    fn installations_that_share_a_server_share_no_name() {
        let events = events(&Names::of("t1"), 1);
        assert_eq!((events.name.as_str(), events.subjects[0].as_str()), ("EVENTS_t1", "homefood_t1.events.>"));
    }

    #[test]
    fn a_corrected_stream_differs_no_more() {
        let wanted = events(&Names::default(), 1);
        let bent = Config {
            subjects: vec!["other.>".to_owned()],
            max_age: Duration::from_secs(60),
            deny_delete: false,
            no_ack: true,
            num_replicas: 3,
            ..wanted.clone()
        };
        assert_eq!(differences(&wanted, &bent), ["subjects", "max_age", "deny_delete", "no_ack"]);
        let corrected = corrected(&wanted, &bent);
        assert_eq!(differences(&wanted, &corrected), [""; 0]);
        assert_eq!(corrected.num_replicas, 3);
    }
}
