//! The `tracing` layer: forms the text of an event and hands it to the writer.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock;

use super::route::{LogFile, Pattern, file_of};
use super::writer::{Line, Writer};
use super::{CONSOLE, NAMESRV_CONSOLE};

pub(super) struct FileLayer {
    files: &'static [LogFile],
    writer: Writer,
}

impl FileLayer {
    pub(super) fn new(files: &'static [LogFile], writer: Writer) -> FileLayer {
        FileLayer { files, writer }
    }
}

impl<S: Subscriber> Layer<S> for FileLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= Level::INFO { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = EventText::default();
        event.record(&mut text);
        let ms = clock::now_ms();
        match metadata.target() {
            CONSOLE | NAMESRV_CONSOLE => print(&console_line(metadata, ms, &text)),
            target => {
                let Some(file) = file_of(self.files, target) else { return };
                let Some(pattern) = self.files.get(file).map(|file| file.pattern) else { return };
                let rest = line_after_time(pattern, metadata, &text);
                self.writer.write(Line { file, ms, rest });
            }
        }
    }
}

/// What an event says: its message, then its other fields.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
    thread: Option<String>,
}

impl EventText {
    fn thread(&self) -> String {
        self.thread.clone().unwrap_or_else(|| {
            std::thread::current().name().map_or_else(|| "thread".to_owned(), str::to_owned)
        })
    }

    fn add(&mut self, name: &str, value: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = match name {
            "message" => self.message.write_fmt(value),
            "thread" => {
                self.thread = Some(value.to_string());
                Ok(())
            }
            _ => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}

/// The line from after its time to its end.
fn line_after_time(pattern: Pattern, metadata: &Metadata<'_>, text: &EventText) -> String {
    let (level, message, fields) = (metadata.level(), &text.message, &text.fields);
    match pattern {
        Pattern::Full => format!(" {level} {} - {message}{fields}\n", text.thread()),
        Pattern::NoThread => format!(" {level} - {message}{fields}\n"),
        Pattern::TimeOnly => format!(" - {message}{fields}\n"),
        Pattern::Bare => format!("{message}{fields}\n"),
        Pattern::Client => format!(" {level} {} - {message}{fields}\r\n", metadata.target()),
    }
}

/// The broker's console pattern really prints `\:`; the name server's `-p` runs before its pattern
/// is read, and has logback's built-in one.
fn console_line(metadata: &Metadata<'_>, ms: i64, text: &EventText) -> String {
    let (level, thread) = (metadata.level(), text.thread());
    let message = format_args!("{}{}", text.message, text.fields);
    if metadata.target() == NAMESRV_CONSOLE {
        let (time, name) = (clock::format_time_of_day(ms), metadata.target());
        // `Level` does not pad itself.
        let level = level.to_string();
        return format!("{time} [{thread}] {level:<5} {name} - {message}\n");
    }
    let time = clock::format_seconds_gmt8(ms).replace(':', "\\:");
    format!("{time} {level} {thread} - {message}\n")
}

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to fail.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
