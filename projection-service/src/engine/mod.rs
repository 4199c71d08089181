//! The engine: takes a batch of events, loads the rows they touch, folds in memory, writes rows and checkpoint in one
//! transaction. Once for all projections.

mod bulk;
pub(crate) mod checkpoints;
mod copy;
#[cfg(test)]
mod crash_tests;
pub(crate) mod dead_letters;
mod failpoints;
mod fold;
mod letter_policy;
mod letter_stream;
#[cfg(test)]
mod letter_tests;
#[cfg(test)]
mod mirror_tests;
mod model;
mod owner;
mod positions;
mod projection;
mod retry;
mod rows;
mod runner;
#[cfg(test)]
mod tests;

pub use bulk::{Bulk, BulkFold};
pub use copy::CopyRows;
pub use dead_letters::{LetterCount, Standing, count_letters, parked, standing, sweep_letters};
pub use failpoints::Failpoints;
pub use fold::Fold;
pub use letter_policy::{LetterPolicy, ShortRetry};
pub use letter_stream::{publish_missing, queues_of_others};
pub use model::{Model, Models, Named, Refusal, Replay, Standstill, Start};
pub use positions::{Lagging, Positions};
pub use projection::{Changes, Drift, FoldError, Keys, Pace, Projection, ReadModel, Sources, to_json};
pub use runner::{EngineSettings, Runner, RunnerParts};
