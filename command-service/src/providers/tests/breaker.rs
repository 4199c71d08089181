//! Opens on a run of failures of the infrastructure, and closes by one probe at a time.

use chrono::TimeDelta;

use super::*;

struct Circuit {
    breaker: Arc<Breaker>,
    clock: Clock,
    transitions: Arc<Mutex<Vec<Transition>>>,
}

fn circuit() -> Circuit {
    let clock = clock();
    let transitions = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&transitions);
    let on_transition = Box::new(move |transition| told.lock().push(transition));
    Circuit { breaker: Breaker::new(BreakerSettings::default(), clock.clone(), on_transition), clock, transitions }
}

impl Circuit {
    fn call(&self, verdict: Verdict) {
        self.breaker.acquire().unwrap_or_else(|refused| panic!("{refused}")).settle(verdict);
    }

    fn refusal(&self) -> Duration {
        match self.breaker.acquire() {
            Err(CallError::Unavailable { retry_after }) => retry_after,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it let a call pass"),
        }
    }

    fn fail(&self, times: u32) {
        for _ in 0..times {
            self.call(Verdict::Fails);
        }
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

#[test]
fn five_failures_in_a_row_open_it_for_a_minute() {
    let circuit = circuit();
    circuit.fail(4);
    circuit.call(Verdict::Works);
    circuit.fail(4);
    assert_eq!(circuit.breaker.state(), BreakerState::Closed);
    circuit.fail(1);
    assert_eq!(circuit.breaker.state(), BreakerState::Open);
    assert_eq!(circuit.refusal(), Duration::from_secs(60));
    circuit.wait(59);
    assert_eq!(circuit.refusal(), Duration::from_secs(1));
    assert_eq!(circuit.breaker.retry_after(), Some(Duration::from_secs(1)));
}

#[test]
fn two_probes_close_it() {
    let circuit = circuit();
    circuit.fail(5);
    circuit.wait(60);
    circuit.call(Verdict::Works);
    assert_eq!(circuit.breaker.state(), BreakerState::HalfOpen);
    circuit.call(Verdict::Works);
    assert_eq!(circuit.breaker.state(), BreakerState::Closed);
    let expected = [Transition::Opened, Transition::HalfOpened, Transition::Closed];
    assert_eq!(*circuit.transitions.lock(), expected);
}

#[test]
fn a_failed_probe_opens_it_again() {
    let circuit = circuit();
    circuit.fail(5);
    circuit.wait(60);
    circuit.call(Verdict::Works);
    circuit.call(Verdict::Fails);
    assert_eq!(circuit.refusal(), Duration::from_secs(60));
    let expected = [Transition::Opened, Transition::HalfOpened, Transition::OpenedAfterHalfOpen];
    assert_eq!(*circuit.transitions.lock(), expected);
}

#[test]
fn twenty_threads_send_one_probe() {
    let circuit = circuit();
    circuit.fail(5);
    circuit.wait(60);
    let permits: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..20).map(|_| scope.spawn(|| circuit.breaker.acquire().ok())).collect();
        racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(permits.len(), 1);
    assert_eq!(circuit.refusal(), Duration::from_secs(1));
}

#[test]
fn a_probe_whose_caller_went_away_leaves_the_place_to_the_next() {
    let circuit = circuit();
    circuit.fail(5);
    circuit.wait(60);
    drop(circuit.breaker.acquire().ok());
    assert_eq!(circuit.breaker.state(), BreakerState::HalfOpen);
    circuit.call(Verdict::Works);
    circuit.call(Verdict::Works);
    assert_eq!(circuit.breaker.state(), BreakerState::Closed);
}

#[test]
fn a_wrong_configuration_opens_it_at_once() {
    let circuit = circuit();
    circuit.call(Verdict::of(ErrorClass::Config));
    assert_eq!(circuit.breaker.state(), BreakerState::Open);
}

#[test]
fn a_call_that_outlived_its_phase_says_nothing_about_the_next() {
    let circuit = circuit();
    let late = circuit.breaker.acquire().ok().unwrap();
    circuit.fail(5);
    circuit.wait(60);
    circuit.call(Verdict::Works);
    late.settle(Verdict::Fails);
    assert_eq!(circuit.breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn refusals_never_open_it() {
    let circuit = circuit();
    for class in [
        ErrorClass::Declined { customer_retryable: true },
        ErrorClass::InvalidRequest,
        ErrorClass::StateConflict,
        ErrorClass::RefundDeferred { until: None },
        ErrorClass::RateLimited { retry_after: Duration::from_secs(60) },
    ] {
        for _ in 0..100 {
            circuit.call(Verdict::of(class));
        }
    }
    assert_eq!(circuit.breaker.state(), BreakerState::Closed);
}

#[test]
fn infrastructure_failures_count() {
    for class in [ErrorClass::NotSent, ErrorClass::OutcomeUnknown, ErrorClass::Transient] {
        assert_eq!(Verdict::of(class), Verdict::Fails);
    }
}
