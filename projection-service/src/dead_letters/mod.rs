//! Dead letters as operators see them, whichever side's they are: by their cause, one by one, tried on trial, redriven
//! as a durable operation, discarded with a reason.
//!
//! A redrive only asks: it makes a letter due, and its own handler tries it as it tries any letter that is due. So a
//! projection folds it with its checkpoint, and a process manager draws its consequences with receipts; neither does
//! it twice, and a kill in between loses nothing.

mod desk;
mod letters;
mod redrive;
#[cfg(test)]
mod tests;

pub use desk::{Desk, Discarded, LetterError, TriedLetter};
pub use letters::{Letter, LetterFilter, LetterGroup, LetterPageStart, LetterQueueStatus, find, groups, list};
pub use redrive::{Redrive, RedriveInput, start};
