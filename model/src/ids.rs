//! Names of things: small numbers, counted from 0.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u8);

        impl $name {
            /// Its place in the lists of a state or of a configuration.
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    )*};
}

ids! {
    /// Which transport, in the order of creation.
    TransportId,
    /// Which TCP connection among those that peers may open. Opened again it has the same addresses and ports.
    ConnectionId,
    /// Which remote address, as seen by the UDP socket at which its datagrams arrive.
    AddressId,
    /// Which UDP socket.
    SocketId,
    /// Which TCP listener.
    ListenerId,
    /// Which worker.
    WorkerId,
    /// Which owner of a handle of the server.
    CallerId,
}
