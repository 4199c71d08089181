//! What holds whatever is posted, in whatever order.

use proptest::prelude::*;

use super::*;
use crate::domain::{order::RefundPart, payment::PaymentRefundSource};

/// Any event of the table, also where no aggregate would write it: books take facts as they come.
fn add(log: Chronicle, what: u8, kopecks: i64, number: u128) -> Chronicle {
    match what {
        0 => log.pay(1, succeeded(kopecks)),
        1 => log.order(paid(1, kopecks, 0)),
        2 => log.gift(gift_issued(kopecks)),
        3 => log.gift(reserved(kopecks)),
        4 => log.gift(let_go(kopecks)),
        5 => log.gift(redeemed(kopecks)),
        6 => log.order(owed(number, kopecks, kopecks / 2)),
        7 => log.pay(1, asked_back(refund(number), kopecks, PaymentRefundSource::Unapplied)),
        8 => log.pay(1, arrived(refund(number), kopecks)),
        9 => log.gift(credited(number, kopecks)),
        10 => log.order(released(kopecks, 0, kopecks / 10)),
        _ => log.order(settled(number, RefundPart::Card)),
    }
}

proptest! {
    #[test]
    fn debits_are_credits_at_every_prefix(steps in prop::collection::vec((0u8..12, 0i64..1_000_000, 0u128..4), 1..60)) {
        let log = steps.into_iter().fold(
            Chronicle::default().order(created(100)),
            |log, (what, kopecks, number)| add(log, what, kopecks, number),
        );
        let mut ledger = Ledger::default();
        for event in &log.events {
            let set = ledger.take(event).unwrap();
            let side = |side| set.postings().filter(|it| it.side == side).map(|it| it.amount.minor()).sum::<i64>();
            prop_assert_eq!(side(Side::Debit), side(Side::Credit));
            prop_assert!(set.postings().all(|posting| posting.amount.is_positive()));
            prop_assert_eq!(ledger.balances().total_minor(Currency::RUB), 0);
        }
    }

    #[test]
    fn an_order_that_gave_everything_back_leaves_no_trace(kopecks in 1i64..1_000_000_000) {
        prop_assert_eq!(books(&given_back(kopecks)).balances().open().count(), 0);
    }

    #[test]
    fn what_the_providers_hold_is_what_came_less_what_went(face in 1_000i64..1_000_000, share in 1i64..900, back in 0i64..100) {
        let log = paid_by_both(face, 1_000, share);
        let log = if back > 0 { log.order(owed(1, back, 0)).pay(1, arrived(refund(1), back)) } else { log };
        prop_assert_eq!(on(&books(&log), Account::PspClearing), face + 1_000 - share - back);
    }
}

#[test]
fn balances_do_not_overflow() {
    let mut balances = Balances::default();
    let mut set = PostingSet::default();
    set.post("x", (Account::PspClearing, Account::PlatformRevenue), rub(9_999_999_999)).unwrap();
    for _ in 0..1_000 {
        balances.book(&set).unwrap();
    }
    assert_eq!(balances.minor(Account::PlatformRevenue, Currency::RUB), 9_999_999_999_000);
}
