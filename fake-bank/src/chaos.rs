//! Everything at random, from a seed.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::{
    faults::{Fault, Operation},
    notify::Telling,
};

/// How wild it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chaos {
    /// The same seed throws the same dice.
    pub seed: u64,
    /// Calls of a thousand that go wrong.
    pub calls_permille: u32,
    /// Notifications of a thousand that are told oddly.
    pub notices_permille: u32,
    /// How long a caller waits, in milliseconds: some answers take longer. 0 has none of these.
    #[serde(default)]
    pub patience_ms: u64,
}

/// Codes that the bank means to be tried again.
const PASSING: [&str; 6] = ["9001", "3", "402", "999", "1096", "8002"];
/// Codes that a refund is put off with: for an hour, for the next day, until the merchant has money again.
const PUT_OFF: [&str; 4] = ["3029", "3029", "3030", "3002"];
/// One code of every other class: misconfigured, wrong request, declined, by hand only, conflict, outcome unknown.
const RARE: [&str; 6] = ["501", "251", "1051", "3028", "8", "1018"];

pub(crate) struct Dice {
    chaos: Chaos,
    random: StdRng,
}

impl Dice {
    pub fn new(chaos: Chaos) -> Self {
        Self { chaos, random: StdRng::seed_from_u64(chaos.seed) }
    }

    pub fn fault(&mut self, operation: Operation) -> Option<Fault> {
        if self.random.random_range(0..1_000) >= self.chaos.calls_permille {
            return None;
        }
        let code = |code: &str| Fault::Code { code: code.to_owned(), message: "по случаю".to_owned() };
        if self.random.random_range(0..12) == 0 {
            return Some(code(self.one_of(&RARE)));
        }
        if self.chaos.patience_ms > 0 && self.random.random_range(0..25) == 0 {
            let ms = self.chaos.patience_ms + 200;
            return Some(match self.random.random_range(0..3) {
                0 => Fault::StallBefore { ms },
                1 => Fault::StallAfter { ms },
                _ => Fault::TrickleAfter { ms },
            });
        }
        Some(match self.random.random_range(0..11) {
            0 | 1 => Fault::DropBefore,
            2 => Fault::DropAfter,
            3 | 4 => Fault::ResetAfter,
            5 => Fault::StatusBefore { status: 500 },
            6 => Fault::StatusAfter { status: 502 },
            7 => Fault::GarbageAfter,
            8 => code(self.one_of(&PASSING)),
            9 if operation == Operation::Cancel => code(self.one_of(&PUT_OFF)),
            9 => Fault::RateLimit { retry_after_s: 1 },
            _ => code("9876"),
        })
    }

    fn one_of(&mut self, codes: &[&'static str]) -> &'static str {
        codes.get(self.random.random_range(0..codes.len())).copied().unwrap_or("9999")
    }

    pub fn telling(&mut self) -> Option<Telling> {
        if self.random.random_range(0..1_000) >= self.chaos.notices_permille {
            return None;
        }
        let usual = Telling::default();
        Some(match self.random.random_range(0..9) {
            0 | 1 => Telling { deliveries: Some(0), ..usual },
            2 => Telling { deliveries: Some(3), ..usual },
            3 => Telling { delay_ms: self.random.random_range(1..400), ..usual },
            4 => Telling { malleated: true, ..usual },
            5 => Telling { wrong_amount: true, ..usual },
            6 | 7 => Telling { held_back: true, ..usual },
            _ => Telling { forged: true, ..usual },
        })
    }
}
