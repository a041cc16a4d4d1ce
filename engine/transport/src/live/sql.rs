//! Queries to MariaDB and MySQL servers: prepared statements in read-only sessions.

mod row;

use std::{
    collections::BTreeMap,
    error, fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use calipso_model::{Map, Value};
use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, Params, Pool, prelude::Queryable};

use crate::{
    digest::sha256_hex,
    error::{ErrorKind, FetchError},
    key::SqlKey,
    live::{CONNECT_TIMEOUT, too_large},
    means::{Means, SqlServer},
    reply::Reply,
};

/// Maximum number of rows, however small they are.
const MAX_ROWS: usize = 2_000_000;
/// Memory that a row and each of its columns take besides their bytes, and memory that is never too much, in bytes.
const ROW_MEMORY: u64 = 96;
const COLUMN_MEMORY: u64 = 64;
const MIN_MEMORY: u64 = 1 << 20;

/// Server error: a system variable that it does not know.
const UNKNOWN_VARIABLE: u16 = 1193;

/// One pool of connections for each server and account.
#[derive(Default)]
pub(super) struct Sql {
    pools: Mutex<BTreeMap<String, std::sync::Arc<Server>>>,
}

struct Server {
    pool: Pool,
    /// It limits statements in milliseconds by another name than MariaDB.
    limits_in_millis: AtomicBool,
}

impl Sql {
    /// Asks one query and reads all rows.
    pub(super) async fn ask(
        &self,
        endpoint: &str,
        key: &SqlKey,
        server: &SqlServer,
        means: &Means,
    ) -> Result<Reply, FetchError> {
        let params = params(&key.params).map_err(|why| FetchError::new(ErrorKind::Setup, endpoint, why))?;
        let server = self.server(server);
        let mut conn = match tokio::time::timeout(CONNECT_TIMEOUT, server.pool.get_conn()).await {
            Ok(conn) => conn.map_err(|error| explain(endpoint, error))?,
            Err(_) => {
                let why = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
                return Err(FetchError::new(ErrorKind::Unreachable, endpoint, why));
            }
        };
        limit_time(&mut conn, &server, means.timeout).await.map_err(|error| explain(endpoint, error))?;
        match rows(&mut conn, key, params, means.max_bytes).await {
            Ok(Some(rows)) => Ok(Reply::Rows(rows)),
            Ok(None) => Err(too_large(endpoint, means.max_bytes)),
            Err(error) => Err(explain(endpoint, error)),
        }
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        let pools = std::mem::take(&mut *self.pools.lock().unwrap_or_else(PoisonError::into_inner));
        for server in pools.into_values() {
            if let Err(error) = server.pool.clone().disconnect().await {
                tracing::debug!(%error, "A database connection did not close cleanly.");
            }
        }
    }

    fn server(&self, server: &SqlServer) -> std::sync::Arc<Server> {
        let password = sha256_hex(server.password.reveal().as_bytes());
        let database = server.database.as_deref().unwrap_or_default();
        let key = format!("{}\n{}\n{}\n{password}\n{database}", server.address, server.port, server.user);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || std::sync::Arc::new(Server { pool: Pool::new(options(server)), limits_in_millis: false.into() });
        pools.entry(key).or_insert_with(make).clone()
    }
}

fn options(server: &SqlServer) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(server.address.to_string())
        .tcp_port(server.port)
        .user(Some(server.user.to_string()))
        .pass(Some(server.password.reveal().to_owned()))
        .db_name(server.database.as_deref().map(str::to_owned))
        .prefer_socket(false)
        .tcp_nodelay(true)
        .setup(vec!["SET SESSION TRANSACTION READ ONLY", "SET SESSION time_zone = '+00:00'"])
        .into()
}

/// Tells the server to give up by itself a little before we do.
async fn limit_time(conn: &mut Conn, server: &Server, timeout: Duration) -> Result<(), Error> {
    let in_millis = format!("SET SESSION max_execution_time = {}", timeout.as_millis().max(1));
    if server.limits_in_millis.load(Ordering::Relaxed) {
        return conn.query_drop(in_millis).await;
    }
    match conn.query_drop(format!("SET SESSION max_statement_time = {:.3}", timeout.as_secs_f64())).await {
        Err(Error::Server(error)) if error.code == UNKNOWN_VARIABLE => {
            server.limits_in_millis.store(true, Ordering::Relaxed);
            conn.query_drop(in_millis).await
        }
        outcome => outcome,
    }
}

/// All rows, or nothing when they are too many.
async fn rows(conn: &mut Conn, key: &SqlKey, params: Params, max_bytes: u64) -> Result<Option<Vec<Map>>, Error> {
    let mut result = conn.exec_iter(key.text.as_str(), params).await?;
    let mut rows = Vec::new();
    let (mut n_bytes, mut memory) = (0_u64, 0_u64);
    while let Some(row) = result.next().await? {
        let row = row::to_map(row);
        let n_more = Reply::Rows(vec![row.clone()]).bytes();
        n_bytes += n_more;
        // Rows of a few small columns take many times their bytes.
        memory += n_more + ROW_MEMORY + COLUMN_MEMORY * row.len() as u64;
        rows.push(row);
        let is_too_much = n_bytes > max_bytes || memory > max_bytes.saturating_mul(3).max(MIN_MEMORY);
        if is_too_much || rows.len() > MAX_ROWS {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

fn params(values: &[Value]) -> Result<Params, String> {
    let one = |value: &Value| match value {
        Value::Null => Ok(mysql_async::Value::NULL),
        Value::Bool(flag) => Ok(mysql_async::Value::Int(i64::from(*flag))),
        Value::Int(number) => Ok(mysql_async::Value::Int(*number)),
        Value::Float(number) => Ok(mysql_async::Value::Double(*number)),
        Value::Str(text) => Ok(mysql_async::Value::Bytes(text.as_bytes().to_vec())),
        other => Err(format!("a query parameter must be a scalar, found a {}", other.kind())),
    };
    let values = values.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(if values.is_empty() { Params::Empty } else { Params::Positional(values) })
}

/// An error of the driver, printed without the names of the driver's parts.
#[derive(Debug)]
struct DatabaseError(Error);

impl fmt::Display for DatabaseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Error::Server(error) => write!(out, "{} (error {})", error.message, error.code),
            Error::Io(IoError::Io(system)) => system.fmt(out),
            Error::Io(other) => other.fmt(out),
            Error::Driver(DriverError::ConnectionClosed) => out.write_str("the connection was closed"),
            other => other.fmt(out),
        }
    }
}

impl error::Error for DatabaseError {}

fn explain(endpoint: &str, error: Error) -> FetchError {
    let kind = match &error {
        Error::Server(error) => match error.code {
            1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1370 | 1698 | 1792 | 1820 | 1862 | 3118 => ErrorKind::Denied,
            1969 | 3024 | 1317 => ErrorKind::Timeout,
            1040 | 1203 | 1226 => ErrorKind::Busy,
            _ => ErrorKind::Protocol,
        },
        Error::Io(IoError::Io(system)) => system_kind(system),
        Error::Io(_) => ErrorKind::Tls,
        Error::Driver(DriverError::ConnectionClosed) => ErrorKind::Cut,
        _ => ErrorKind::Protocol,
    };
    FetchError::new(kind, endpoint, DatabaseError(error))
}

fn system_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => ErrorKind::Cut,
        _ => ErrorKind::Unreachable,
    }
}
