//! Wrong variants of the real code, for tests that must notice them. The right code asks [`Planted::is`] where a
//! variant departs from it; without the feature `testing` the answer is `false`, and known when it is compiled.

/// Which part of the code a mutant is in: what is below cannot show it.
#[cfg_attr(not(feature = "testing"), allow(dead_code, unreachable_pub))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// [`lifecycle::Worker`](crate::lifecycle::Worker), which decides.
    Core,
    /// [`lifecycle::server`](crate::lifecycle::server), which joins the workers.
    Barrier,
    /// `shell`, which calls the system and OpenSSL.
    Shell,
}

/// Writes the table of all mutants out: by layer, the name, the number, and what is wrong, behind where it was made.
macro_rules! mutants {
    ($($layer:ident { $($name:ident $id:literal $about:literal,)+ })+) => {
        /// A wrong variant of the real code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(feature = "testing"), allow(dead_code, unreachable_pub))]
        pub enum Mutant {
            $($(#[doc = $about] $name,)+)+
        }

        #[cfg(feature = "testing")]
        impl Mutant {
            /// Every mutant.
            pub const ALL: &[Mutant] = &[$($(Mutant::$name,)+)+];

            /// Its number: `K` where the model knows the bug, or else what it breaks in SPEC.md.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $($(Mutant::$name => $id,)+)+ }
            }

            /// Where it was made, if elsewhere, and what is wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $($(Mutant::$name => $about,)+)+ }
            }

            /// Where it is.
            #[must_use]
            pub fn layer(self) -> Layer {
                match self { $($(Mutant::$name => Layer::$layer,)+)+ }
            }
        }
    };
}

mutants! {
    Core {
        CarriersFirst "K01" "mediasoup 3.14.4 (#1388): carriers are released before the transports are closed.",
        ConnectionsFirst "K02" "mediasoup #1388 over TCP: a closing server closes its connections, then the transports that use them.",
        EverySecondTransport "K03" "mediasoup #1369: the loop that closes the transports walks the set that shrinks under it.",
        ConnectionKept "K04" "mediasoup #1381: a connection that ends while its transport closes stays in the worker's table.",
        CloseBeforeUnmap "K05" "mediasoup #1392: a closing transport is unmapped when its connections are gone, not before they close.",
        StaleRoute "K06" "mediasoup #883: the tuple of a connection that ended stays in the routing table.",
        CompletionAfterClose "K09" "mediasoup #970: whether an alert that had to wait was sent is told to nobody once its transport closes.",
        FarewellForgotten "K10" "mediasoup #1382: that the alert was sent is not taken in once its transport closes.",
        RemoteCloseLeaks "K13" "mediasoup #259: a transport whose peer said close_notify keeps its connections when it closes.",
        SelectionKept "K15" "mediasoup #1176: the selected tuple survives the loss of all tuples.",
        LateTimer "K18" "mediasoup #257, libdatachannel #1103: timers stay armed when a transport closes; expired consent still acts.",
        ForeignTupleKept "K23" "mediasoup #1690: a tuple that is proved to be another transport's is still routed to its former one.",
        ErrorLeaks "K24" "mediasoup DtlsTransport: the error that a transport closed in mid-handshake leaves behind ends another's association.",
        NoDrainDeadline "K25" "mediasoup TcpConnectionHandle: a connection that cannot be flushed is waited for without a deadline.",
        AlertCancelled "K26" "mediasoup UdpSocketHandle: an alert for which the UDP socket has no room is thrown away when the server closes.",
        HardClose "K27" "mediasoup TcpConnectionHandle: a connection of a closing transport is closed with its last byte written, input unread.",
        FinFirst "K28" "mediasoup TcpConnectionHandle: `shutdown(WR)` does not wait for what is queued.",
        AlertTwice "K29" "pion/dtls #197: a transport whose peer said close_notify says its own again at its close.",
        SilentServerClose "K30" "mediasoup #1388: transports that close with their server say nothing.",
        RegistrationLeft "K32" "mediasoup WebRtcTransport: a transport that a closing worker refuses leaves its ufrag in the table.",
        AcceptWhileClosing "K35" "go-libp2p #2717: connections are accepted after the close began.",
        EventAfterReport "K39" "mediasoup #510: a change of state is reported after the transport was reported closed.",
        ReportedEarly "K42" "dimpl #155: an alert counts as sent, and one over UDP as over, while it waits.",
        AlertAfterUnmap "O1" "libcoap #332: the alert is made when its transport is in the routing tables no more.",
        RestartedUfragKept "O3" "pion/ice #412: the ufrag that a transport had before an ICE restart outlives it.",
        EvictsNewest "S6" "mediasoup TcpConnection: of too many tuples the newest gives way, even the one that was just proved.",
        EvictsSelected "S9" "of too many tuples the oldest gives way, even the selected one.",
        ReselectsOldest "TCP-11" "when the selected tuple is lost, the oldest of the others takes over.",
    }
    Barrier {
        CallerEarly "K37" "mediasoup #800: callers of `close()` are answered with the grant, before the carriers are released.",
        BarrierFirstWorker "K38" "mediasoup 8732091ff: carriers may be released when the first worker is drained.",
    }
    Shell {
        FramesAfterEnd "K08" "mediasoup #333: the frames of a read are handled to the last, whatever became of their connection.",
        QueueInherited "K11" "mediasoup #258: what a connection that closed had still to write goes out on the next one.",
        FingerprintIgnored "K17" "mediasoup #209: a fingerprint that does not match ends nothing: the association is used.",
        TimerAtZero "K19" "mediasoup #861: the timer of a flight is armed for at once, whatever is left of its time.",
        KeyWithoutSocket "K21" "mediasoup #1586: a UDP tuple is its remote address, whichever socket of ours it came to.",
        KeyWithoutProtocol "K21-TCP" "mediasoup #839: a tuple is a remote address, over UDP or TCP.",
        OwnerKept "K36" "webrtc-rs #608, #906: a transport that was reported closed stays in the table of its server.",
        TokenReused "K40" "mio, io_uring: the token of a connection that closed is the next one's, while its events wait.",
        ErrorQueueLeft "CLS-36" "mediasoup DtlsTransport: `SSL_shutdown` in a handshake fills the error queue, which is not cleared before the next call.",
        NeverGivesUp "CLS-07" "mediasoup TcpConnectionHandle: a connection whose deadline has passed is left to write what it has.",
        TryAgainDrops "CLS-05" "mediasoup UdpSocketHandle: an alert for which the UDP socket has no room is thrown away.",
        ClosesUnread "CLS-06" "mediasoup TcpConnectionHandle: `close` in place of `shutdown(WR)`: over unread input it resets the connection.",
        RestForgotten "TCP-16" "a frame of which the kernel took a part counts as written.",
        ReadIsFrame "TCP-03" "the beginning of a frame that a read did not complete is thrown away.",
        RestUnread "RES-14" "what one delivery leaves unread is forgotten, and the poll tells only of what comes later.",
        ErrorEndsListener "RES-02" "mediasoup TcpConnectionHandle: a connection that cannot be kept ends its listener.",
        ListenerWatched "O2" "go-libp2p #2717: the poll still watches a listener that accepts no more.",
        TokenKept "TCP-18" "a connection that closed stays in the table of tokens.",
        SocketKept "CLS-20" "the UDP sockets stay open when a server has closed.",
        AlarmKept "CLS-25" "the alarm that looks after the send queue outlives its connection.",
        SessionKept "DTL-15" "the session of a handshake that failed goes on repeating its last flight.",
    }
}

/// No mutant has this name or number.
#[cfg(feature = "testing")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no mutant; there are: {known}", known = known())]
pub struct UnknownMutant(String);

#[cfg(feature = "testing")]
fn known() -> String {
    let known: Vec<_> = Mutant::ALL.iter().map(|m| format!("{} {m:?}", m.id())).collect();
    known.join(", ")
}

#[cfg(feature = "testing")]
impl std::str::FromStr for Mutant {
    type Err = UnknownMutant;

    /// By its name or its number: `FinFirst` or `K28`.
    fn from_str(name: &str) -> Result<Self, UnknownMutant> {
        let is_called = |mutant: &&Mutant| mutant.id() == name || format!("{mutant:?}") == name;
        Mutant::ALL.iter().find(is_called).copied().ok_or_else(|| UnknownMutant(name.to_owned()))
    }
}

#[cfg(feature = "testing")]
impl Mutant {
    /// The mutants of what decides: those that lockstep can have.
    pub fn of_the_lifecycle() -> impl Iterator<Item = Mutant> {
        Mutant::ALL.iter().copied().filter(|mutant| mutant.layer() != Layer::Shell)
    }

    /// The mutants of what acts: those that need sockets.
    pub fn of_the_shell() -> impl Iterator<Item = Mutant> {
        Mutant::ALL.iter().copied().filter(|mutant| mutant.layer() == Layer::Shell)
    }
}

/// The mutant of a part of the code, if it was given one. Without the feature `testing` it is nothing, and takes no
/// room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Planted {
    #[cfg(feature = "testing")]
    mutant: Option<Mutant>,
}

impl Planted {
    #[cfg(feature = "testing")]
    pub(crate) const fn new(mutant: Option<Mutant>) -> Self {
        Planted { mutant }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) const fn is(self, _: Mutant) -> bool {
        false
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::Mutant;

    #[test]
    fn each_mutant_is_found_by_its_name_and_by_its_number() {
        for mutant in Mutant::ALL {
            assert_eq!(mutant.id().parse(), Ok(*mutant));
            assert_eq!(format!("{mutant:?}").parse(), Ok(*mutant));
        }
        let unknown = "K99".parse::<Mutant>().expect_err("there is none").to_string();
        assert!(
            unknown.starts_with("K99 is no mutant; there are: K01 CarriersFirst, "),
            "{unknown}"
        );
    }
}
