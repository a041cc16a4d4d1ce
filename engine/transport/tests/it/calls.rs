//! Calls for tests.

use std::{sync::Arc, time::Duration};

use calipso_model::{Secret, Value};
use calipso_transport::{
    Budget, Call, ExecKey, HttpKey, HttpRoute, KnownHosts, Means, RequestKey, Route, SqlKey, SqlServer, SshRoute,
    SshServer, Stage, Tls,
};

/// A call with ample limits.
pub fn call(role: &str, key: RequestKey, route: Route) -> Call {
    let means =
        Means { route, timeout: Duration::from_secs(20), max_bytes: 1 << 20, budget: Arc::new(Budget::default()) };
    Call { role: role.into(), stage: Stage::Work, attempt: 0, key, means: Some(means) }
}

/// How a call is made.
pub fn means(call: &mut Call) -> &mut Means {
    call.means.as_mut().unwrap()
}

/// Where an HTTP request goes.
pub fn http_route(call: &mut Call) -> &mut HttpRoute {
    match &mut means(call).route {
        Route::Http(route) => route,
        other => panic!("{other:?}"),
    }
}

/// `GET` of a URL; its path and query are the key.
pub fn get(url: &str) -> Call {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    http(url, HttpKey { method: "GET".into(), path: format!("/{path}"), ..HttpKey::default() })
}

/// Any HTTP request.
pub fn http(url: &str, key: HttpKey) -> Call {
    let body = key.body.as_ref().map(|body| Secret::new(body.to_json()));
    let route = HttpRoute { url: Secret::new(url), headers: Vec::new(), body, tls: Tls::default(), socket: None };
    call("api", RequestKey::Http(key), Route::Http(route))
}

/// A query.
pub fn sql(text: &str, params: Vec<Value>) -> Call {
    let server = SqlServer {
        address: "127.0.0.1".into(),
        port: 1,
        user: "reader".into(),
        password: Secret::new("x"),
        database: None,
    };
    call("database", RequestKey::Sql(SqlKey { text: text.to_owned(), params }), Route::Sql(server))
}

/// A command, split at blanks.
pub fn exec(host: &str, command: &str) -> Call {
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    exec_words(server(host, 1), &words)
}

/// A command as words.
pub fn exec_words<W: AsRef<str>>(server: SshServer, words: &[W]) -> Call {
    let words: Vec<String> = words.iter().map(|word| word.as_ref().to_owned()).collect();
    let key = ExecKey { host: server.host.clone(), words: words.clone() };
    call("hosts", RequestKey::Exec(key), Route::Ssh(SshRoute { words, server: Box::new(server) }))
}

/// A host at a loopback port.
pub fn server(host: &str, port: u16) -> SshServer {
    SshServer {
        host: host.into(),
        address: "127.0.0.1".into(),
        port,
        user: "me".into(),
        password: Some(Secret::new("right horse")),
        private_key: None,
        known_hosts: KnownHosts::Insecure,
        jump: None,
    }
}
