//! The one integration test binary.

mod backends;
mod cloud;
mod faults;
mod fencing;
mod fuzz;
mod house;
mod live;
mod replay;
mod serve;
mod transcript;
