//! An SSH server in this process that really runs what it is asked to, with the faults that a test wants.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure,
    keys::{PrivateKey, PublicKey, ssh_key::private::Ed25519Keypair},
    server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{ChildStdin, Command},
};

/// How the server behaves and what happened to it.
#[derive(Default)]
pub struct Host {
    /// Channels that it opens at a time; more are refused. 0: no limit.
    pub max_channels: usize,
    /// Whether it forwards connections.
    pub forwards: bool,
    /// Keys that may log in, as OpenSSH writes them.
    pub keys: Vec<PublicKey>,
    /// The first so many shells are ended, with the whole connection, right after their first bytes of input.
    pub break_first: usize,
    /// Where programs are looked for first.
    pub programs: Option<PathBuf>,
    /// Shells run so far.
    pub n_execs: AtomicUsize,
    /// Connections accepted so far.
    pub n_connections: AtomicUsize,
    /// Logins that succeeded.
    pub n_logins: AtomicUsize,
    /// Channels open now.
    pub n_open: AtomicUsize,
    /// Most channels that were ever open together.
    pub max_open: AtomicUsize,
    /// Channels refused.
    pub n_refused: AtomicUsize,
    /// Connections forwarded.
    pub n_forwards: AtomicUsize,
}

impl Host {
    /// A counter's value.
    pub fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }
}

/// The public half of the host key made of a seed.
pub fn host_key(seed: u8) -> PublicKey {
    private_key(seed).public_key().clone()
}

fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Starts a server and returns its port.
pub async fn start(host: Arc<Host>, seed: u8) -> u16 {
    let config = Arc::new(server::Config {
        keys: vec![private_key(seed)],
        auth_rejection_time: std::time::Duration::ZERO,
        auth_rejection_time_initial: Some(std::time::Duration::ZERO),
        ..server::Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            host.n_connections.fetch_add(1, Ordering::SeqCst);
            let connection = Connection { host: Arc::clone(&host), inputs: Arc::default() };
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, socket, connection).await {
                    let _ = session.await;
                }
            });
        }
    });
    port
}

struct Connection {
    host: Arc<Host>,
    inputs: Arc<Mutex<BTreeMap<ChannelId, ChildStdin>>>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.decide(user == "me" && password == "right horse"))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        // As servers of today: an RSA signature with SHA-1 is not good enough.
        let weak = key.algorithm.as_str() == "ssh-rsa";
        let known = self.host.keys.iter().any(|known| known.key_data() == key.public_key.key_data());
        Ok(self.decide(user == "me" && known && !weak))
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        let host = &self.host;
        let n_open = host.n_open.load(Ordering::SeqCst);
        if host.max_channels > 0 && n_open >= host.max_channels {
            host.n_refused.fetch_add(1, Ordering::SeqCst);
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
        } else {
            host.n_open.fetch_add(1, Ordering::SeqCst);
            host.max_open.fetch_max(n_open + 1, Ordering::SeqCst);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        address: &str,
        port: u32,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        if !self.host.forwards {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        match TcpStream::connect((address, u16::try_from(port).unwrap())).await {
            Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            Ok(mut socket) => {
                self.host.n_forwards.fetch_add(1, Ordering::SeqCst);
                reply.accept().await;
                tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut channel.into_stream(), &mut socket).await;
                });
            }
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.host.n_execs.fetch_add(1, Ordering::SeqCst);
        session.channel_success(channel)?;
        let programs = self.host.programs.iter().map(|dir| format!("{}:", dir.display()));
        let path = programs.collect::<String>() + &std::env::var("PATH").unwrap();
        let mut child = Command::new("sh")
            .env("PATH", path)
            .arg("-c")
            .arg(String::from_utf8_lossy(command).as_ref())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, mut stdout, mut stderr) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        self.inputs.lock().unwrap().insert(channel, stdin);
        let (out, err, end) = (session.handle(), session.handle(), session.handle());
        let (host, inputs) = (Arc::clone(&self.host), Arc::clone(&self.inputs));
        tokio::spawn(async move {
            let output = async {
                let mut chunk = vec![0; 16_384];
                while let Ok(n_bytes @ 1..) = stdout.read(&mut chunk).await {
                    if out.data(channel, chunk[..n_bytes].to_vec()).await.is_err() {
                        break;
                    }
                }
            };
            let errors = async {
                let mut chunk = vec![0; 16_384];
                while let Ok(n_bytes @ 1..) = stderr.read(&mut chunk).await {
                    if err.extended_data(channel, 1, chunk[..n_bytes].to_vec()).await.is_err() {
                        break;
                    }
                }
            };
            tokio::join!(output, errors);
            finish(&end, channel, child.wait().await.ok().and_then(|status| status.code())).await;
            inputs.lock().unwrap().remove(&channel);
            host.n_open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        if self.host.break_first > 0 && Host::count(&self.host.n_execs) <= self.host.break_first {
            session.disconnect(russh::Disconnect::ByApplication, "broken on purpose", "en")?;
            return Err(russh::Error::Disconnect);
        }
        let input = self.inputs.lock().unwrap().remove(&channel);
        if let Some(mut input) = input {
            let _ = input.write_all(data).await;
            self.inputs.lock().unwrap().insert(channel, input);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        self.inputs.lock().unwrap().remove(&channel);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), russh::Error> {
        self.inputs.lock().unwrap().remove(&channel);
        Ok(())
    }
}

impl Connection {
    fn decide(&self, good: bool) -> Auth {
        if good {
            self.host.n_logins.fetch_add(1, Ordering::SeqCst);
            Auth::Accept
        } else {
            Auth::reject()
        }
    }
}

async fn finish(handle: &Handle, channel: ChannelId, exit: Option<i32>) {
    let _ = handle.exit_status_request(channel, exit.map_or(255, i32::cast_unsigned)).await;
    let _ = handle.eof(channel).await;
    let _ = handle.close(channel).await;
}
