//! The live door to databases, as far as that goes without one.

use std::time::Duration;

use calipso_model::{Map, Value, chain};
use calipso_transport::{Call, Door, ErrorKind, Live, Route};

use crate::calls;

fn at(port: u16, params: Vec<Value>) -> Call {
    let mut call = calls::sql("SELECT ?", params);
    let Route::Sql(server) = &mut calls::means(&mut call).route else { panic!() };
    server.port = port;
    server.password = calipso_model::Secret::new("hidden-horse");
    call
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let error = Live::new().ask(at(1, Vec::new())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    let told = format!("{} {error:?}", chain(&error));
    assert!(told.contains("127.0.0.1:1") && !told.contains("hidden-horse"), "{told}");
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_with_the_time_limit() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = at(listener.local_addr().unwrap().port(), Vec::new());
    calls::means(&mut call).timeout = Duration::from_millis(50);
    let error = Live::new().ask(call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn a_parameter_that_is_no_scalar_is_refused_before_anything_is_sent() {
    for value in [Value::list(Vec::new()), Value::Map(Map::new())] {
        let error = Live::new().ask(at(1, vec![value])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Setup, "{error}");
    }
}
