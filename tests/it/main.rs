//! The one integration test binary.

mod cloud;
mod faults;
mod house;
mod live;
mod replay;
