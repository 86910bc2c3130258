//! The writer thread: takes lines from a bounded queue and puts them into the files.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::roll::RollingFile;
use super::route::{LogFile, Pattern};
use super::{QUEUE_MAX, complain};

const THREAD_NAME: &str = "AsyncAppender-Worker";

/// Longest wait for a flush: a hanging disk must not hang the exit.
const FLUSH_WAIT: Duration = Duration::from_secs(5);

/// One line on its way to its file.
pub(super) struct Line {
    /// Place of the file in the profile.
    pub(super) file: usize,
    /// Time of the event.
    pub(super) ms: i64,
    /// Everything after the time, with the line end.
    pub(super) rest: String,
}

enum Order {
    Write(Line),
    /// Flush everything and answer.
    Flush(SyncSender<()>),
    Close,
}

/// The handle of the writer thread; copies share it.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    orders: SyncSender<Order>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Whether the caller is a writer thread.
pub(super) fn is_writer_thread() -> bool {
    thread::current().name() == Some(THREAD_NAME)
}

impl Writer {
    /// Starts the thread, which creates the directory and opens the files at once (the process
    /// need not wait for that).
    pub(super) fn start(files: &'static [LogFile], directory: &Path) -> Writer {
        let (orders, receiver) = sync_channel(QUEUE_MAX);
        let directory = directory.to_owned();
        let thread = thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || run(files, &directory, &receiver))
            .map_err(|error| complain(&format!("no log is written: no thread for it: {error}")))
            .ok();
        Writer { orders, thread: Arc::new(Mutex::new(thread)) }
    }

    /// Queues a line; waits while the queue is full. After [`Writer::close`] lines are dropped.
    pub(super) fn write(&self, line: Line) {
        let _ = self.orders.send(Order::Write(line));
    }

    /// Waits until all lines queued so far are in their files.
    pub(super) fn flush(&self) {
        let (done, answer) = sync_channel(1);
        if self.orders.send(Order::Flush(done)).is_ok() {
            match answer.recv_timeout(FLUSH_WAIT) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Timeout) => complain("the log could not be flushed in time"),
            }
        }
    }

    /// Writes what is queued and ends the thread.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.orders.send(Order::Close);
            let _ = thread.join();
        }
    }
}

fn run(files: &'static [LogFile], directory: &Path, orders: &Receiver<Order>) {
    let mut output = Output::open(files, directory);
    loop {
        let order = match orders.try_recv() {
            Ok(order) => Ok(order),
            Err(TryRecvError::Disconnected) => return output.flush(),
            Err(TryRecvError::Empty) => {
                output.flush();
                orders.recv()
            }
        };
        match order {
            Ok(Order::Write(line)) => output.write(&line),
            Ok(Order::Flush(done)) => {
                output.flush();
                let _ = done.send(());
            }
            Ok(Order::Close) | Err(_) => return output.flush(),
        }
    }
}

/// The open files, and the time text of the current second.
struct Output {
    files: Vec<RollingFile>,
    directory: PathBuf,
    second: i64,
    second_text: String,
    complained: bool,
}

impl Output {
    fn open(files: &'static [LogFile], directory: &Path) -> Output {
        let mut output = Output {
            files: files.iter().map(|file| RollingFile::new(file, directory)).collect(),
            directory: directory.to_owned(),
            second: i64::MIN,
            second_text: String::new(),
            complained: false,
        };
        for at in 0..output.files.len() {
            output.attempt(at, RollingFile::open);
        }
        output
    }

    fn write(&mut self, line: &Line) {
        let Some(pattern) = self.files.get(line.file).map(RollingFile::pattern) else { return };
        if pattern == Pattern::Bare {
            return self.attempt(line.file, |file| file.write(&[line.rest.as_bytes()]));
        }
        let time = if pattern.whole_seconds() {
            let second = line.ms.div_euclid(1000);
            if second != self.second {
                self.second_text = pattern.time(line.ms);
                self.second = second;
            }
            self.second_text.clone()
        } else {
            pattern.time(line.ms)
        };
        self.attempt(line.file, |file| file.write(&[time.as_bytes(), line.rest.as_bytes()]));
    }

    fn flush(&mut self) {
        for at in 0..self.files.len() {
            self.attempt(at, RollingFile::flush);
        }
    }

    /// Does something with a file; the first failure is told, none stops the writer.
    fn attempt(&mut self, at: usize, action: impl FnOnce(&mut RollingFile) -> std::io::Result<()>) {
        let Some(file) = self.files.get_mut(at) else { return };
        if let Err(error) = action(file)
            && !std::mem::replace(&mut self.complained, true)
        {
            complain(&format!(
                "the log cannot be written in {}: {error}; check that the directory is writable \
                 and the disk not full",
                self.directory.display()
            ));
        }
    }
}
