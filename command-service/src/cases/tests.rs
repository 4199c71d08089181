//! Cases are opened once, cleared up by the system, and closed by people for a reason.

use chrono::TimeDelta;

use super::*;
use crate::testing::TestDatabase;

const DETAIL: &str = "refund 1: look whether the bank did it";

async fn cases() -> (Cases, Clock) {
    let database = TestDatabase::new().await;
    let clock = Clock::stopped_at("2026-01-01T12:00:00Z".parse().unwrap());
    (Cases::new(database.db.clone(), clock.clone()), clock)
}

async fn open_case(cases: &Cases) -> Case {
    let payment_id = PaymentId(Uuid::now_v7());
    cases.open(payment_id, CaseKind::RefundAmbiguous, DETAIL).await;
    let filter = CaseFilter { payment_id: Some(payment_id), ..CaseFilter::default() };
    cases.list(&filter, None, 10).await.unwrap().remove(0)
}

fn closing(case: &Case, reason: &str) -> CloseCase {
    CloseCase {
        case_id: case.id,
        expected_version: Some(case.version),
        actor: "admin:1".to_owned(),
        reason: reason.to_owned(),
        command_id: Uuid::now_v7(),
    }
}

async fn acts(cases: &Cases, case: &Case) -> Vec<(u64, CaseActKind, String, String)> {
    let (_, acts) = cases.find(case.id).await.unwrap().unwrap();
    acts.into_iter().map(|act| (act.version, act.act, act.actor, act.reason)).collect()
}

#[tokio::test]
async fn one_matter_is_one_case_and_every_act_is_kept() {
    let (cases, clock) = cases().await;
    let case = open_case(&cases).await;
    cases.open(case.payment_id, case.kind, "again").await;
    cases.clear_up(case.payment_id, case.kind).await;
    cases.clear_up(case.payment_id, case.kind).await;
    clock.advance(TimeDelta::hours(1));
    cases.open(case.payment_id, case.kind, "anew").await;
    let (now, _) = cases.find(case.id).await.unwrap().unwrap();
    assert_eq!((now.version, now.status, now.detail.as_str()), (3, CaseStatus::Open, "anew"));
    let kept = |version, act, reason: &str| (version, act, SYSTEM.to_owned(), reason.to_owned());
    let expected = [
        kept(1, CaseActKind::Opened, DETAIL),
        kept(2, CaseActKind::ClearedUp, "cleared up"),
        kept(3, CaseActKind::Opened, "anew"),
    ];
    assert_eq!(acts(&cases, &case).await, expected);
    assert_eq!(cases.open_counts().await.unwrap()[0], (CaseKind::RefundAmbiguous, 1));
}

#[tokio::test]
async fn a_person_closes_a_case_once_and_says_why() {
    let (cases, _) = cases().await;
    let case = open_case(&cases).await;
    let wish = closing(&case, "paid back by hand");
    let Closed::Now(closed) = cases.close(&wish).await.unwrap() else { panic!("not closed") };
    assert_eq!((closed.status, closed.version), (CaseStatus::Closed, 2));
    assert_eq!(cases.close(&wish).await.unwrap(), Closed::Before(closed), "the same act again");
    let other = CloseCase { reason: "another reason".to_owned(), ..wish.clone() };
    assert_eq!(cases.close(&other).await.unwrap(), Closed::NameReused);
    let late = CloseCase { command_id: Uuid::now_v7(), ..wish.clone() };
    assert_eq!(cases.close(&late).await.unwrap(), Closed::Changed { current: 2 });
    let blind = CloseCase { expected_version: None, ..late };
    assert_eq!(cases.close(&blind).await.unwrap(), Closed::AlreadyClosed);
    let nobodys = CloseCase { case_id: Uuid::now_v7(), ..blind };
    assert_eq!(cases.close(&nobodys).await.unwrap(), Closed::NotFound);
    assert_eq!(acts(&cases, &case).await[1].1, CaseActKind::Closed);
}

#[tokio::test]
async fn of_twenty_who_close_a_case_at_once_one_does() {
    let (cases, _) = cases().await;
    let case = open_case(&cases).await;
    let wishes: Vec<_> = (0..20).map(|n| closing(&case, &format!("reason {n}"))).collect();
    let done = futures::future::join_all(wishes.iter().map(|wish| cases.close(wish))).await;
    assert_eq!(done.iter().filter(|done| matches!(done, Ok(Closed::Now(_)))).count(), 1);
    assert_eq!(acts(&cases, &case).await.len(), 2);
}

#[tokio::test]
async fn pages_show_every_case_once_and_the_newest_first() {
    let (cases, clock) = cases().await;
    for n in 0..7 {
        // Several at the same moment: then the id decides.
        if n % 3 == 0 {
            clock.advance(TimeDelta::minutes(1));
        }
        open_case(&cases).await;
    }
    let filter = CaseFilter { status: Some(CaseStatus::Open), ..CaseFilter::default() };
    let all = cases.list(&filter, None, 100).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = cases.list(&filter, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(CasePageStart { opened_at: last.opened_at, id: last.id });
        seen.extend(page);
    }
    assert_eq!(seen, all);
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted_by(|a, b| a.opened_at >= b.opened_at));
    let closed = CaseFilter { status: Some(CaseStatus::Closed), ..CaseFilter::default() };
    assert!(cases.list(&closed, None, 10).await.unwrap().is_empty());
}
