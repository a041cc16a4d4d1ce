//! The one integration test binary.

mod backends;
mod cloud;
mod faults;
mod fencing;
mod house;
mod live;
mod replay;
