//! YAML texts as trees that know where each part lies, so that a part can be replaced without
//! touching the rest.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::error::Fault;

/// Deepest nesting; the files have four levels.
const DEPTH_MAX: usize = 16;

/// A part of a text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// First byte.
    pub(crate) start: usize,
    /// Byte behind the last one that belongs to it.
    pub(crate) end: usize,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A plain scalar is one without quotes; an empty plain one is null.
    Scalar {
        text: String,
        plain: bool,
    },
    List {
        items: Vec<Node>,
        flow: bool,
    },
    Map {
        entries: Vec<(Node, Node)>,
        flow: bool,
    },
}

impl Node {
    /// Text of a scalar; `None` for null and for anything else.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain } => (!plain || !is_null(text)).then_some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if is_null(text))
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List { items, .. } => Some(items),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// The entry with that key.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key))
    }

    /// The value of the entry with that key, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Whether it is written with brackets or braces.
    pub(crate) fn is_flow(&self) -> bool {
        matches!(self.value, Value::List { flow: true, .. } | Value::Map { flow: true, .. })
    }

    pub(crate) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { line: self.line, column: self.column, what: what.into() }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Reads the one document of a text; `None` if there is none.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Fault> {
    let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut reader = Reader { parser: Parser::new_from_str(text), text, offsets };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(document.filter(|node: &Node| !node.is_null())),
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(_) if document.is_some() => {
                return Err(fault(&span.start, "more than one YAML document"));
            }
            Event::DocumentStart(_) => {
                let (event, span) = reader.next()?;
                document = Some(reader.node(event, span, 0)?);
            }
            _ => return Err(fault(&span.start, "unexpected YAML")),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    text: &'a str,
    /// Byte of each character.
    offsets: Vec<usize>,
}

fn fault(marker: &Marker, what: impl Into<String>) -> Fault {
    Fault { line: marker.line(), column: marker.col() + 1, what: what.into() }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(fault(error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn byte(&self, marker: &Marker) -> usize {
        self.offsets.get(marker.index()).copied().unwrap_or(self.text.len())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        if depth == DEPTH_MAX {
            return Err(fault(&span.start, "nested too deeply"));
        }
        let (start, mut end) = (self.byte(&span.start), self.byte(&span.end));
        let flow = self.text.get(start..).is_some_and(|rest| rest.starts_with(['[', '{']));
        let value = match event {
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                Value::Scalar { text: text.into_owned(), plain }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        end = if flow { self.byte(&span.end) } else { last_end(items.last(), end) };
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                Value::List { items, flow }
            }
            Event::MappingStart(..) => {
                let mut entries: Vec<(Node, Node)> = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        let last = entries.last().map(|(_, value)| value);
                        end = if flow { self.byte(&span.end) } else { last_end(last, end) };
                        break;
                    }
                    let key = self.node(event, span, depth + 1)?;
                    let (event, span) = self.next()?;
                    let mut value = self.node(event, span, depth + 1)?;
                    if value.is_null() && value.start == value.end {
                        // It lies nowhere: right behind the colon.
                        let rest = self.text.get(key.end..).unwrap_or_default();
                        value.start = key.end + rest.find(':').map_or(0, |at| at + 1);
                        value.end = value.start;
                    }
                    if entries.iter().any(|(known, _)| known.text() == key.text()) {
                        let name = key.text().unwrap_or_default();
                        return Err(key.fault(format!("the key {name} stands here twice")));
                    }
                    entries.push((key, value));
                }
                Value::Map { entries, flow }
            }
            Event::Alias(_) => {
                return Err(fault(&span.start, "YAML aliases are not supported here"));
            }
            _ => return Err(fault(&span.start, "unexpected YAML")),
        };
        Ok(Node { value, start, end, line: span.start.line(), column: span.start.col() + 1 })
    }
}

fn last_end(last: Option<&Node>, otherwise: usize) -> usize {
    last.map_or(otherwise, |node| node.end)
}

/// A scalar as it is written into a file: in quotes unless it is surely a text without them.
pub(crate) fn scalar(text: &str) -> String {
    let sure = |b: u8| b.is_ascii_alphanumeric() || b"_.|=%-".contains(&b);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(sure)
        && !["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// The tree as text in block style; comments are not part of it.
pub(crate) fn render(node: &Node) -> String {
    let mut out = String::new();
    render_into(node, 0, &mut out);
    out
}

fn render_into(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match &node.value {
        Value::Scalar { .. } => {
            out.push_str(&inline(node));
            out.push('\n');
        }
        Value::List { items, .. } => {
            for item in items {
                out.push_str(&pad);
                out.push_str("- ");
                let at = out.len();
                render_into(item, indent + 2, out);
                // The first line of the item stands behind the dash.
                if matches!(&item.value, Value::Map { entries, .. } if !entries.is_empty()) {
                    out.replace_range(at..at + indent + 2, "");
                }
            }
        }
        Value::Map { entries, .. } => {
            for (key, value) in entries {
                out.push_str(&pad);
                out.push_str(&inline(key));
                out.push(':');
                let nested = value.items().is_some_and(|items| !items.is_empty())
                    || value.entries().is_some_and(|entries| !entries.is_empty());
                if nested {
                    out.push('\n');
                    render_into(value, indent + 2, out);
                } else {
                    out.push(' ');
                    out.push_str(&inline(value));
                    out.push('\n');
                }
            }
        }
    }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, plain: false } => scalar(text),
        Value::List { .. } => "[]".to_owned(),
        Value::Map { .. } => "{}".to_owned(),
    }
}
