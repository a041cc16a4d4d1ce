//! The suite that every implementation of the trait must pass.
