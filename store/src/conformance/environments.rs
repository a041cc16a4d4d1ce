//! Environments, leases and reports.

use std::time::Duration;

use calipso_model::{Delta, Value};

use super::{Case, HOME, Make, environment, info, object, objects};
use crate::{
    commit::Commit,
    error::StoreError,
    query::{Page, Query},
    store::Expect,
};

const MINUTE: Duration = Duration::from_secs(60);

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    configurations(make).await;
    removal(make).await;
    leases(make).await;
    reports(make).await;
}

async fn configurations(make: Make<'_>) {
    let store = make().await;
    assert!(store.environments().await.unwrap_or_default().is_empty(), "a new store has no environment");
    assert!(
        matches!(store.environment(HOME).await, Err(StoreError::NotFound { what: "environment", .. })),
        "a missing environment is not found"
    );
    assert!(
        matches!(store.current(HOME).await, Err(StoreError::NotFound { .. })),
        "a missing environment has no revision"
    );
    let (b, mut a) = (environment("b"), environment("a"));
    store.put_environment(&b, Expect::Anything).await.expect("saving works");
    store.put_environment(&a, Expect::Anything).await.expect("saving works");
    a.flags.push("special".into());
    store.put_environment(&a, Expect::Anything).await.expect("saving again works");
    assert_eq!(store.environment("a").await.expect("it is there"), a, "the last configuration counts");
    assert_eq!(store.environments().await.expect("listing works"), [a, b], "environments come by name");
    let expected =
        async |environment: &calipso_model::Environment, expect| store.put_environment(environment, expect).await;
    let c = environment("c");
    assert!(matches!(expected(&c, Expect::Version(1)).await, Err(StoreError::Changed { what: "environment", .. })));
    let first = expected(&c, Expect::Nothing).await.expect("its name is free");
    assert!(first >= 1, "nothing has the version 0");
    assert!(matches!(expected(&c, Expect::Nothing).await, Err(StoreError::Exists { what: "environment", .. })));
    let second = expected(&c, Expect::Version(first)).await.expect("that is its version");
    assert!(second > first, "versions grow");
    assert!(
        matches!(expected(&c, Expect::Version(first)).await, Err(StoreError::Changed { .. })),
        "a stale version is refused"
    );
    let to_come = Expect::Version(second + 7);
    assert!(matches!(expected(&c, to_come).await, Err(StoreError::Changed { .. })), "one to come is, too");
    let mut odd = environment("c");
    let odd_names = [("$set", Value::Int(1)), ("a.b", Value::text("$name")), ("", Value::Null)].into_iter().collect();
    odd.settings.insert("$odd", Value::Map(odd_names));
    odd.settings.insert("nul\0", Value::Int(2));
    let third = expected(&odd, Expect::Anything).await.expect("saving works");
    assert!(third > second, "versions grow");
    assert_eq!(
        store.versioned_environment("c").await.expect("it is there"),
        (odd, third),
        "names and values survive exactly"
    );
    let fourth = expected(&c, Expect::Anything).await.expect("saving works");
    assert!(fourth > third, "versions grow");
    assert_eq!(
        store.versioned_environment("c").await.expect("it is there"),
        (c.clone(), fourth),
        "nothing of before is left"
    );
    let made = store.made("c").await.expect("it is there");
    store.remove_environment("c", 0).await.expect("nobody writes it");
    assert!(matches!(store.made("c").await, Err(StoreError::NotFound { .. })), "it is gone");
    let stale = expected(&c, Expect::Version(fourth)).await;
    assert!(matches!(stale, Err(StoreError::Changed { .. })), "there is nothing to change: {stale:?}");
    let again = expected(&c, Expect::Nothing).await.expect("its name is free");
    assert!(again > fourth, "no version of the former one fits its successor: {again} after {fourth}");
    assert_ne!(store.made("c").await.expect("it is there"), made, "it is another one");
    assert_eq!(
        store.made("c").await.expect("it is there"),
        store.made("c").await.expect("it is there"),
        "and stays it"
    );
    let nameless = environment("");
    assert!(
        matches!(store.put_environment(&nameless, Expect::Anything).await, Err(StoreError::Invalid { .. })),
        "a name is needed"
    );
}

async fn removal(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    case.commit(&objects(&[object("a/1", &[("name", Value::text("shared name"))])])).await;
    store.put_report(HOME, "2026-01-01T00:00:00Z", 1, &Value::Null, 9).await.expect("a report is kept");
    assert!(
        matches!(store.remove_environment(HOME, 1_000).await, Err(StoreError::LeaseHeld { .. })),
        "what is being written is not removed"
    );
    store.release(&case.lease).await.expect("a lease can be given back");
    store.remove_environment(HOME, 1_000).await.expect("what nobody writes can be removed");
    assert!(matches!(store.environment(HOME).await, Err(StoreError::NotFound { .. })), "it is gone");
    store.put_environment(&environment(HOME), Expect::Anything).await.expect("its name is free");
    assert_eq!(store.current(HOME).await.expect("it is there"), 0, "it starts anew");
    assert!(store.reports(HOME).await.expect("listing works").is_empty(), "reports went with it");
    assert!(store.search(HOME, None, "shared", 9).await.expect("searching works").is_empty(), "names went with it");
    assert!(
        matches!(case.try_commit(0, &Delta::default()).await, Err(StoreError::LeaseLost { .. })),
        "a lease on the old environment is nothing to the new one"
    );
}

async fn leases(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    assert_eq!(case.lease.until_millis, 60_000, "a lease runs from the time that is given");
    let taken = store.acquire(HOME, "other", 59_999, MINUTE).await;
    assert!(
        matches!(taken, Err(StoreError::LeaseHeld { ref holder, until_millis: 60_000, .. }) if &**holder == "suite"),
        "a running lease is not given away: {taken:?}"
    );
    let renewed = store.renew(&case.lease, 30_000, MINUTE).await.expect("a held lease can be renewed");
    assert_eq!((renewed.fence, renewed.until_millis), (case.lease.fence, 90_000), "renewing moves the end only");
    assert!(store.acquire(HOME, "other", 60_001, MINUTE).await.is_err(), "a renewed lease runs on");

    let late = store.acquire(HOME, "other", 90_000, MINUTE).await.expect("a lease that ran out can be taken over");
    assert!(late.fence > case.lease.fence, "fencing numbers grow");
    let delta = objects(&[object("a/1", &[])]);
    assert!(matches!(case.try_commit(0, &delta).await, Err(StoreError::LeaseLost { .. })), "a late writer is refused");
    assert!(matches!(store.renew(&renewed, 90_001, MINUTE).await, Err(StoreError::LeaseLost { .. })), "for good");
    store.release(&renewed).await.expect("giving back what is lost is no error");
    let revision = store.commit(&Commit::new(0, &late, &delta, &info(1))).await;
    assert!(matches!(revision, Ok(1)), "the new holder still writes: {revision:?}");
    store.release(&late).await.expect("a lease can be given back");
    assert!(
        matches!(store.commit(&Commit::new(1, &late, &delta, &info(2))).await, Err(StoreError::LeaseLost { .. })),
        "what was given back is no right to write"
    );
    store.acquire(HOME, "third", 90_002, MINUTE).await.expect("what was given back is free");

    store.put_environment(&environment("away"), Expect::Anything).await.expect("saving works");
    let other = store.acquire("away", "suite", 0, MINUTE).await.expect("it is free");
    assert!(
        matches!(
            store.commit(&Commit { environment: HOME, ..Commit::new(1, &other, &delta, &info(2)) }).await,
            Err(StoreError::Invalid { .. })
        ),
        "a lease is good for its own environment only"
    );
    let page = store.objects("away", None, &Query::default(), &Page::first(9)).await.expect("reading works");
    assert!(page.items.is_empty(), "environments do not see each other's objects");
}

async fn reports(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    for n in 0..5 {
        let body = Value::list(vec![Value::Int(n)]);
        store.put_report(HOME, "2026-01-01T00:00:00Z", 7, &body, 3).await.expect("a report is kept");
    }
    let listed = store.reports(HOME).await.expect("listing works");
    assert_eq!(listed.len(), 3, "so many as were to be kept");
    assert!(listed.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let newest = store.report(HOME, listed[0].id).await.expect("the newest is there");
    assert_eq!(newest, Value::list(vec![Value::Int(4)]), "the newest is the last one");
    assert!(
        matches!(store.report(HOME, listed[2].id - 1).await, Err(StoreError::NotFound { what: "report", .. })),
        "the oldest is gone"
    );
}
