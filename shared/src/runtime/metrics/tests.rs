use super::*;

#[test]
fn the_metrics_asked_for_by_name_are_there() {
    let metrics = Metrics::new("command-service", "0.1.0");
    let method = MethodLabel::from(&http::Method::POST);
    let endpoint = Endpoint::new(None);
    metrics.api_requests.get_or_create(&Request { method, endpoint: endpoint.clone(), status: 201 }).inc();
    let trace = TraceLabel { trace_id: TraceId(0xab) };
    metrics.api_request_duration.get_or_create(&Route { method, endpoint }).observe(0.003, Some(trace), None);
    let event = BusinessEvent { event_type: "order_created", aggregate_type: "order" };
    metrics.business_events.get_or_create(&event).inc();
    metrics.active_orders.get_or_create(&Status { status: "PAID" }).set(2);
    metrics.websocket_connections.set(4);
    let text = metrics.encode();
    for line in [
        "api_requests_total{method=\"POST\",endpoint=\"unmatched\",status=\"201\"} 1",
        "business_events_total{event_type=\"order_created\",aggregate_type=\"order\"} 1",
        "active_orders_total{status=\"PAID\"} 2",
        "application_info{version=\"0.1.0\",name=\"command-service\"} 1",
        "trace_id=\"000000000000000000000000000000ab\"",
        "\nwebsocket_connections 4\n",
        "\nws_connections 4\n",
        "\neventstore_head_position 0\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn an_invented_method_makes_no_new_series() {
    let invented = http::Method::from_bytes(b"BREW").expect("a token");
    let also_invented = http::Method::from_bytes(b"STEEP").expect("a token");
    assert_eq!(MethodLabel::from(&invented), MethodLabel::from(&also_invented));
}

#[test]
fn the_memory_of_the_process_is_known() {
    assert!(resident_memory_bytes().is_some_and(|bytes| bytes > 100_000));
}

/// The names and labels that the page of the business promises: they are dashboards' and alarms', so they stay.
#[test]
fn the_metrics_of_the_business_have_their_names_and_labels() {
    let metrics = Metrics::new("command-service", "0.1.0");
    let (provider, op, queue, status) = ("TBANK", "init", "feed", "PARKED");
    metrics.provider_calls.get_or_create(&ProviderCall { provider, op, class: "ok" }).inc();
    metrics.provider_call_duration.get_or_create(&ProviderOperation { provider, op }).observe(0.1, None, None);
    metrics.breaker_state.get_or_create(&Breaker { name: "tbank_init" }).set(2);
    metrics.retry_attempts.get_or_create(&Operation { op }).inc();
    metrics.dlq_entries.get_or_create(&QueueEntry { queue, status }).set(1);
    metrics.dlq_oldest.get_or_create(&Queue { queue }).set(1.5);
    metrics.webhooks.get_or_create(&Webhook { provider, result: "stored" }).inc();
    metrics.process_commands.get_or_create(&ProcessCommand { pm: "refund", result: "done" }).inc();
    metrics.projection_lag_events.get_or_create(&Projection { projection: "orders" }).set(3);
    metrics.idempotent_replays.get_or_create(&RouteName { route: Endpoint::new(None) }).inc();
    metrics.concurrency_conflicts.get_or_create(&Aggregate { aggregate_type: "order" }).inc();
    metrics.ledger_balance.get_or_create(&Account { account: "escrow" }).set(5);
    metrics.integrity_holds.set(1);
    metrics.invariant_violations.get_or_create(&Invariant { n: 9 }).inc();
    metrics.websocket_resumes.get_or_create(&Outcome { result: "resumed" }).inc();
    metrics.timer_lag.observe(0.2);
    let text = metrics.encode();
    for line in [
        "payment_provider_calls_total{provider=\"TBANK\",op=\"init\",class=\"ok\"} 1",
        "payment_provider_call_duration_seconds_count{provider=\"TBANK\",op=\"init\"} 1",
        "circuit_breaker_state{name=\"tbank_init\"} 2",
        "retry_attempts_total{op=\"init\"} 1",
        "dlq_entries{queue=\"feed\",status=\"PARKED\"} 1",
        "dlq_oldest_seconds{queue=\"feed\"} 1.5",
        "webhook_total{provider=\"TBANK\",result=\"stored\"} 1",
        "saga_commands_total{pm=\"refund\",result=\"done\"} 1",
        "timer_lag_seconds_count 1",
        "projection_lag_events{projection=\"orders\"} 3",
        "idempotent_replays_total{route=\"unmatched\"} 1",
        "concurrency_conflicts_total{aggregate_type=\"order\"} 1",
        "ledger_balance_minor{account=\"escrow\"} 5",
        "integrity_holds 1",
        "invariant_violations_total{n=\"9\"} 1",
        "ws_connections 0",
        "ws_resume_total{result=\"resumed\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
