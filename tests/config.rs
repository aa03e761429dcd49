//! The configuration held against the rooms above it.

use forebay::balance::STRATEGIES;
use forebay::config::BALANCES;

#[test]
fn the_strategies_that_a_configuration_can_name_are_those_that_exist() {
    let mut registered: Vec<_> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
    let mut named = BALANCES.to_vec();
    registered.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, registered);
}
