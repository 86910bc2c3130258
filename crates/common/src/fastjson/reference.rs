//! References: where one instance occurs twice in a body, fastjson writes `{"$ref":"$.path"}` for
//! the later ones. They are replaced by a copy of what they name before the typed reading.

use super::{DEPTH_MAX, Error, Value};

/// Values that resolving may produce in all: copies of copies grow fast.
const COPIES_MAX: usize = 1 << 20;

/// Whether the text could hold a reference (a cheap test that may err towards yes).
pub(super) fn may_occur(input: &[u8]) -> bool {
    let mut rest = input;
    while let Some(at) = rest.iter().position(|&byte| byte == b'$') {
        rest = rest.get(at + 1..).unwrap_or(&[]);
        if rest.starts_with(b"ref\"") || rest.starts_with(b"ref'") {
            return true;
        }
    }
    false
}

/// A copy of `root` with every reference replaced; one that names nothing, or itself, becomes null.
///
/// # Errors
/// When the copy would grow without reason.
pub(super) fn resolve(root: &Value) -> Result<Value, Error> {
    let mut copied = 0;
    copy(root, root, 0, &mut copied)
}

fn copy(root: &Value, node: &Value, depth: usize, copied: &mut usize) -> Result<Value, Error> {
    *copied += 1;
    if *copied > COPIES_MAX {
        return Err(Error::plain(format!("references expand to more than {COPIES_MAX} values")));
    }
    // A reference to one of its own holders ends here.
    if depth > DEPTH_MAX - 1 {
        return Ok(Value::Null);
    }
    match node {
        Value::Object(members) => {
            if let [(Value::Str(name), Value::Str(path))] = members.as_slice()
                && name == "$ref"
            {
                return match find(root, path) {
                    Some(target) => copy(root, target, depth + 1, copied),
                    None => Ok(Value::Null),
                };
            }
            let mut object = Vec::with_capacity(members.len());
            for (key, value) in members {
                object.push((key.clone(), copy(root, value, depth + 1, copied)?));
            }
            Ok(Value::Object(object))
        }
        Value::Array(items) => items
            .iter()
            .map(|item| copy(root, item, depth + 1, copied))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        other => Ok(other.clone()),
    }
}

/// What `$.a.b[0]` names, seen from the root. Other letters than letters and digits stand behind
/// `\` in a path.
fn find<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    let mut node = root;
    let mut rest = path.strip_prefix('$')?.chars().peekable();
    while let Some(opening) = rest.next() {
        let mut name = String::new();
        match opening {
            '.' => {
                while let Some(c) = rest.next_if(|c| !matches!(c, '.' | '[')) {
                    if c == '\\' {
                        name.extend(rest.next());
                    } else {
                        name.push(c);
                    }
                }
            }
            '[' => name.extend(std::iter::from_fn(|| rest.next().filter(|c| *c != ']'))),
            _ => return None,
        }
        node = match node {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            object => object.get(&name)?,
        };
    }
    Some(node)
}
