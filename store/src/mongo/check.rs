//! Reads everything that is stored. The server itself keeps checksums of its files and of what it sends.

use crate::{
    error::StoreError,
    health::IntegrityReport,
    mongo::Mongo,
    query::{CliqueQuery, LinkQuery, Page, Query},
    records::{Collection, RecordQuery, Records},
    store::Store,
};

/// Documents that are read together.
const PIECE: usize = 500;

/// Reads page after page until the last, or the first that cannot be read.
macro_rules! pages {
    ($checked:ident, $what:expr, |$page:ident| $call:expr) => {{
        let mut next = Some(Page::first(PIECE));
        while let Some($page) = next {
            match $call.await {
                Ok(found) => {
                    $checked.n_read = $checked.n_read.saturating_add(found.items.len() as u64);
                    next = found.next.map(|next| Page::after(next, PIECE));
                }
                Err(error @ (StoreError::Corrupt { .. } | StoreError::Io { .. })) => {
                    $checked.note(format!("{}: {error}", $what));
                    next = None;
                }
                Err(error) => return Err(error),
            }
        }
    }};
}

pub(super) async fn everything(store: &Mongo) -> Result<IntegrityReport, StoreError> {
    let mut checked = IntegrityReport::default();
    for environment in store.environments().await? {
        let name = &*environment.name;
        checked.n_read = checked.n_read.saturating_add(1);
        let (objects, links, cliques) = (Query::default(), LinkQuery::default(), CliqueQuery::default());
        pages!(checked, format!("an object of `{name}`"), |page| store.objects(name, None, &objects, &page));
        pages!(checked, format!("a link of `{name}`"), |page| store.links(name, None, &links, &page));
        pages!(checked, format!("a clique of `{name}`"), |page| store.cliques(name, None, &cliques, &page));
    }
    for collection in Collection::ALL {
        let query = RecordQuery::all();
        let what = format!("a document of `{}`", collection.name());
        pages!(checked, what, |page| store.records(*collection, &query, &page));
    }
    Ok(checked)
}
