//! Tries the live door by hand: `try_live ssh GATEWAY HOST… | http URL | sql HOST PORT USER PASSWORD QUERY`.
//!
//! For ssh: the account and password are in `TRY_USER` and `TRY_PASSWORD`, the known hosts file in `TRY_KNOWN_HOSTS`
//! (without it host keys are not checked); with `TRY_COMMANDS` each host is asked that many commands at once.

use std::{error::Error, sync::Arc, time::Duration};

use calipso_model::Secret;
use calipso_transport::{
    Budget, Call, Counted, Door, ExecKey, HttpKey, HttpRoute, KnownHosts, Live, Means, RequestKey, Route, SqlKey,
    SqlServer, SshRoute, SshServer, Stage, Tls,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let door = Arc::new(Counted::new(Live::new()));
    let calls = match words.as_slice() {
        ["ssh", gateway, hosts @ ..] => commands(gateway, hosts)?,
        ["http", url] => vec![call(
            RequestKey::Http(HttpKey { method: "GET".into(), ..HttpKey::default() }),
            Route::Http(HttpRoute {
                url: Secret::new(*url),
                headers: Vec::new(),
                body: None,
                tls: Tls::default(),
                socket: None,
            }),
            Arc::default(),
        )],
        ["sql", host, port, user, password, query] => vec![call(
            RequestKey::Sql(SqlKey { text: (*query).to_owned(), params: Vec::new() }),
            Route::Sql(SqlServer {
                address: (*host).into(),
                port: port.parse()?,
                user: (*user).into(),
                password: Secret::new(*password),
                database: None,
            }),
            Arc::default(),
        )],
        _ => return Err("say ssh, http or sql".into()),
    };
    let began = std::time::Instant::now();
    let asked = calls.into_iter().map(|call| {
        let door = Arc::clone(&door);
        async move { (call.key.text(), door.ask(call).await) }
    });
    for (key, outcome) in futures::future::join_all(asked).await {
        match outcome {
            Ok(reply) => println!("{key}\n    {:.300}", format!("{reply:?}")),
            Err(error) => println!("{key}\n    no answer ({:?}): {}", error.kind, calipso_model::chain(&error)),
        }
    }
    println!("{:#?}\nin {:?}", door.stats(), began.elapsed());
    door.close().await;
    Ok(())
}

fn call(key: RequestKey, route: Route, budget: Arc<Budget>) -> Call {
    let means = Means { route, timeout: Duration::from_secs(5), max_bytes: 1 << 20, budget };
    Call { role: "try".into(), stage: Stage::Test, attempt: 0, key, means: Some(means) }
}

fn commands(gateway: &str, hosts: &[&str]) -> Result<Vec<Call>, Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let known_hosts = variable("TRY_KNOWN_HOSTS").map_or(KnownHosts::Insecure, |file| KnownHosts::File(file.into()));
    let gateway = SshServer {
        host: gateway.into(),
        address: gateway.into(),
        port: 22,
        user: variable("TRY_USER").unwrap_or_default().into(),
        password: variable("TRY_PASSWORD").map(Secret::new),
        private_key: variable("TRY_KEY").map(std::fs::read_to_string).transpose()?.map(Secret::new),
        known_hosts,
        jump: None,
    };
    let n_commands: usize = variable("TRY_COMMANDS").map_or(Ok(1), |count| count.parse())?;
    let fixed = variable("TRY_RUN");
    let budget = Arc::new(Budget::new(64, None, 6));
    let mut calls = Vec::new();
    for host in hosts {
        for number in 0..n_commands {
            let words: Vec<String> = match &fixed {
                Some(text) => text.split(' ').map(str::to_owned).collect(),
                None => vec!["sudo".into(), "-n".into(), "echo".into(), format!("{number} it's; $HOME `id`")],
            };
            let server = SshServer {
                host: (*host).into(),
                address: (*host).into(),
                jump: (gateway.address.as_ref() != *host).then(|| Box::new(gateway.clone())),
                ..gateway.clone()
            };
            let key = ExecKey { host: (*host).into(), words: words.clone() };
            let route = SshRoute { words, server: Box::new(server) };
            calls.push(call(RequestKey::Exec(key), Route::Ssh(route), Arc::clone(&budget)));
        }
    }
    Ok(calls)
}
