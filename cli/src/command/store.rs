//! `store`: looks after the store itself.

use crate::{
    args::StoreCommand,
    failure::{Exit, Failure},
    output::printable,
    session::{Session, store_failure},
};

/// `store`.
///
/// # Errors
/// The store cannot be read, or is damaged.
pub async fn run(session: &Session, what: &StoreCommand) -> Result<(), Failure> {
    let StoreCommand::Check = what;
    let checked = session.store().await?.check().await.map_err(store_failure)?;
    let count = |n: u64, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    let read = count(checked.n_read, "document", "documents");
    if checked.wrong.is_empty() {
        println!("{read} read: nothing is wrong with the store");
        return Ok(());
    }
    for wrong in &checked.wrong {
        println!("{}", printable(wrong));
    }
    if checked.n_left_out > 0 {
        println!("and {} more", checked.n_left_out);
    }
    let n_wrong = checked.n_left_out.saturating_add(checked.wrong.len() as u64);
    let found = count(n_wrong, "thing is", "things are");
    Err(Failure::new(Exit::Store, format!("the store is damaged: {found} wrong, {read} read"))
        .help("restore a backup; what scans found comes back with the next scan, configurations and users do not"))
}
