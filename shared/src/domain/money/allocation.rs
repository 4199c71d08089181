//! An amount shared out by weight: the parts are the whole, to the last minor unit.

use super::{Money, MoneyError};

impl Money {
    /// Shares the amount out by largest remainder: no part is a minor unit or more away from its exact share, and all of
    /// them together are the amount. Of equal remainders the first comes first; who weighs nothing gets nothing.
    pub fn allocate(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let all = weights.iter().try_fold(0_u64, |sum, weight| sum.checked_add(*weight));
        let all = i128::from(all.ok_or(MoneyError::OutOfRange)?);
        if all == 0 {
            return if self.is_zero() { Ok(vec![self; weights.len()]) } else { Err(MoneyError::NobodyToShare) };
        }
        // Ten digits times twenty: far from the end of an `i128`.
        let exact = |weight: &u64| i128::from(self.minor) * i128::from(*weight);
        let mut parts: Vec<i128> = weights.iter().map(|weight| exact(weight).div_euclid(all)).collect();
        let left = i128::from(self.minor) - parts.iter().sum::<i128>();
        let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
        // The sort is stable, so the first of equals stays first.
        by_remainder.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]).rem_euclid(all)));
        let left = usize::try_from(left).map_err(|_| MoneyError::OutOfRange)?;
        for at in by_remainder.into_iter().take(left) {
            parts[at] += 1;
        }
        let part = |minor: i128| {
            let minor = i64::try_from(minor).map_err(|_| MoneyError::OutOfRange)?;
            Self::from_minor(minor, self.currency)
        };
        parts.into_iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::MINOR_MAX;

    fn minors(amount: i64, weights: &[u64]) -> Result<Vec<i64>, MoneyError> {
        Ok(Money::rub(amount).allocate(weights)?.into_iter().map(Money::minor).collect())
    }

    #[test]
    fn the_kopeck_that_is_left_goes_to_the_largest_remainder_and_of_equals_to_the_first() {
        assert_eq!(minors(100, &[1, 1, 1]), Ok(vec![34, 33, 33]));
        assert_eq!(minors(200, &[1, 1, 1]), Ok(vec![67, 67, 66]));
        assert_eq!(minors(100, &[1, 2, 3]), Ok(vec![17, 33, 50]));
        assert_eq!(minors(10, &[0, 5, 0, 5]), Ok(vec![0, 5, 0, 5]));
        assert_eq!(minors(1, &[0, 1, 1]), Ok(vec![0, 1, 0]), "who weighs nothing gets nothing");
        assert_eq!(minors(0, &[3, 4]), Ok(vec![0, 0]));
        assert_eq!(minors(7, &[9]), Ok(vec![7]));
    }

    #[test]
    fn a_debt_is_shared_out_as_exactly() {
        assert_eq!(minors(-100, &[1, 1, 1]), Ok(vec![-33, -33, -34]));
    }

    #[test]
    fn nobody_gets_nothing_and_something_for_nobody_is_refused() {
        assert_eq!(minors(0, &[]), Ok(vec![]));
        assert_eq!(minors(0, &[0, 0]), Ok(vec![0, 0]));
        for nobody in [&[][..], &[0], &[0, 0]] {
            assert_eq!(minors(1, nobody), Err(MoneyError::NobodyToShare));
        }
    }

    #[test]
    fn weights_that_cannot_be_added_are_refused_and_the_largest_ones_are_not() {
        assert_eq!(minors(5, &[u64::MAX, 1]), Err(MoneyError::OutOfRange));
        assert_eq!(minors(MINOR_MAX, &[u64::MAX]), Ok(vec![MINOR_MAX]));
        assert_eq!(minors(-MINOR_MAX, &[u64::MAX - 1, 1]), Ok(vec![-MINOR_MAX, 0]));
    }

    fn weights() -> impl Strategy<Value = Vec<u64>> {
        let weight = prop_oneof![2 => Just(0), 5 => 1u64..10, 2 => 1u64..1_000_000_000, 1 => 1..u64::MAX / 64];
        prop::collection::vec(weight, 1..40).prop_filter("somebody", |weights| weights.iter().any(|it| *it > 0))
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole_and_each_is_next_to_its_share(
            amount in prop_oneof![-1_000i64..1_000, -MINOR_MAX..=MINOR_MAX], weights in weights(),
        ) {
            let parts = minors(amount, &weights).unwrap();
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            let all: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                // |part − amount · weight / all| < 1, without a division.
                let off = i128::from(*part) * all - i128::from(amount) * i128::from(*weight);
                prop_assert!(off.abs() < all, "{} of {} for {} of {}", part, amount, weight, all);
                prop_assert!(*weight > 0 || *part == 0);
            }
        }

        #[test]
        fn whoever_has_the_larger_remainder_is_rounded_up_before_the_other(
            amount in 0..=MINOR_MAX, weights in weights(),
        ) {
            let parts = minors(amount, &weights).unwrap();
            let all: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            let share = |at: usize| i128::from(amount) * i128::from(weights[at]);
            let is_up = |at: usize| i128::from(parts[at]) > share(at).div_euclid(all);
            for one in 0..parts.len() {
                for other in 0..parts.len() {
                    let (first, second) = (share(one).rem_euclid(all), share(other).rem_euclid(all));
                    let comes_first = first > second || (first == second && one < other);
                    prop_assert!(!(comes_first && is_up(other)) || is_up(one), "{} before {}", one, other);
                }
            }
        }

        #[test]
        fn the_same_is_always_shared_out_the_same_and_in_any_unit_of_weight(
            amount in 0i64..1_000_000, weights in prop::collection::vec(0u64..1_000, 1..12), factor in 1u64..1_000,
        ) {
            let heavier: Vec<u64> = weights.iter().map(|weight| weight * factor).collect();
            prop_assert_eq!(minors(amount, &weights), minors(amount, &heavier));
        }
    }
}
