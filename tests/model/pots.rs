//! The pots of the kitchens, as the append keeps them: portions are taken with their order or the order is not placed, and
//! they come back once.

use std::collections::BTreeMap;

use shared::domain::{DishId, Portion, PortionMove, invariants::Pot};
use uuid::Uuid;

/// Portions of each dish that has a limit.
const PORTIONS: i64 = 3;

/// The pots, and what each order has of them.
pub struct Pots {
    left: BTreeMap<DishId, i64>,
    taken: BTreeMap<DishId, i64>,
    claims: BTreeMap<Uuid, Vec<Portion>>,
    /// The planted defect: what an order has given back is not crossed out.
    is_forgetful: bool,
    /// Orders that found too little left.
    pub short: u64,
    /// Orders that gave their portions back.
    pub given_back: u64,
}

impl Pots {
    pub fn new(limited: &[DishId], is_forgetful: bool) -> Self {
        let left = limited.iter().map(|dish| (*dish, PORTIONS)).collect();
        Self { left, taken: BTreeMap::new(), claims: BTreeMap::new(), is_forgetful, short: 0, given_back: 0 }
    }

    /// What is left of a dish.
    pub fn left(&self, dish_id: DishId) -> Option<i64> {
        self.left.get(&dish_id).copied()
    }

    /// Does what an append asks; `false` if so much is not left, and then nothing is done.
    pub fn turn(&mut self, order: Uuid, asked: &PortionMove) -> bool {
        match asked {
            PortionMove::Take(portions) => self.take(order, portions),
            PortionMove::GiveBack => {
                self.give_back(order);
                true
            }
        }
    }

    fn take(&mut self, order: Uuid, portions: &[Portion]) -> bool {
        let is_left = |portion: &Portion| self.left[&portion.dish_id] >= i64::from(portion.quantity);
        if !portions.iter().all(is_left) {
            self.short += 1;
            return false;
        }
        self.change(portions, 1);
        self.claims.insert(order, portions.to_vec());
        true
    }

    /// Whatever the order has.
    pub fn give_back(&mut self, order: Uuid) {
        let claim = if self.is_forgetful { self.claims.get(&order).cloned() } else { self.claims.remove(&order) };
        let Some(portions) = claim else { return };
        self.change(&portions, -1);
        self.given_back += 1;
    }

    fn change(&mut self, portions: &[Portion], sign: i64) {
        for portion in portions {
            let quantity = sign * i64::from(portion.quantity);
            *self.left.entry(portion.dish_id).or_default() -= quantity;
            *self.taken.entry(portion.dish_id).or_default() += quantity;
        }
    }

    /// What an auditor is shown.
    pub fn books(&self) -> BTreeMap<DishId, Pot> {
        let claimed = |dish: DishId| {
            let of_dish = self.claims.values().flatten().filter(|portion| portion.dish_id == dish);
            of_dish.map(|portion| i64::from(portion.quantity)).sum()
        };
        let pot = |(dish, left): (&DishId, &i64)| {
            let taken = self.taken.get(dish).copied().unwrap_or_default();
            (*dish, Pot { left: Some(*left), taken, claimed: claimed(*dish) })
        };
        self.left.iter().map(pot).collect()
    }
}
