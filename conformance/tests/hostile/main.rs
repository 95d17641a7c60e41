//! Hostile peers and bad input against a real server. Every test ends with the same questions, asked by
//! [`support::Fixture::end`]: is somebody else still served, and did everything that was opened get closed?

mod association;
mod deadlines;
mod demux;
mod dtls;
mod faults;
mod flow;
mod ice;
mod poison;
mod records;
mod resources;
mod stun;
mod support;
mod tcp;
