//! The owner's rows in memory: what was folded lately is folded again soon.

use std::{collections::HashMap, hash::Hash};

/// A bounded cache in two halves. Reads and writes go to the young half; when it is full it becomes the old one, and
/// what nobody asked for since is dropped with the former old one.
#[derive(Debug)]
pub struct RowCache<K, R> {
    young: HashMap<K, R>,
    old: HashMap<K, R>,
    half: usize,
}

impl<K: Hash + Eq, R> RowCache<K, R> {
    /// A cache of at most `rows_max` rows.
    pub fn new(rows_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: rows_max / 2 }
    }

    /// Takes a row out; whoever takes it puts it back.
    pub fn take(&mut self, key: &K) -> Option<R> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Puts a row in.
    pub fn put(&mut self, key: K, row: R) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_it_may() {
        let mut cache = RowCache::new(10);
        for key in 0..1_000 {
            cache.put(key, key);
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert_eq!(cache.take(&999), Some(999));
        assert_eq!(cache.take(&0), None);
    }
}
