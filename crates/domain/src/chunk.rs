//! Pieces of files that are kept beside everything else, so that any server can go on with them.

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The file: a random id.
    pub file_id: String,
    /// Which piece, from 0.
    pub number: i64,
    /// The pool that the file belongs to.
    pub pool_id: String,
    /// Its text: at most some 64 KiB, without NUL characters, which not every engine can store.
    pub text: String,
}
