//! The API on the wire: shapes, constraints, operations and errors, generated from model/ by `cargo xtask codegen`,
//! and the few lines of code that read the generated tables.
//!
//! A request goes through [`check`], which answers either a type error (`SerializationException`) or every
//! constraint violation at once (`InvalidParameterException`), and is only then turned into its structure.

mod blob;
mod generated;
pub mod schema;
mod timestamp;
mod validate;

pub use blob::Blob;
pub use generated::{errors::ErrorKind, operations::Operation, shapes::*};
pub use timestamp::Timestamp;
pub use validate::{Rejection, check};
