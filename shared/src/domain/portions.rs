//! Portions of dishes with a limit: taken with the order, given back once if it is called off before it is cooked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::DishId;

/// So many of one dish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Portion {
    /// The dish.
    pub dish_id: DishId,
    /// How many.
    pub quantity: u32,
}

/// What a decision asks of the kitchens' pots. It is done in the transaction that appends the decision's events, or the
/// events are not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortionMove {
    /// Takes these, all or none; a dish that has no limit any more gives as many as are wanted.
    Take(Vec<Portion>),
    /// Gives back whatever this stream took, if it took anything and still has it.
    GiveBack,
}
