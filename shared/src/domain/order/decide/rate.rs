//! The customer's marks.

use chrono::{DateTime, Utc};

use super::{
    Decision,
    text::{check_range, check_text},
};
use crate::domain::order::{DishRating, OrderError, OrderRated, Placed, Rate, Stage};

impl Placed {
    pub(super) fn rate(&self, marks: &Rate, now: DateTime<Utc>) -> Decision {
        check_range(u32::from(marks.rating), "/rating", 1, 5)?;
        check_text(marks.comment.as_deref(), "/comment")?;
        self.check_dish_marks(&marks.per_item)?;
        let Stage::Completed { payout_due_at, rated } = self.stage else { return Err(OrderError::InvalidTransition) };
        if rated {
            return Err(OrderError::AlreadyRated);
        }
        let completed_at = payout_due_at - marks.policy.payout_delay;
        if now > completed_at + marks.policy.rating_window {
            return Err(OrderError::RatingWindowClosed);
        }
        let event =
            OrderRated { rating: marks.rating, per_item: marks.per_item.clone(), comment: marks.comment.clone() };
        Ok(vec![event.into()])
    }

    /// Each dish of the order may be marked once, no other dish at all.
    fn check_dish_marks(&self, marks: &[DishRating]) -> Result<(), OrderError> {
        for (index, mark) in marks.iter().enumerate() {
            if !(1..=5).contains(&mark.rating) {
                return Err(OrderError::InvalidMark { index, field: "rating" });
            }
            let ordered = self.terms.portions.iter().any(|portion| portion.dish_id == mark.dish_id);
            let again = marks[..index].iter().any(|earlier| earlier.dish_id == mark.dish_id);
            if !ordered || again {
                return Err(OrderError::InvalidMark { index, field: "dish_id" });
            }
        }
        Ok(())
    }
}
