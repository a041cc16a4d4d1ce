//! Requests to try connections.

use calipso_model::Map;
use calipso_store::{
    Records,
    work::{
        self, Beat, ConnectionTest, TestAnswer, TestStatus,
        conntest::{KEPT, beat, claim, finish, forget_old, hand_back, submit},
    },
};

use crate::{Bench, NOW, TTL};

fn asked() -> ConnectionTest {
    let secret = Map::from_pairs(vec![("password".into(), "sealed:abc".into())]);
    ConnectionTest {
        environment: "a".into(),
        test_targets: vec!["web".into()],
        targets_configuration: Some(Map::from_pairs(vec![("web".into(), secret.into())])),
        status: TestStatus::Response,
        ..ConnectionTest::default()
    }
}

async fn kept(store: &dyn Records, id: &str) -> ConnectionTest {
    work::get::<ConnectionTest>(store, id).await.unwrap().unwrap().row
}

#[tokio::test]
async fn an_answer_takes_the_secrets_away_and_goes_after_a_day() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let request = submit(store, asked(), NOW).await.unwrap();
    assert_eq!(request.row.status, TestStatus::Request);
    let mut task = claim(store, "w", NOW + 10, TTL).await.unwrap().unwrap();
    assert!(task.row.targets_configuration.is_some());
    assert!(claim(store, "w2", NOW + 11, TTL).await.unwrap().is_none());
    let results = Map::from_pairs(vec![("web".into(), true.into())]);
    let answer = TestAnswer { test_results: results.clone(), ..TestAnswer::default() };
    assert_eq!(finish(store, &mut task, answer, NOW + 1500).await.unwrap(), Beat::Go);
    let row = kept(store, &request.id).await;
    assert_eq!((row.status, row.test_results, row.targets_configuration), (TestStatus::Response, results, None));
    assert_eq!((row.response_time, row.response_timestamp), (Some(1.5), Some(work::stamp(NOW + 1500))));
    let day = i64::try_from(KEPT.as_millis()).unwrap();
    assert_eq!(forget_old(store, KEPT, NOW + day).await.unwrap(), 0);
    assert_eq!(forget_old(store, KEPT, NOW + day + 1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_lost_worker_is_followed_and_the_fourth_answers_that_it_is_no_use() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let request = submit(store, asked(), NOW).await.unwrap();
    let mut first = claim(store, "w1", NOW, TTL).await.unwrap().unwrap();
    assert_eq!(beat(store, &mut first, NOW + 10_000, TTL).await.unwrap(), Beat::Go);
    assert!(claim(store, "w2", NOW + 30_000, TTL).await.unwrap().is_none());
    let mut second = claim(store, "w2", NOW + 40_000, TTL).await.unwrap().unwrap();
    assert_eq!(finish(store, &mut first, TestAnswer::default(), NOW + 40_001).await.unwrap(), Beat::Lost);
    assert_eq!(kept(store, &request.id).await.status, TestStatus::Running);
    assert_eq!(hand_back(store, &mut second).await.unwrap(), Beat::Go);
    let mut now = NOW + 40_002;
    for attempt in 2..=3 {
        assert_eq!(claim(store, "w3", now, TTL).await.unwrap().unwrap().row.attempts, attempt);
        now += 30_000;
    }
    assert!(claim(store, "w4", now, TTL).await.unwrap().is_none());
    let row = kept(store, &request.id).await;
    assert_eq!((row.status, row.targets_configuration), (TestStatus::Response, None));
    assert!(row.errors.text("").unwrap().contains("given up after 3 workers"));
}
