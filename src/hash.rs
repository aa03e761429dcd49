//! The hashers of the house: fast ones with a per-process seed for maps that clients can influence.

/// A hash map seeded per process, so that keys chosen by a client cannot collide on purpose.
pub type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

/// A hash set seeded per process.
pub type Set<K> = hashbrown::HashSet<K, foldhash::fast::RandomState>;
