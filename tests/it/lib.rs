//! Nothing: the integration tests are the test binary `it`.
