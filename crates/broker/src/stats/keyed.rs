//! A map from a key to something that is counted in, made when it is first needed.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::RwLock;

pub(super) struct Keyed<K, T>(RwLock<HashMap<K, T>>);

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Keyed(RwLock::default())
    }
}

impl<K: Hash + Eq, T: Default> Keyed<K, T> {
    /// Works on the entry of the key; counting takes the shared lock only.
    pub(super) fn with<Q: Hash + Eq + ?Sized, R>(
        &self,
        key: &Q,
        own: impl FnOnce(&Q) -> K,
        work: impl FnOnce(&T) -> R,
    ) -> R
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.0.read().get(key) {
            return work(entry);
        }
        work(self.0.write().entry(own(key)).or_default())
    }

    /// Looks at the entry of the key, if there is one.
    pub(super) fn look<Q: Hash + Eq + ?Sized, R>(
        &self,
        key: &Q,
        work: impl FnOnce(&T) -> R,
    ) -> Option<R>
    where
        K: Borrow<Q>,
    {
        self.0.read().get(key).map(work)
    }

    pub(super) fn each(&self, mut see: impl FnMut(&K, &T)) {
        self.0.read().iter().for_each(|(key, entry)| see(key, entry));
    }

    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.write().remove(key);
    }
}

/// The key of a name.
pub(super) fn named(name: &str) -> Box<str> {
    name.into()
}
