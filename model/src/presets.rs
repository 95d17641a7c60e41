//! The configurations, and which of them make up a preset.

use crate::config::{Aspects, Config, KernelAspects, OwnerAspects, Role, TransportConfig};
use crate::ids::{ListenerId, SocketId, WorkerId};

/// Several configurations that are checked together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What the command line calls it.
    pub name: &'static str,
    /// Its configurations, the smaller ones first.
    pub configs: Vec<Config>,
}

impl Preset {
    /// One transport: seconds.
    pub fn small() -> Self {
        Self { name: "small", configs: vec![Config::small()] }
    }

    /// Every pull request.
    pub fn standard() -> Self {
        Self {
            name: "standard",
            configs: vec![
                Config::small(),
                Config::handshake(),
                Config::kernel(),
                Config::reuse(),
                Config::eviction(),
                Config::takeover(),
                Config::restart(),
                Config::owner(),
                Config::carriers(),
                Config::handover(),
                Config::pair(),
                Config::connections(),
                Config::kernel_twice(),
                Config::twice(),
                Config::shared(),
                Config::shared_kernel(),
                Config::callbacks(),
                Config::callbacks_kernel(),
                Config::peer(),
            ],
        }
    }

    /// Every night.
    pub fn nightly() -> Self {
        let mut configs = Self::standard().configs;
        configs.extend([Config::three(), Config::alone()]);
        Self { name: "nightly", configs }
    }

    /// All of them, the smaller ones first.
    pub fn all() -> Vec<Self> {
        vec![Self::small(), Self::standard(), Self::nightly()]
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|preset| preset.name == name)
    }
}

impl Config {
    /// The configuration of this name.
    pub fn named(name: &str) -> Option<Self> {
        Preset::nightly().configs.into_iter().find(|config| config.name == name)
    }

    /// One worker with one socket and one listener, so many addresses and connections, two callers.
    fn of_one_worker(
        name: &'static str,
        purpose: &'static str,
        addresses: usize,
        connections: usize,
        transports: Vec<TransportConfig>,
    ) -> Self {
        Self {
            name,
            purpose,
            workers: 1,
            sockets: vec![WorkerId(0)],
            listeners: vec![WorkerId(0)],
            addresses: vec![SocketId(0); addresses],
            connections: vec![ListenerId(0); connections],
            transports,
            callers: 1,
            tuples_max: 8,
            kernel: KernelAspects::default(),
            owner: OwnerAspects::default(),
            mutant: None,
        }
    }

    /// One transport with UDP and TCP and two callers.
    pub fn small() -> Self {
        let transport = TransportConfig::new(&[0], &[0], Aspects::usual());
        Self {
            callers: 2,
            kernel: KernelAspects {
                full_sockets: true,
                full_connections: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "small",
                "every local interleaving of one transport with one UDP tuple and one TCP connection",
                1,
                1,
                vec![transport],
            )
        }
    }

    /// A handshake that stops anywhere, in either role, beside one that ended.
    pub fn handshake() -> Self {
        let aspects = Aspects {
            handshake_failure: true,
            flights: true,
            fatal_alert: true,
            owner_closes: true,
            ..Aspects::default()
        };
        let companion = Aspects { peer_closes: true, ..Aspects::default() };
        let transports = vec![
            TransportConfig::new(&[0], &[0], aspects).playing(Role::Client),
            TransportConfig::new(&[1], &[], companion),
        ];
        Self {
            // Two alerts may wait for one socket only where two transports have no other.
            kernel: KernelAspects { full_sockets: true, ..KernelAspects::default() },
            ..Self::of_one_worker(
                "handshake",
                "handshakes that stop at any flight, fail, or end in a fatal alert, beside one that succeeds",
                2,
                1,
                transports,
            )
        }
    }

    /// One connection and every state of its send buffer and of its input.
    pub fn kernel() -> Self {
        let aspects =
            Aspects { peer_closes: true, owner_closes: true, consent: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects {
                full_connections: true,
                little_room: true,
                unread_input: true,
                unseen_resets: true,
                missing_descriptors: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "kernel",
                "every state of a send buffer, unread input, resets that only a write shows",
                1,
                1,
                vec![TransportConfig::new(&[0], &[0], aspects)],
            )
        }
    }

    /// A connection whose addresses, ports and descriptor come back.
    pub fn reuse() -> Self {
        let aspects = Aspects { peer_closes: true, owner_closes: true, ..Aspects::default() };
        let other = Aspects { owner_closes: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects {
                reopened_connections: true,
                stale_events: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "reuse",
                "connections whose ports and descriptors come back for somebody else, within one batch of events",
                0,
                1,
                vec![
                    TransportConfig::new(&[], &[0], aspects),
                    TransportConfig::new(&[], &[0], other),
                ],
            )
        }
    }

    /// More tuples than a transport may have.
    pub fn eviction() -> Self {
        let aspects = Aspects {
            nomination: true,
            peer_closes: true,
            owner_closes: true,
            ..Aspects::default()
        };
        Self {
            tuples_max: 2,
            kernel: KernelAspects {
                full_sockets: true,
                full_connections: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "eviction",
                "a third tuple where two are allowed: the oldest gives way, selected or not, with a reply that waits",
                2,
                1,
                vec![TransportConfig::new(&[0, 1], &[0], aspects)],
            )
        }
    }

    /// Two transports whose peers share an address and a connection.
    pub fn takeover() -> Self {
        let aspects = Aspects { peer_closes: true, owner_closes: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects {
                full_sockets: true,
                full_connections: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "takeover",
                "tuples that another transport proves to be its own, also while an alert waits on them",
                1,
                1,
                vec![
                    TransportConfig::new(&[0], &[0], aspects),
                    TransportConfig::new(
                        &[0],
                        &[0],
                        Aspects { owner_closes: true, ..Aspects::default() },
                    ),
                ],
            )
        }
    }

    /// Old and new ufrags, loss of consent, and a new tuple afterwards.
    pub fn restart() -> Self {
        let aspects = Aspects {
            nomination: true,
            consent: true,
            restarts: true,
            owner_closes: true,
            ..Aspects::default()
        };
        Self::of_one_worker(
            "restart",
            "ICE restarts, disconnection, and reconnection on a new tuple",
            2,
            1,
            vec![TransportConfig::new(&[0, 1], &[0], aspects)],
        )
    }

    /// Everything that an owner may do at the wrong moment.
    pub fn owner() -> Self {
        let aspects = Aspects { owner_closes: true, ..Aspects::default() };
        Self {
            callers: 2,
            owner: OwnerAspects { dropped_handles: true, callbacks: true },
            ..Self::of_one_worker(
                "owner",
                "closes from inside callbacks, dropped handles, transports created while the server closes",
                1,
                1,
                vec![
                    TransportConfig::new(&[0], &[0], aspects),
                    TransportConfig::new(&[], &[], Aspects { created_later: true, ..aspects }),
                ],
            )
        }
    }

    /// Two UDP sockets and two listeners of one worker.
    pub fn carriers() -> Self {
        let aspects = Aspects { nomination: true, owner_closes: true, ..Aspects::default() };
        Self {
            sockets: vec![WorkerId(0); 2],
            listeners: vec![WorkerId(0); 2],
            addresses: vec![SocketId(0), SocketId(1)],
            connections: vec![ListenerId(1)],
            kernel: KernelAspects { full_sockets: true, ..KernelAspects::default() },
            ..Self::of_one_worker(
                "carriers",
                "several sockets and listeners: the same remote address at two of them, one of them full",
                2,
                1,
                vec![
                    TransportConfig::new(&[0], &[0], aspects),
                    TransportConfig::new(
                        &[1],
                        &[],
                        Aspects { owner_closes: true, ..Aspects::default() },
                    ),
                ],
            )
        }
    }

    /// Two transports on two workers, one of them with two TCP connections, and two callers.
    pub fn pair() -> Self {
        let aspects = Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() };
        Self {
            workers: 2,
            sockets: vec![WorkerId(0), WorkerId(1)],
            listeners: vec![WorkerId(0), WorkerId(1)],
            addresses: vec![SocketId(1)],
            connections: vec![ListenerId(0); 2],
            callers: 2,
            kernel: KernelAspects { full_connections: true, ..KernelAspects::default() },
            ..Self::of_one_worker(
                "pair",
                "two workers that acknowledge, two TCP connections of one transport, two callers",
                1,
                2,
                vec![
                    TransportConfig::new(&[], &[0, 1], aspects),
                    TransportConfig::new(
                        &[0],
                        &[],
                        Aspects { owner_closes: true, ..Aspects::default() },
                    )
                    .on(1),
                ],
            )
        }
    }

    /// Connections that the other worker accepts, one of which may be either's.
    pub fn handover() -> Self {
        let aspects = Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() };
        Self {
            workers: 2,
            sockets: vec![WorkerId(0), WorkerId(1)],
            listeners: vec![WorkerId(0), WorkerId(1)],
            addresses: vec![SocketId(1)],
            ..Self::of_one_worker(
                "handover",
                "connections that one worker accepts and hands to the other, in flight while either closes",
                1,
                2,
                vec![
                    TransportConfig::new(&[0], &[0, 1], aspects).on(1),
                    TransportConfig::new(
                        &[],
                        &[1],
                        Aspects { owner_closes: true, ..Aspects::default() },
                    ),
                ],
            )
        }
    }

    /// Two connections and every state of their send buffers.
    pub fn kernel_twice() -> Self {
        let aspects = Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects { missing_descriptors: false, ..Self::kernel().kernel },
            ..Self::of_one_worker(
                "kernel-twice",
                "every state of the send buffers of two connections of one transport",
                0,
                2,
                vec![TransportConfig::new(&[], &[0, 1], aspects)],
            )
        }
    }

    /// Two connections of one transport, of which another one may take one over.
    pub fn connections() -> Self {
        let aspects = Aspects { owner_closes: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects { full_sockets: true, ..KernelAspects::default() },
            owner: OwnerAspects { dropped_handles: true, callbacks: true },
            ..Self::of_one_worker(
                "connections",
                "two connections of one transport, one of them shared, and closes from inside callbacks",
                1,
                2,
                vec![
                    TransportConfig::new(&[0], &[0, 1], aspects),
                    TransportConfig::new(&[], &[1], Aspects::default()),
                ],
            )
        }
    }

    /// Two connections that come and go, of which one may be a tuple at a time.
    pub fn twice() -> Self {
        Self {
            tuples_max: 1,
            kernel: KernelAspects {
                unread_input: true,
                unseen_resets: true,
                reopened_connections: true,
                stale_events: true,
                ..KernelAspects::default()
            },
            ..Self::of_one_worker(
                "twice",
                "two connections that come and go, of which one may be a tuple at a time",
                0,
                2,
                vec![TransportConfig::new(&[], &[0, 1], Aspects::rich())],
            )
        }
    }

    /// Two transports that share every tuple, and whatever a peer may do with one of them.
    pub fn shared() -> Self {
        Self {
            tuples_max: 1,
            kernel: KernelAspects { full_sockets: true, ..KernelAspects::default() },
            transports: vec![
                TransportConfig::new(&[0], &[0], Aspects::rich()),
                TransportConfig::new(&[0], &[0], Aspects::default()),
            ],
            name: "shared",
            purpose: "tuples that change hands whatever else happens to their former transport",
            ..Self::takeover()
        }
    }

    /// Two transports that share a connection, and every state of its buffers.
    pub fn shared_kernel() -> Self {
        let aspects = Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() };
        Self {
            kernel: KernelAspects { missing_descriptors: false, ..KernelAspects::all() },
            ..Self::of_one_worker(
                "shared-kernel",
                "a connection that changes hands in every state of its buffers",
                0,
                1,
                vec![
                    TransportConfig::new(&[], &[0], aspects),
                    TransportConfig::new(&[], &[0], Aspects::default()),
                ],
            )
        }
    }

    /// Closes from inside every event that a peer can cause.
    pub fn callbacks() -> Self {
        Self {
            name: "callbacks",
            purpose: "closes from inside every event that a peer can cause",
            kernel: Self::small().kernel,
            owner: OwnerAspects { dropped_handles: true, callbacks: true },
            ..Self::peer()
        }
    }

    /// Closes from inside every event that the kernel can cause.
    pub fn callbacks_kernel() -> Self {
        Self {
            name: "callbacks-kernel",
            purpose: "closes from inside every event that the kernel can cause",
            owner: OwnerAspects { dropped_handles: true, callbacks: true },
            transports: vec![TransportConfig::new(
                &[],
                &[0],
                Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() },
            )],
            addresses: Vec::new(),
            ..Self::peer()
        }
    }

    /// One transport, and all that its peer and the kernel may do.
    pub fn peer() -> Self {
        let aspects = Aspects { flights: true, ..Aspects::rich() };
        Self {
            name: "peer",
            purpose: "whatever one peer and the kernel may do, all at once",
            callers: 1,
            tuples_max: 1,
            kernel: KernelAspects::all(),
            transports: vec![TransportConfig::new(&[0], &[0], aspects).playing(Role::Client)],
            ..Self::small()
        }
    }

    /// The same with a second address, two callers, and all that the owner may do.
    pub fn alone() -> Self {
        let aspects = Self::peer().transports[0].aspects;
        Self {
            name: "alone",
            purpose: "everything that can happen to one transport, all at once",
            callers: 2,
            tuples_max: 2,
            owner: OwnerAspects { dropped_handles: true, callbacks: true },
            addresses: vec![SocketId(0); 2],
            transports: vec![TransportConfig::new(&[0, 1], &[0], aspects)],
            ..Self::peer()
        }
    }

    /// Three transports on two workers.
    pub fn three() -> Self {
        let aspects = Aspects { owner_closes: true, peer_closes: true, ..Aspects::default() };
        let small = Aspects { owner_closes: true, ..Aspects::default() };
        Self {
            name: "three",
            purpose: "three transports on two workers: a closing loop that skips shows in the middle",
            addresses: vec![SocketId(0), SocketId(1)],
            connections: vec![ListenerId(0); 1],
            transports: vec![
                TransportConfig::new(&[0], &[], small),
                TransportConfig::new(&[], &[0], aspects),
                TransportConfig::new(&[1], &[], small).on(1),
            ],
            kernel: KernelAspects {
                full_sockets: true,
                full_connections: true,
                ..KernelAspects::default()
            },
            ..Self::pair()
        }
    }
}
