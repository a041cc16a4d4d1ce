//! The one integration test binary.

mod backends;
mod cloud;
mod contributions;
mod faults;
mod fencing;
mod follow;
mod fuzz;
mod house;
mod live;
#[path = "../../engine/transport/tests/it/plant.rs"]
mod plant;
mod record;
mod replay;
mod secrets;
mod serve;
mod strangers;
mod transcript;
mod tutorial;
