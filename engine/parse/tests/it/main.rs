//! Tests of the parsers through their public face.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod rules;
mod samples;
mod specs;
mod support;
mod total;
