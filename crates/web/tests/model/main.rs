//! A model-based property test: random sequences of operations on accounts, sign-ins, factors and tokens, on the server
//! and on a small model, side by side. Whatever the two disagree about is shrunk to the fewest steps that show it.
//!
//! - [`model`]: what should happen;
//! - [`steps`]: what a sequence is made of, and how sequences are drawn;
//! - [`run`]: a sequence on the server and on the model, and what is compared;
//! - [`properties`]: the tests, in a short and a long form.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod model;
mod properties;
mod requests;
mod run;
mod steps;
