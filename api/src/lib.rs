//! The REST interface: reads the store, and leaves requests in it for workers.
