//! State diagrams in docs/states.md are what the aggregates do: drawn from lives that tests have them live.
//!
//! `UPDATE_DIAGRAMS=1 cargo test -p shared diagram` draws them anew.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

/// Lives of each aggregate. What three times as many show is the same.
const LIVES: usize = 1_000;

/// Which events lead from one status to another.
#[derive(Debug, Default)]
pub(crate) struct Diagram(BTreeMap<(String, String), Vec<&'static str>>);

impl Diagram {
    /// Adds a life: each event's type, and the status after it.
    pub(crate) fn add(&mut self, life: impl IntoIterator<Item = (&'static str, String)>) {
        let mut from = "[*]".to_owned();
        for (event, to) in life {
            if to != from {
                let events = self.0.entry((from, to.clone())).or_default();
                if let Err(place) = events.binary_search(&event) {
                    events.insert(place, event);
                }
            }
            from = to;
        }
    }

    fn mermaid(&self) -> String {
        let mut text = "stateDiagram-v2\n".to_owned();
        for ((from, to), events) in &self.0 {
            let _ = writeln!(text, "    {from} --> {to} : {}", events.join(" or "));
        }
        text
    }
}

/// The same random steps whenever this is run.
pub(crate) fn random_lives<S: Strategy>(steps: &S) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..LIVES).map(move |_| steps.new_tree(&mut runner).expect("steps").current())
}

/// Compares the diagram with the one in the page, or draws it there.
pub(crate) fn check(aggregate: &str, diagram: &Diagram) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/states").join(format!("{aggregate}.md"));
    let committed = fs::read_to_string(&page).expect("a page for each aggregate");
    let (before, rest) = committed.split_once("```mermaid\n").expect("a diagram");
    let (drawn, after) = rest.split_once("```").expect("its end");
    let today = diagram.mermaid();
    if std::env::var("UPDATE_DIAGRAMS").is_ok_and(|value| value == "1") {
        fs::write(&page, format!("{before}```mermaid\n{today}```{after}")).expect("the page");
        return;
    }
    assert_eq!(
        drawn, today,
        "docs/states/{aggregate}.md is not what the {aggregate} does: UPDATE_DIAGRAMS=1 draws it anew"
    );
}
