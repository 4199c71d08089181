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
