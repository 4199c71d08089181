//! What a gift is worth, in pots: money moves between them and is never made or lost.

use serde::{Deserialize, Serialize};

use crate::domain::Money;

/// Where a part of a gift's worth is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pot {
    /// It can be spent.
    Available,
    /// An order that is not paid yet holds it.
    Reserved,
    /// It is on its way back to the buyer.
    Refunding,
    /// It paid orders; what their refunds brought back is not in here any more.
    Redeemed,
    /// It is back with the buyer.
    Refunded,
}

impl Pot {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Available, Self::Reserved, Self::Refunding, Self::Redeemed, Self::Refunded];
}

/// The pots of one gift. No pot can be negative, and together they are always what was put in: the only way to change
/// one is to move money into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purse {
    face: Money,
    /// Minor units, in the order of [`Pot::ALL`].
    pots: [u64; 5],
}

impl Purse {
    /// A purse that holds nothing yet, in the currency of `value`.
    pub fn empty(value: Money) -> Self {
        Self { face: Money::zero(value.currency()), pots: [0; 5] }
    }

    /// A purse with all of `face` available.
    pub fn filled(face: Money) -> Self {
        let mut purse = Self { face, pots: [0; 5] };
        *purse.pot(Pot::Available) = face.minor().unsigned_abs();
        purse
    }

    /// What was put in: the sum of all pots.
    pub fn face(&self) -> Money {
        self.face
    }

    /// What is in a pot.
    pub fn amount(&self, pot: Pot) -> Money {
        let minor = i64::try_from(self.pots[pot as usize]).unwrap_or(i64::MAX);
        // A pot holds at most the face value, which is money.
        Money::from_minor(minor, self.face.currency()).unwrap_or(self.face)
    }

    /// Whether nothing is in any pot but these.
    pub fn is_all_in(&self, pots: &[Pot]) -> bool {
        Pot::ALL.iter().all(|pot| pots.contains(pot) || self.amount(*pot).is_zero())
    }

    /// Moves `amount`, or as much of it as there is.
    pub fn shift(&mut self, from: Pot, to: Pot, amount: Money) {
        if amount.currency() != self.face.currency() {
            return;
        }
        let moved = self.pots[from as usize].min(u64::try_from(amount.minor()).unwrap_or(0));
        *self.pot(from) -= moved;
        *self.pot(to) += moved;
    }

    fn pot(&mut self, pot: Pot) -> &mut u64 {
        &mut self.pots[pot as usize]
    }
}
