//! The console in a real browser: what a person on call does with it, from the login to the audit trail,
//! and what holds of each of its pages: nothing from elsewhere, readable, operable by keyboard, and inert
//! whatever a partner sent.
//!
//! `./dev test` says where Chromium is, and leaves these tests out where it is not.

mod driver;
mod hostile;
mod keyboard;
mod page;
mod pages;
mod pictures;
mod png;
mod scene;
mod story;

use driver::Chromium;
use scene::Scene;
