//! The commands that wait for one host, and how many shells work on them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use crate::{
    budget::Budget,
    door::Execution,
    error::{ErrorKind, FetchError},
    live::ssh::{Command, Outcome, Sessions, session, shell},
    means::SshServer,
    reply::Reply,
};

/// A command that has waited this long gets another shell, if the host may have one more.
const PATIENCE: Duration = Duration::from_millis(250);

/// How often the only channel is asked for again when the host refuses it, with growing pauses.
const REFUSALS: u32 = 6;

/// A command and where its outcome goes.
pub(super) struct Waiting {
    pub(super) command: Command,
    outcome: oneshot::Sender<Outcome>,
    /// How often its shell went away under it.
    pub(super) n_broken: u32,
}

impl Waiting {
    /// Ends it. The receiver may be gone: then nobody waits for it any more.
    pub(super) fn answer(self, reply: Result<Reply, FetchError>, execution: Execution) {
        let _ = self.outcome.send((reply, execution));
    }
}

/// One host and the commands that wait for it.
pub(super) struct Host {
    pub(super) server: SshServer,
    sessions: Arc<Sessions>,
    queue: Mutex<Queue>,
    /// Notified when a command is added to the queue.
    pub(super) added: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    n_shells: usize,
    /// The number of channels that the server allows, once it refused one.
    ceiling: Option<usize>,
    /// Whether another shell will be opened after [`PATIENCE`].
    second_planned: bool,
}

impl Host {
    pub(super) fn new(server: SshServer, sessions: Arc<Sessions>) -> Self {
        Self { server, sessions, queue: Mutex::default(), added: Notify::new() }
    }

    /// Runs one command among the others.
    pub(super) async fn run(self: &Arc<Self>, command: Command) -> Outcome {
        let endpoint = command.endpoint.clone();
        let (sender, receiver) = oneshot::channel();
        self.queue().waiting.push_back(Waiting { command, outcome: sender, n_broken: 0 });
        self.added.notify_one();
        self.start_shells();
        receiver.await.unwrap_or_else(|_| {
            (Err(FetchError::new(ErrorKind::Cut, endpoint, "the door was closed")), Execution::None)
        })
    }

    /// The number of a shell that is being opened: no other shell of the same door has it.
    pub(super) fn next_shell(&self) -> u64 {
        self.sessions.n_shells.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next command whose caller still waits.
    pub(super) fn take(&self) -> Option<Waiting> {
        let mut queue = self.queue();
        loop {
            let next = queue.waiting.pop_front()?;
            if !next.outcome.is_closed() {
                return Some(next);
            }
        }
    }

    /// Puts commands back to the front, in their order.
    pub(super) fn give_back(&self, commands: impl DoubleEndedIterator<Item = Waiting>) {
        let mut queue = self.queue();
        for command in commands.rev() {
            queue.waiting.push_front(command);
        }
    }

    /// Opens a shell at once when there is none, and another one later if commands are still waiting then.
    pub(super) fn start_shells(self: &Arc<Self>) {
        let mut queue = self.queue();
        let Some(first) = queue.waiting.front() else { return };
        let budget = Arc::clone(&first.command.budget);
        let allowed = queue.ceiling.unwrap_or(usize::MAX).min(budget.channels_per_host());
        if queue.n_shells == 0 {
            queue.n_shells = 1;
            let host = Arc::clone(self);
            tokio::spawn(async move { host.work(budget).await });
        } else if queue.n_shells < allowed && !queue.second_planned {
            queue.second_planned = true;
            let host = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                {
                    let mut queue = host.queue();
                    queue.second_planned = false;
                    if queue.waiting.is_empty() {
                        return;
                    }
                    queue.n_shells += 1;
                }
                host.work(budget).await;
            });
        }
    }

    /// Runs shells until no command is waiting.
    async fn work(self: Arc<Self>, budget: Arc<Budget>) {
        // Lets commands that are asked for at the same moment share the shell.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut refusals = 0;
        loop {
            self.start_shells();
            let next = {
                let queue = self.queue();
                queue.waiting.front().map(|first| first.command.is_repeated || first.n_broken > 0)
            };
            let Some(again) = next else {
                if self.leave_if_idle() {
                    return;
                }
                continue;
            };
            let permit = budget.acquire().await;
            let session = match self.sessions.get(&self.server, again).await {
                Ok(session) => session,
                Err(error) => {
                    self.fail_all(&error);
                    continue;
                }
            };
            match shell::run(&self, &session).await {
                Ok(()) => refusals = 0,
                Err(shell::Stopped::Refused) => {
                    drop(permit);
                    let others = {
                        let mut queue = self.queue();
                        let others = queue.n_shells.saturating_sub(1);
                        if others > 0 {
                            queue.ceiling = Some(others);
                            queue.n_shells = others;
                        }
                        others
                    };
                    if others > 0 {
                        return;
                    }
                    refusals += 1;
                    if refusals > REFUSALS {
                        let why = "it refuses to open even one channel";
                        self.fail_all(&FetchError::new(ErrorKind::Busy, session::endpoint(&self.server), why));
                    }
                    tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow(refusals.min(REFUSALS))).await;
                }
                Err(shell::Stopped::Failed(error)) => self.fail_all(&error),
            }
        }
    }

    /// Counts this shell as ended, unless a command was added just now.
    fn leave_if_idle(&self) -> bool {
        let mut queue = self.queue();
        let idle = queue.waiting.is_empty();
        if idle {
            queue.n_shells = queue.n_shells.saturating_sub(1);
        }
        idle
    }

    fn fail_all(&self, error: &FetchError) {
        let waiting = std::mem::take(&mut self.queue().waiting);
        for command in waiting {
            command.answer(Err(error.clone()), Execution::None);
        }
    }
}
