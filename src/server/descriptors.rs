//! File descriptors: as many as the system grants, and how many client connections they are good for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; both are logged. Returns what holds now, `None` for no limit.
pub(super) fn raise_limit() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        let limit = shown(before.current);
        tracing::info!(soft = limit, hard = limit, "descriptor limit: nothing to raise");
        return before.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum }) {
        Ok(()) => {
            tracing::info!(
                soft_before = shown(before.current),
                soft = shown(before.maximum),
                hard = shown(before.maximum),
                "descriptor limit raised"
            );
            before.maximum
        }
        Err(error) => {
            tracing::warn!(
                soft = shown(before.current),
                hard = shown(before.maximum),
                %error,
                "descriptor limit could not be raised"
            );
            before.current
        }
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".into(), |limit| limit.to_string())
}

/// The client connections that `limit` descriptors allow: each may need a second one for its backend, and
/// some are kept back. At least one.
pub(super) fn connections_for(limit: Option<u64>, n_workers: usize) -> usize {
    let Some(limit) = limit else { return UNLIMITED };
    let for_worker = KEPT_BACK_PER_WORKER + 2 * pipes_per_worker(Some(limit), n_workers);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // A short supply is not used up by what is kept back.
    let kept_back = (KEPT_BACK + for_worker * n_workers).min(limit / 2);
    ((limit - kept_back) / 2).clamp(1, UNLIMITED)
}

/// The pipes that each worker may open: two descriptors each, an eighth of them all.
pub(super) fn pipes_per_worker(limit: Option<u64>, n_workers: usize) -> usize {
    let Some(limit) = limit else { return PIPES_MAX };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    (limit / 8 / 2 / n_workers.max(1)).min(PIPES_MAX)
}

/// For the control thread, its helpers, logs and the standard streams.
const KEPT_BACK: usize = 64;

/// For a worker's event queue and listening sockets.
const KEPT_BACK_PER_WORKER: usize = 16;

/// Pipes of one worker, whatever the limit: each holds up to 256 KiB of kernel memory.
const PIPES_MAX: usize = 256;

/// "auto" where the system sets no limit: a million, so that memory has a bound all the same.
const UNLIMITED: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_has_two_descriptors_beyond_what_is_kept_back() {
        assert_eq!(connections_for(Some(20_000), 4), (20_000 - 64 - 64 - 4 * 512) / 2);
        assert_eq!(connections_for(Some(100), 4), 25);
        assert_eq!(connections_for(Some(1), 4), 1);
        assert_eq!(connections_for(None, 4), UNLIMITED);
        assert_eq!(connections_for(Some(u64::MAX), 4), UNLIMITED);
    }

    #[test]
    fn pipes_are_kept_back_from_connections() {
        assert_eq!(pipes_per_worker(Some(1024), 2), 32);
        assert_eq!(connections_for(Some(1024), 2), (1024 - 64 - 32 - 2 * 64) / 2);
        assert_eq!(pipes_per_worker(Some(1 << 20), 4), PIPES_MAX);
        assert_eq!(pipes_per_worker(None, 4), PIPES_MAX);
        assert_eq!(pipes_per_worker(Some(1), 4), 0);
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_after_raising() {
        let holds = raise_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, holds);
        assert_eq!(now.current, now.maximum);
    }
}
