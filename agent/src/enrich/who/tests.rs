//! Tests of who is told.
