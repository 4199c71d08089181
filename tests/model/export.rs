//! Sequences as JSON lines, so that a model that shares nothing with this one can judge them: every command with the time,
//! who asked, and the events or the rule that came of it; then the state of every aggregate, and the bank's own books.
//!
//! `MODEL_EXPORT=sequences.ndjson MODEL_SEQUENCES=300 cargo test -p system-tests --test model exported`

use std::{fmt::Debug, fs::File, io::Write};

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::domain::{Intent, Rejection};
use uuid::Uuid;

use crate::{
    mutants::Mutable,
    number,
    rng::Rng,
    sequence,
    world::{Held, World},
};

/// Sequences that are made, and thrown away, when nobody wants them.
const FEW: u64 = 5;

/// A command and what came of it.
pub fn line<A: Mutable>(id: Uuid, intent: &Intent<A::Action>, decision: &Result<Vec<A::Event>, A::Error>) -> Value {
    let mut line = json!({
        "at": intent.now, "actor": intent.actor.to_string(), "aggregate": A::AGGREGATE_TYPE.as_str(), "id": id,
        "command": name(&intent.command),
    });
    match decision {
        Ok(events) => {
            let events = events.iter().map(|event| json!(A::to_domain_event(event.clone())));
            line["events"] = events.collect();
        }
        Err(error) => line["refused"] = json!(error.rule()),
    }
    line
}

fn name(command: &impl Debug) -> String {
    format!("{command:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The whole sequence.
pub fn sequence(seed: u64, world: &World) -> Option<Value> {
    let commands = world.transcript.as_ref()?;
    let bank = world.bank.books().into_iter().map(|(id, books)| {
        (id.0.to_string(), json!({ "captured": books.captured_minor, "refunded": books.refunded_minor }))
    });
    Some(json!({
        "seed": seed, "commands": commands, "orders": states(&world.orders), "payments": states(&world.payments),
        "gifts": states(&world.gifts), "disputes": states(&world.disputes), "bank": bank.collect::<Map<_, _>>(),
    }))
}

fn states<A: Serialize>(of: &std::collections::BTreeMap<Uuid, Held<A>>) -> Map<String, Value> {
    of.iter().map(|(id, held)| (id.to_string(), json!(held.state))).collect()
}

#[test]
fn sequences_can_be_exported_for_other_models() {
    let wanted = std::env::var("MODEL_EXPORT").ok();
    let sequences = if wanted.is_some() { number("MODEL_SEQUENCES", crate::SEQUENCES) } else { FEW };
    let mut file = wanted.map(|path| File::create(path).unwrap());
    for at in 0..sequences {
        let seed = Rng::new(number("MODEL_SEED", crate::SEED).wrapping_add(at)).next();
        let outcome = sequence::export(seed, &sequence::steps(seed));
        assert_eq!(outcome.failure, None, "seed {seed}");
        let exported = outcome.export.unwrap();
        assert!(exported["commands"].as_array().is_some_and(|commands| !commands.is_empty()), "{exported}");
        if let Some(file) = &mut file {
            writeln!(file, "{exported}").unwrap();
        }
    }
}
