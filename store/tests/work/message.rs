//! Messages: found by level and time, forgotten by age and number.

use std::time::Duration;

use calipso_store::{
    Page,
    work::{
        self, Level, Message, MessageFilter,
        message::{forget_old, list, say},
    },
};

use crate::{Bench, NOW};

#[tokio::test]
async fn messages_are_found_by_level_and_time_and_forgotten() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    for n in 0..20 {
        let level = Level::ALL[n % 4];
        let message = Message {
            environment: if n < 16 { "a".into() } else { "".into() },
            level,
            message: format!("{n}").into(),
            ..Message::default()
        };
        say(store, message, NOW + n as i64 * 1000).await.unwrap();
    }
    let found = async |filter: MessageFilter| {
        let (items, _) = list(store, &filter, &Page::first(100)).await.unwrap();
        items.iter().map(|task| task.row.message.to_string()).collect::<Vec<_>>().join(" ")
    };
    let at_least = |level| MessageFilter { environment: Some("a".into()), at_least: Some(level), ..Default::default() };
    assert_eq!(found(at_least(Level::Error)).await, "15 11 7 3");
    assert_eq!(found(at_least(Level::Warning)).await, "15 14 11 10 7 6 3 2");
    assert_eq!(found(MessageFilter { environment: Some("".into()), ..Default::default() }).await, "19 18 17 16");
    let range = MessageFilter {
        from: Some(work::stamp(NOW + 2000)),
        until: Some(work::stamp(NOW + 5000)),
        ..Default::default()
    };
    assert_eq!(found(range).await, "4 3 2");
    assert_eq!(forget_old(store, 100, Duration::from_secs(10), NOW + 15_000).await.unwrap(), 5);
    assert_eq!(forget_old(store, 3, Duration::from_secs(1000), NOW + 15_000).await.unwrap(), 12);
    assert_eq!(found(MessageFilter::default()).await, "19 18 17");
    let (items, _) = list(store, &MessageFilter::default(), &Page::first(1)).await.unwrap();
    assert_eq!(items[0].row.source_system.as_ref(), "Calipso");
}
