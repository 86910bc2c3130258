//! A proxy between a client and a daemon that does to the bytes what networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What the network does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Holds every piece up.
    Delay(Duration),
    /// Hands the bytes on one by one.
    SingleBytes,
    /// Ends connections in order, in the middle of a frame.
    Drop,
    /// Ends connections by a reset.
    Reset,
    /// Accepts bytes and hands none on, without ending anything.
    HalfOpen,
    /// Hands nothing on until it is over, and then everything: a partition that TCP outlives.
    Hold,
    /// Refuses new connections and hands on nothing of the old.
    Partition,
}

/// The fault of each way: to the daemon, and from it.
type Ways = [Arc<Mutex<Fault>>; 2];

/// A running proxy.
pub struct Proxy {
    pub port: u16,
    ways: Ways,
    connections: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy of the daemon on that port of this host.
    pub async fn start(upstream: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ways: Ways = std::array::from_fn(|_| Arc::new(Mutex::new(Fault::None)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (ways.clone(), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *shared[0].lock() == Fault::Partition {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else {
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(join(client, server, shared.clone()));
            }
        });
        Proxy { port, ways, connections, accepting }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on the network does that, both ways.
    pub fn set(&self, fault: Fault) {
        self.set_ways(fault, fault);
    }

    /// From now on the network does that on the way to the daemon, and that on the way from it.
    pub fn set_ways(&self, there: Fault, back: Fault) {
        *self.ways[0].lock() = there;
        *self.ways[1].lock() = back;
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn join(client: TcpStream, server: TcpStream, [to, from]: Ways) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let there = pump(client_in, server_out, to);
    let back = pump(server_in, client_out, from);
    // Whichever ends first ends both.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

/// One direction.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Arc<Mutex<Fault>>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let bytes = &buffer[..read];
        let now = *fault.lock();
        let handed = match now {
            Fault::None => to.write_all(bytes).await,
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                to.write_all(bytes).await
            }
            Fault::SingleBytes => {
                let mut handed = Ok(());
                for byte in bytes {
                    handed = to.write_all(&[*byte]).await;
                    if handed.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                handed
            }
            Fault::Drop => {
                let _ = to.write_all(&bytes[..read / 2]).await;
                return;
            }
            Fault::Reset => {
                let socket = from.as_ref();
                let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
                let _ = rustix::net::sockopt::set_socket_linger(to.as_ref(), Some(Duration::ZERO));
                return;
            }
            Fault::Hold => {
                while *fault.lock() == Fault::Hold {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                to.write_all(bytes).await
            }
            // The bytes are gone, and with them the sense of all that follow.
            Fault::HalfOpen | Fault::Partition => {
                while *fault.lock() == now {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                return;
            }
        };
        if handed.is_err() {
            return;
        }
    }
}
