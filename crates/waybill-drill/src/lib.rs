//! Where the loss drill (`./dev chaos`) gets a hold of the programs: fail points and mutants.
//!
//! A fail point is a named place on a message's way at which a process may be killed or stopped. A
//! mutant is a defect that can be switched on, so that the drill can show that it would notice it.
//! Both exist in builds with the feature `on` alone; in every other build the calls are empty and
//! compile to nothing. This crate must never import anything, and never decide anything by itself.

#[cfg(feature = "on")]
mod armed;

#[cfg(feature = "on")]
pub use armed::{mutant, point};

/// A named place on a message's way. Nothing happens here, but in a drill.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn point(_name: &str) {}

/// Whether the defect `name` is switched on. Never, but in a drill.
#[cfg(not(feature = "on"))]
#[inline]
pub const fn mutant(_name: &str) -> bool {
    false
}
