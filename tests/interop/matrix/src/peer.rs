//! Who plays a part: our client in this process, or another client in a process of its own that
//! reads `ID ROLE FEATURE TOPIC GROUP` lines and answers with `@ ID WORD TEXT` lines.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::ours;
use crate::scene::{Event, Outcome, Role, Scene};

/// A client.
#[derive(Clone)]
pub(crate) enum Peer {
    /// This workspace's.
    Ours,
    /// Another's.
    Process(Arc<Process>),
}

impl Peer {
    /// Begins to play; what happens comes through the channel.
    pub(crate) async fn play(&self, role: Role, scene: Scene) -> UnboundedReceiver<Event> {
        let (sender, events) = unbounded_channel();
        match self {
            Peer::Ours => {
                tokio::spawn(async move {
                    let outcome = ours::play(role, &scene, &sender).await;
                    let _ = sender.send(Event::Done(outcome));
                });
            }
            Peer::Process(process) => process.play(role, &scene, sender).await,
        }
        events
    }
}

type Listeners = Arc<Mutex<HashMap<u64, UnboundedSender<Event>>>>;

/// A running peer process; ends when it is dropped.
pub(crate) struct Process {
    input: tokio::sync::Mutex<ChildStdin>,
    listeners: Listeners,
    next: AtomicU64,
    _child: Child,
}

impl Process {
    /// Starts it; the words of the command are separated by blanks.
    pub(crate) fn start(command: &str, namesrv: &str) -> anyhow::Result<Process> {
        let mut words = command.split_whitespace();
        let program = words.next().context("the command of a peer is empty")?;
        let mut child = Command::new(program)
            .args(words)
            .arg(namesrv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let listeners = Listeners::default();
        let hear = Arc::clone(&listeners);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match read(&line) {
                    Some((id, event)) => {
                        if let Some(listener) = hear.lock().get(&id) {
                            let _ = listener.send(event);
                        }
                    }
                    None => eprintln!("{line}"),
                }
            }
            // Whoever waits learns that nothing comes any more.
            hear.lock().clear();
        });
        Ok(Process {
            input: tokio::sync::Mutex::new(input),
            listeners,
            next: AtomicU64::new(1),
            _child: child,
        })
    }

    async fn play(&self, role: Role, scene: &Scene, sender: UnboundedSender<Event>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line =
            format!("{id} {} {} {} {}\n", role.name(), scene.feature, scene.topic, scene.group);
        self.listeners.lock().insert(id, sender);
        if self.input.lock().await.write_all(line.as_bytes()).await.is_err() {
            self.listeners.lock().remove(&id);
        }
    }
}

/// One line of a peer; `None` for anything else that it prints.
fn read(line: &str) -> Option<(u64, Event)> {
    let mut words = line.strip_prefix("@ ")?.splitn(3, ' ');
    let id = words.next()?.parse().ok()?;
    let word = words.next()?;
    let text = words.next().unwrap_or_default().to_string();
    let event = match word {
        "ready" => Event::Ready,
        "seen" => Event::Seen,
        "passed" => Event::Done(Outcome::Passed),
        "failed" => Event::Done(Outcome::Failed(text)),
        "absent" => Event::Done(Outcome::Absent(text)),
        _ => return None,
    };
    Some((id, event))
}
