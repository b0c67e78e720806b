//! Finding the names of known tokens in a text: leftmost first, longest at one place.

use std::collections::{BTreeSet, HashMap};

/// A set of names, each with its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    ids: HashMap<String, u32>,
    /// For each first byte the lengths of the names that begin with it, longest first.
    lengths: HashMap<u8, Vec<usize>>,
}

impl Matcher {
    /// A matcher for the given names; empty names and repeated ones are left out.
    pub(crate) fn new(names: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut ids = HashMap::new();
        let mut lengths: HashMap<u8, BTreeSet<usize>> = HashMap::new();
        for (name, id) in names {
            if let Some(first) = name.bytes().next() {
                lengths.entry(first).or_default().insert(name.len());
                ids.entry(name).or_insert(id);
            }
        }
        let lengths = lengths
            .into_iter()
            .map(|(first, set)| (first, set.into_iter().rev().collect()))
            .collect();
        Self { ids, lengths }
    }

    /// The tokens.
    pub(crate) fn ids(&self) -> BTreeSet<u32> {
        self.ids.values().copied().collect()
    }

    /// Every match, in order, without overlaps.
    pub(crate) fn find(&self, text: &str) -> Vec<(u32, std::ops::Range<usize>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            match self.longest_at(text, at) {
                Some((id, end)) => {
                    found.push((id, at..end));
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    fn longest_at(&self, text: &str, at: usize) -> Option<(u32, usize)> {
        let lengths = self.lengths.get(text.as_bytes().get(at)?)?;
        lengths.iter().find_map(|length| {
            let id = self.ids.get(text.get(at..at + length)?)?;
            Some((*id, at + length))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftmost_then_longest() {
        let names =
            [("<a>", 1), ("<a>>", 2), ("é", 3), ("", 4)].map(|(name, id)| (name.to_string(), id));
        let matcher = Matcher::new(names);
        assert_eq!(
            matcher.find("x<a>>é<a>"),
            [(2, 1..5), (3, 5..7), (1, 7..10)]
        );
        assert_eq!(matcher.find("<a"), []);
        assert_eq!(matcher.ids().into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
