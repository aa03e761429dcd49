//! A DNS name whose addresses change under load.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay::config::Source;
use forebay::control::Settings;

use crate::support::{Crowd, Moody, Proxy, eventually};
use crate::{WHILE, three};

#[test]
fn a_name_with_other_addresses_costs_no_error() {
    let (first, second) = (three(), three());
    let of = |backends: &[Moody; 3]| backends.each_ref().map(Moody::address).to_vec();
    let known: Arc<Mutex<Vec<SocketAddr>>> = Arc::new(Mutex::new(of(&first)));
    let text = "[global]\nworkers = 4\nshutdown_grace = \"2s\"\n[[listener]]\nbind = \"127.0.0.1:0\"\n\
                [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"app.test:80\"]\n";
    let mut settings = Settings::new(Source::Text { name: "test.toml".into(), text: text.into() });
    settings.names_every = Duration::from_millis(1);
    let answers = Arc::clone(&known);
    settings.lookup = Arc::new(move |_| -> io::Result<Vec<SocketAddr>> {
        Ok(answers.lock().unwrap_or_else(PoisonError::into_inner).clone())
    });
    let proxy = Proxy::from_settings(settings);
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(WHILE);
    let asked = |backends: &[Moody; 3]| backends.iter().all(|backend| backend.n_requests() > 0);
    assert!(asked(&first) && !asked(&second));
    // Two of three are others; then the third as well.
    let mixed = vec![first[0].address(), second[0].address(), second[1].address()];
    for now in [mixed, of(&second)] {
        *known.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
        eventually("the set is another", || {
            now.iter().all(|address| proxy.standing(*address).is_some())
        });
        crowd.goes_on_for(WHILE);
    }
    assert!(asked(&second));
    let n_before: usize = first.iter().map(Moody::n_requests).sum();
    crowd.goes_on_for(WHILE);
    assert_eq!(first.iter().map(Moody::n_requests).sum::<usize>(), n_before, "they have gone");
    crowd.finish().all_well();
}
