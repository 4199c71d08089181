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
}

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
            let rare = ["501", "251", "1051", "3028", "8", "1018"];
            return rare.get(self.random.random_range(0..rare.len())).map(|rare| code(rare));
        }
        Some(match self.random.random_range(0..10) {
            0 | 1 => Fault::DropBefore,
            2 | 3 => Fault::DropAfter,
            4 => Fault::StatusBefore { status: 500 },
            5 => Fault::StatusAfter { status: 502 },
            6 => Fault::GarbageAfter,
            7 => code("9001"),
            8 if operation == Operation::Cancel => code("3029"),
            8 => Fault::RateLimit { retry_after_s: 1 },
            _ => code("9876"),
        })
    }

    pub fn telling(&mut self) -> Option<Telling> {
        if self.random.random_range(0..1_000) >= self.chaos.notices_permille {
            return None;
        }
        let usual = Telling::default();
        Some(match self.random.random_range(0..6) {
            0 | 1 => Telling { deliveries: Some(0), ..usual },
            2 => Telling { deliveries: Some(3), ..usual },
            3 => Telling { delay_ms: self.random.random_range(0..400), ..usual },
            4 => Telling { malleated: true, ..usual },
            _ => Telling { forged: true, ..usual },
        })
    }
}
