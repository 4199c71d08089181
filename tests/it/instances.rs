//! Several processes of each service on one database.

use futures::{StreamExt, stream};
use shared::domain::order::OrderStatus;

use crate::harness::{Parts, TestSystem, scenario_dish};

const APART: [Parts; 4] = [Parts::WRITE, Parts::WRITE, Parts::READ, Parts::READ];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_each_service_leave_no_hole_and_fold_nothing_twice() {
    let system = TestSystem::builder().instances(&APART).start().await;
    let urls: Vec<String> = system.instances.iter().map(|instance| instance.url.clone()).collect();
    let writers = [system.customer().at(&urls[0]), system.customer().at(&urls[1])];
    let readers = [system.customer().at(&urls[2]), system.customer().at(&urls[3])];
    let flows = stream::iter(0..60).for_each_concurrent(12, |n: usize| {
        let (one, other) = (&writers[n % 2], &writers[(n + 1) % 2]);
        let reader = &readers[n / 2 % 2];
        async move {
            let order = one.place(scenario_dish(0), 1).await;
            let payment = other.pay(order).await;
            one.complete_at_bank(payment).await;
            let cancelled = other.act(order, "cancel").await.expect(200);
            // Whichever instance folds, the other one's readers wait for it.
            let seen = reader.order_after(order, &cancelled.token()).await.expect(200);
            assert_eq!(seen.data()["status"], "CANCELLED");
        }
    });
    flows.await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_from_two_processes_at_once_is_changed_once() {
    let system = TestSystem::builder().instances(&APART).start().await;
    let urls: Vec<String> = system.instances.iter().map(|instance| instance.url.clone()).collect();
    let [one, other] = [&urls[0], &urls[1]].map(|url| system.customer().at(url));
    for _ in 0..10 {
        let order = one.place(scenario_dish(0), 1).await;
        let (first, second) = tokio::join!(one.act(order, "cancel"), other.act(order, "cancel"));
        let (winner, loser) = if first.status == 200 { (first, second) } else { (second, first) };
        winner.expect(200);
        loser.expect_rule("order_already_cancelled");
    }
    let wish = crate::harness::wish(scenario_dish(0), 1);
    let (first, second) = tokio::join!(
        one.post_once("/api/v1/orders", &wish, "one-key"),
        other.post_once("/api/v1/orders", &wish, "one-key")
    );
    assert_eq!(first.expect(201).body, second.expect(201).body);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leading_processes_end_the_others_take_over() {
    let mut system = TestSystem::builder().instances(&APART).start().await;
    let reader = system.admin().at(&system.instances[3].url.clone());
    let customer = system.customer().at(&system.instances[1].url.clone());
    let order = customer.place(scenario_dish(0), 1).await;
    let payment = customer.pay(order).await;
    for gone in [2, 0] {
        system.instances.remove(gone).stop().await.unwrap();
    }
    customer.complete_at_bank(payment).await;
    let cancelled = customer.place(scenario_dish(0), 1).await;
    let token = customer.act(cancelled, "cancel").await.expect(200).token();
    reader.order_after(cancelled, &token).await.expect(200);
    system.order_gets(order, "order_paid").await;
    system.come_to_rest(&Default::default()).await;
    assert_eq!(reader.order(order).await.expect(200).data()["status"], OrderStatus::Paid.as_str());
    system.finish().await;
}
