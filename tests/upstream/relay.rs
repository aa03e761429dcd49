//! A TCP relay that can be cut.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Its connections.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Mutex<Vec<TcpStream>>>);

impl Cut {
    /// Ends every connection there is.
    pub fn cut(&self) {
        for stream in self.0.lock().expect("a lock").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// One to `target`, and what cuts it.
pub fn to(target: SocketAddr) -> (SocketAddr, Cut) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let cut = Cut::default();
    let streams = cut.clone();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(target) else { continue };
            let both =
                |a: &TcpStream, b: &TcpStream| Some((a.try_clone().ok()?, b.try_clone().ok()?));
            for (mut from, mut into) in [both(&near, &far), both(&far, &near)].into_iter().flatten()
            {
                std::thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut into);
                    let _ = into.shutdown(Shutdown::Write);
                });
            }
            streams.0.lock().expect("a lock").extend([near, far]);
        }
    });
    (address, cut)
}
