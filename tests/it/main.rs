//! The one integration test binary.

mod house;
mod live;
mod testbed;
