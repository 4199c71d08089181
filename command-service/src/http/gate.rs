//! Who may give a command at all, said in the type of its handler.
//!
//! It is asked before the body is read: whoever may not give a command is told so, and not what its body should be like.
//! Which order, gift or dispute it is about, and whether it is theirs, is asked later.

use shared::web::Role;

/// Those who may give a command: one of the roles below, or a tuple of them.
pub(super) trait Gate: Send + Sync {
    /// Whoever has one of these may.
    const ROLES: &'static [Role];
}

/// One role and no other, so that its bearers act in it.
pub(super) trait OneRole: Send + Sync {
    /// The role.
    const ROLE: Role;
}

/// Whoever buys.
pub(super) enum Customer {}
/// Whoever cooks.
pub(super) enum Producer {}
/// Whoever runs the marketplace.
pub(super) enum Admin {}

impl OneRole for Customer {
    const ROLE: Role = Role::Customer;
}

impl OneRole for Producer {
    const ROLE: Role = Role::Producer;
}

impl OneRole for Admin {
    const ROLE: Role = Role::Admin;
}

impl<R: OneRole> Gate for R {
    const ROLES: &'static [Role] = &[R::ROLE];
}

impl<A: OneRole, B: OneRole> Gate for (A, B) {
    const ROLES: &'static [Role] = &[A::ROLE, B::ROLE];
}

impl<A: OneRole, B: OneRole, C: OneRole> Gate for (A, B, C) {
    const ROLES: &'static [Role] = &[A::ROLE, B::ROLE, C::ROLE];
}
