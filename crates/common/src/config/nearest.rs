//! The known key nearest to a misspelled one.

/// The candidate with the smallest edit distance to `key`, letters compared without case, provided
/// it is near enough to be what was meant (a third of the key's length, at least one edit).
pub fn nearest_key<'a>(
    key: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A longer text is no misspelled key, and the distance costs its square.
    const KEY_CHARS_MAX: usize = 100;
    let wanted: Vec<char> = key.chars().take(KEY_CHARS_MAX + 1).map(lower).collect();
    if wanted.len() > KEY_CHARS_MAX {
        return None;
    }
    let limit = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn lower(c: char) -> char {
    c.to_ascii_lowercase()
}

/// Levenshtein distance, one row at a time.
fn distance(wanted: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (index, c) in candidate.chars().map(lower).enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, w) in row.iter_mut().skip(1).zip(wanted) {
            let replaced = diagonal + usize::from(*w != c);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}
