//! The one integration test binary.

mod backends;
mod cloud;
mod faults;
mod house;
mod live;
mod replay;
