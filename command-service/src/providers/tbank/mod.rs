//! T-Bank's internet acquiring, API v2, behind the port.
//!
//! Everything is JSON over POST; HTTP says 200 to refusals too, so `Success` and `ErrorCode` decide. What the bank says
//! is read tolerantly ([`answers`]) and judged strictly: by the word's meaning ([`words`]) and the code's class
//! ([`codes`]). A request and a notification carry a Token ([`token`]): it proves that somebody who knows the password
//! joined these digits, but not where one value ends and the next begins. So no notification is believed without asking
//! back.

mod answers;
mod bank;
mod codes;
mod fields;
mod notification;
mod options;
mod provider;
mod token;
mod wire;
mod words;

pub use bank::Tbank;
pub use notification::{Forged, Notification, NotificationKind};
pub use options::{TbankArgs, TbankOptions};
pub use words::status_of;

#[cfg(test)]
mod tests;
