//! What following files decides: which names belong together, which of them is newer, which file is the one that was
//! read. Files are touched in `io/follow`.
//!
//! In: names, times, hashes of a few bytes. Out: the next file to read, or none.

pub(crate) mod cut;
pub(crate) mod family;
pub(crate) mod generations;
pub(crate) mod mark;
