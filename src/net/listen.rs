//! Binding: from a configured address to listening sockets, one for each worker.
//!
//! TCP gets one `SO_REUSEPORT` socket a worker, so that the kernel spreads connections and no two workers
//! wake for one; but first the port is bound *without* it, because with it alone a port that another
//! process of this user listens on would be shared in silence. A unix socket is one socket, duplicated.
//! Accepting is in `accept`; who accepts, and when, is the server's business.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::Bind;

/// The sockets of one bind address, listening.
#[derive(Debug)]
pub struct Listening {
    /// One non-blocking socket for each worker.
    pub sockets: Vec<OwnedFd>,
    /// The address as bound: port 0 has become a number.
    pub bound: Bind,
    /// The file of a unix socket; dropping this removes it if it is still ours.
    pub file: Option<SocketFile>,
}

/// Why an address could not be listened on. The text names the address, the cause and a remedy.
#[derive(Debug)]
pub struct BindError {
    /// What was to be bound.
    pub bind: Bind,
    /// What the system said.
    pub cause: io::Error,
    remedy: &'static str,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}; {}", display(&self.bind), self.cause, self.remedy)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl BindError {
    fn new(bind: &Bind, cause: io::Error) -> Self {
        let remedy = match (bind, cause.kind()) {
            (Bind::Tcp(_), io::ErrorKind::AddrInUse) => {
                "another process listens there: stop it, or bind another port"
            }
            (Bind::Unix(_), io::ErrorKind::AddrInUse) => {
                "a process answers on that socket, or the file is no socket: stop it, or choose another path"
            }
            (Bind::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
                "this machine has no such address: use one of its own, or 0.0.0.0 or [::] for all"
            }
            (Bind::Tcp(_), io::ErrorKind::PermissionDenied) => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or bind a higher port"
            }
            (Bind::Unix(_), io::ErrorKind::PermissionDenied) => {
                "make its directory writable for this user"
            }
            (Bind::Unix(_), io::ErrorKind::NotFound) => "create its directory first",
            (Bind::Unix(_), io::ErrorKind::InvalidInput) => {
                "a unix socket's path has at most 107 bytes: choose a shorter one"
            }
            _ => "check the address, and the limits of this process",
        };
        BindError { bind: bind.clone(), cause, remedy }
    }
}

/// Writes a bind address as the configuration does.
pub fn display(bind: &Bind) -> impl fmt::Display + '_ {
    struct Shown<'a>(&'a Bind);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                Bind::Tcp(address) => address.fmt(f),
                Bind::Unix(path) => write!(f, "unix:{}", path.display()),
            }
        }
    }
    Shown(bind)
}

/// Listens on `bind` with `n_workers` sockets (at least one) and an accept queue of `backlog` connections each.
/// TCP ports in `own_ports` are held by this process already, on other addresses perhaps, and are shared.
///
/// Fails when the address is in use, not of this machine, or not permitted; nothing stays bound then.
pub fn listen(
    bind: &Bind,
    n_workers: usize,
    backlog: u32,
    own_ports: &[u16],
) -> Result<Listening, BindError> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    match bind {
        Bind::Tcp(address) => {
            // Port 0 needs no probe: the kernel chooses a port that nobody has. Neither does one of ours: a
            // reload from 0.0.0.0:80 to 127.0.0.1:80 binds the new before it closes the old.
            let probe = address.port() != 0 && !own_ports.contains(&address.port());
            let probed = if probe { probe_tcp(*address) } else { Ok(()) };
            probed.and_then(|()| listen_tcp(*address, n_workers, backlog))
        }
        Bind::Unix(path) => listen_unix(path, n_workers, backlog, None),
    }
    .map_err(|cause| BindError::new(bind, cause))
}

/// Listens on the unix socket `path`, which nobody but this user (and root) can connect to: its mode is 0600.
///
/// Fails as [`listen`] does.
pub fn listen_privately(path: &Path) -> Result<Listening, BindError> {
    listen_unix(path, 1, PRIVATE_BACKLOG, Some(Mode::RUSR | Mode::WUSR))
        .map_err(|cause| BindError::new(&Bind::Unix(path.to_path_buf()), cause))
}

/// Connections that wait to be accepted on a private socket.
const PRIVATE_BACKLOG: i32 = 128;

/// Changes the length of a listening socket's accept queue.
pub fn set_backlog(socket: &OwnedFd, backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    rustix::net::listen(socket, backlog).map_err(io::Error::from)
}

/// Binds without SO_REUSEPORT and closes again: fails if anybody listens there, however it is bound.
fn probe_tcp(address: SocketAddr) -> io::Result<()> {
    tcp_socket(address, ReusePort::No).map(drop)
}

fn listen_tcp(address: SocketAddr, n_workers: usize, backlog: i32) -> io::Result<Listening> {
    let mut bound = address;
    let mut sockets = Vec::with_capacity(n_workers);
    for _ in 0..n_workers {
        let socket = tcp_socket(bound, ReusePort::Yes)?;
        if bound.port() == 0 {
            bound = socket.local_addr()?.as_socket().unwrap_or(bound);
        }
        sockets.push(socket);
    }
    // Listen last: until here no connection can have been queued that a failure would reset.
    for socket in &sockets {
        socket.listen(backlog)?;
    }
    let sockets = sockets.into_iter().map(OwnedFd::from).collect();
    Ok(Listening { sockets, bound: Bind::Tcp(bound), file: None })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReusePort {
    No,
    Yes,
}

fn tcp_socket(address: SocketAddr, reuse_port: ReusePort) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Connections of a former process in TIME_WAIT must not keep us from the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:80` and `0.0.0.0:80` are two addresses that can stand side by side.
        socket.set_only_v6(true)?;
    }
    if reuse_port == ReusePort::Yes {
        socket.set_reuse_port(true)?;
        // Inherited by accepted sockets on Linux: one system call less for each connection.
        socket.set_tcp_nodelay(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// `mode` is what the file's mode is to be at most; `None` leaves it to the umask.
fn listen_unix(
    path: &Path,
    n_workers: usize,
    backlog: i32,
    mode: Option<Mode>,
) -> io::Result<Listening> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(mode) = mode {
        // Linux makes the file with the mode that the socket has when it is bound: there is no moment at which
        // it is wider, and the umask, which all threads share, stays as it is.
        rustix::fs::fchmod(&socket, mode)?;
    }
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    socket.listen(backlog)?;
    let mut sockets = Vec::with_capacity(n_workers);
    for _ in 1..n_workers {
        sockets.push(OwnedFd::from(socket.try_clone()?));
    }
    sockets.push(OwnedFd::from(socket));
    Ok(Listening { sockets, bound: Bind::Unix(path.to_path_buf()), file: Some(file) })
}

/// Removes the file of a dead process; one that answers, or is no socket, is left alone (bind then fails).
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Ok(());
    }
    // Non-blocking: the owner's accept queue may be full, which must not hold us up.
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Somebody lives there, or we may not know: `bind` says what is wrong.
        _ => Ok(()),
    }
}

/// The file of a bound unix socket. Dropping it removes the file, unless somebody has put another in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_path_buf(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is still there, and nobody has put another in its place.
    pub fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place() {
            // It may vanish between the two calls; then there is nothing left to do.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn tcp(text: &str) -> Bind {
        Bind::Tcp(text.parse().expect("a socket address"))
    }

    #[test]
    fn port_zero_gives_every_worker_the_same_free_port() {
        let listening = listen(&tcp("127.0.0.1:0"), 4, 16, &[]).expect("bound");
        assert_eq!(listening.sockets.len(), 4);
        let Bind::Tcp(bound) = listening.bound else { panic!("tcp became {:?}", listening.bound) };
        for socket in listening.sockets {
            assert_eq!(TcpListener::from(socket).local_addr().expect("an address"), bound);
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_that_names_address_and_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = taken.local_addr().expect("an address");
        let error = listen(&Bind::Tcp(address), 2, 16, &[]).expect_err("in use");
        let text = error.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("stop it"), "{text}");
    }

    #[test]
    fn a_port_that_was_bound_to_be_shared_is_not_shared_by_us() {
        let first = listen(&tcp("127.0.0.1:0"), 2, 16, &[]).expect("bound");
        let error = listen(&first.bound, 2, 16, &[]).expect_err("in use, though by SO_REUSEPORT");
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
        drop(first.sockets);
        listen(&first.bound, 2, 16, &[]).expect("free again");
    }

    #[test]
    fn a_port_of_our_own_may_be_bound_on_another_address() {
        let all = listen(&tcp("0.0.0.0:0"), 1, 16, &[]).expect("bound");
        let Bind::Tcp(address) = all.bound else { panic!("tcp") };
        let local = tcp(&format!("127.0.0.1:{}", address.port()));
        listen(&local, 1, 16, &[]).expect_err("in use");
        listen(&local, 1, 16, &[address.port()]).expect("shared with ourselves");
    }

    #[test]
    fn the_two_wildcards_stand_side_by_side() {
        let v4 = listen(&tcp("0.0.0.0:0"), 1, 16, &[]).expect("bound");
        let Bind::Tcp(address) = v4.bound else { panic!("tcp") };
        match listen(&tcp(&format!("[::]:{}", address.port())), 1, 16, &[]) {
            Ok(_) => {}
            // Another process may hold the port on IPv6, or this machine may have none.
            Err(error) => assert_ne!(error.cause.kind(), io::ErrorKind::InvalidInput, "{error}"),
        }
    }

    #[test]
    fn accepted_sockets_inherit_nodelay() {
        let listening = listen(&tcp("127.0.0.1:0"), 1, 16, &[]).expect("bound");
        let Bind::Tcp(address) = listening.bound else { panic!("tcp") };
        let _client = TcpStream::connect(address).expect("connected");
        let socket = listening.sockets.into_iter().next().expect("one socket");
        let listener = TcpListener::from(socket);
        listener.set_nonblocking(false).expect("blocking");
        let (accepted, _) = listener.accept().expect("accepted");
        assert!(accepted.nodelay().expect("an option"));
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_removed_at_the_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "closing a socket leaves its file");
        let listening = listen(&Bind::Unix(path.clone()), 3, 16, &[]).expect("replaced");
        assert_eq!(listening.sockets.len(), 3);
        UnixStream::connect(&path).expect("connected");
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn a_private_socket_is_for_its_user_alone_whatever_the_umask() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("admin.sock");
        let mode = || fs::symlink_metadata(&path).expect("bound").mode() & 0o7777;
        let listening = listen_privately(&path).expect("bound");
        assert_eq!(mode(), 0o600);
        assert!(listening.file.as_ref().is_some_and(SocketFile::is_in_place));
        listen_privately(&path).expect_err("in use");
        drop(listening);
        drop(UnixListener::bind(&path).expect("bound"));
        let _listening = listen_privately(&path).expect("a stale one is replaced");
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn a_live_unix_socket_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.sock");
        let _owner = UnixListener::bind(&path).expect("bound");
        let error = listen(&Bind::Unix(path.clone()), 1, 16, &[]).expect_err("in use");
        assert!(error.to_string().contains("x.sock"), "{error}");
        UnixStream::connect(&path).expect("the owner still answers");
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.txt");
        fs::write(&path, "precious").expect("written");
        listen(&Bind::Unix(path.clone()), 1, 16, &[]).expect_err("in use");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    }

    #[test]
    fn a_socket_file_that_another_process_replaced_is_not_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.sock");
        let listening = listen(&Bind::Unix(path.clone()), 1, 16, &[]).expect("bound");
        // Renamed over, so that the inode differs for certain: the old file still exists meanwhile.
        let other = directory.path().join("y.sock");
        let _other = UnixListener::bind(&other).expect("bound");
        fs::rename(&other, &path).expect("renamed");
        drop(listening);
        assert!(path.exists());
    }
}
