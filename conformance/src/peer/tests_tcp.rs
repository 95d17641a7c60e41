//! TCP and UDP paths over loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;
use webrtc_server::wire::framing::frame;

use super::{PeerError, StreamEnd, TcpOptions, TcpPath, UdpPath};
use crate::PATIENCE;

fn pair(options: TcpOptions) -> (TcpPath, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("bound");
    let path = TcpPath::connect(address, options).expect("a connection");
    let (server, from) = listener.accept().expect("a connection");
    assert_eq!(from, path.local_addr());
    (path, server)
}

fn read(server: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    server.read_exact(&mut bytes).expect("bytes");
    bytes
}

#[test]
fn frames_go_out_behind_their_length_and_come_in_without_it() {
    let (mut path, mut server) = pair(TcpOptions::default());
    path.send_frame(b"hello").expect("sent");
    assert_eq!(read(&mut server, 7), b"\0\x05hello");
    let stream = [frame(b"one").expect("short"), frame(b"two").expect("short")].concat();
    server.write_all(&stream[..7]).expect("written");
    path.await_readable(PATIENCE).expect("bytes");
    assert_eq!(path.collect().expect("frames"), vec![b"one".to_vec()]);
    assert_eq!((path.partial_bytes(), path.end()), (2, StreamEnd::Open));
    server.write_all(&stream[7..]).expect("written");
    path.await_readable(PATIENCE).expect("bytes");
    assert_eq!(path.collect().expect("frames"), vec![b"two".to_vec()]);
    assert_eq!(path.collect().expect("nothing"), Vec::<Vec<u8>>::new());
}

#[test]
fn segments_can_be_read_apart() {
    let (mut path, mut server) = pair(TcpOptions::default());
    path.send_segments(&[b"\0", b"\x03ab", b"c"]).expect("sent");
    assert_eq!(read(&mut server, 5), b"\0\x03abc");
    path.send_raw(b"\0\x02x").expect("sent");
    path.await_acknowledged(PATIENCE).expect("acknowledged");
    let mut buffer = [0; 16];
    assert_eq!(server.read(&mut buffer).expect("the first half"), 3);
    path.send_raw(b"y").expect("sent");
    assert_eq!(server.read(&mut buffer).expect("the second half"), 1);
}

#[test]
fn a_fin_behind_unread_frames_is_seen_before_they_are_read() {
    let (mut path, mut server) = pair(TcpOptions::default());
    server.write_all(&frame(b"last words").expect("short")).expect("written");
    server.shutdown(Shutdown::Write).expect("FIN");
    path.await_end(PATIENCE).expect("an end");
    assert_eq!(path.end(), StreamEnd::Open);
    assert_eq!(path.collect().expect("frames"), vec![b"last words".to_vec()]);
    assert_eq!(path.end(), StreamEnd::Fin);
}

#[test]
fn a_reset_is_told_from_a_fin() {
    let (mut path, server) = pair(TcpOptions::default());
    SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(server);
    path.await_end(PATIENCE).expect("an end");
    assert_eq!(path.collect().expect("nothing"), Vec::<Vec<u8>>::new());
    assert_eq!(path.end(), StreamEnd::Reset);
    path.send_frame(b"too late").expect("swallowed");
}

#[test]
fn a_reset_that_a_write_meets_first_is_no_fin() {
    let (mut path, server) = pair(TcpOptions::default());
    SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(server);
    path.await_end(PATIENCE).expect("an end");
    path.send_frame(b"too late").expect("swallowed");
    path.collect().expect("nothing");
    assert_eq!((path.end(), path.unsent_bytes()), (StreamEnd::Reset, 0));
}

#[test]
fn a_fin_stays_a_fin_when_a_write_provokes_a_reset_behind_it() {
    let (mut path, mut server) = pair(TcpOptions::default());
    server.write_all(&frame(b"last").expect("short")).expect("written");
    drop(server);
    path.await_end(PATIENCE).expect("an end");
    path.send_frame(b"provokes the reset").expect("taken by the kernel");
    path.send_frame(b"meets it").expect("swallowed");
    // The kernel throws away what was unread when the reset came.
    path.collect().expect("whatever is left");
    assert_eq!(path.end(), StreamEnd::Fin);
}

#[test]
fn this_side_can_finish_and_still_read() {
    let (mut path, mut server) = pair(TcpOptions::default());
    path.finish().expect("FIN");
    assert_eq!(server.read(&mut [0; 4]).expect("end of file"), 0);
    server.write_all(&frame(b"still open").expect("short")).expect("written");
    path.await_readable(PATIENCE).expect("bytes");
    assert_eq!(path.collect().expect("frames").len(), 1);
    path.send_frame(b"after my own FIN").expect_err("misuse");
    path.reset().expect("RST");
    // Whoever has read a FIN reads end of file for ever: the RST shows in a write only.
    assert_eq!(server.read(&mut [0; 4]).expect("end of file"), 0);
    let error = server.write(b"x").expect_err("reset");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn this_side_can_reset() {
    let (mut path, mut server) = pair(TcpOptions::default());
    path.reset().expect("RST");
    let error = server.read(&mut [0; 4]).expect_err("reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    path.send_frame(b"after my own RST").expect_err("misuse");
    path.await_end(PATIENCE).expect_err("there is nobody left to hear from");
}

#[test]
fn a_small_receive_buffer_makes_the_servers_writes_partial() {
    let options = TcpOptions { receive_buffer: Some(2304), local: None };
    let (mut path, mut server) = pair(options);
    SockRef::from(&server).set_send_buffer_size(4608).expect("a buffer size");
    server.set_nonblocking(true).expect("non-blocking");
    let framed = frame(&[7; 1398]).expect("short");
    let mut written = 0;
    while let Ok(length) = server.write(&framed[written % framed.len()..]) {
        written += length;
    }
    assert!(written < 64 * 1024, "{written} bytes");
    let mut frames = 0;
    while frames < written / framed.len() {
        path.await_readable(PATIENCE).expect("bytes");
        frames += path.collect().expect("frames").len();
    }
}

#[test]
fn what_the_kernel_does_not_take_waits() {
    let (mut path, mut server) = pair(TcpOptions::default());
    let payload = vec![3; 60_000];
    let mut frames = 0;
    while path.unsent_bytes() == 0 {
        path.send_frame(&payload).expect("kept");
        frames += 1;
    }
    path.await_flushed(Duration::from_millis(1)).expect_err("nobody reads");
    let reader = std::thread::spawn(move || read(&mut server, frames * 60_002).len());
    path.await_flushed(PATIENCE).expect("flushed");
    assert_eq!(reader.join().expect("read"), frames * 60_002);
}

#[test]
fn a_barrier_that_is_not_reached_says_so_in_time() {
    let (path, _server) = pair(TcpOptions::default());
    let wait = Duration::from_millis(20);
    for waiting in [TcpPath::await_readable, TcpPath::await_end] {
        let start = Instant::now();
        let missed = waiting(&path, wait);
        assert!(matches!(missed, Err(PeerError::Barrier { waited, .. }) if waited == wait));
        assert!(start.elapsed() >= wait);
    }
}

#[test]
fn datagrams_of_strangers_are_counted_and_dropped() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address: SocketAddr = server.local_addr().expect("bound");
    let mut path = UdpPath::open(address).expect("a path");
    stranger.send_to(b"psst", path.local_addr()).expect("sent");
    server.send_to(b"first", path.local_addr()).expect("sent");
    server.send_to(b"second", path.local_addr()).expect("sent");
    path.await_readable(PATIENCE).expect("a datagram");
    assert_eq!(path.collect().expect("datagrams"), vec![b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(path.strangers(), 1);
    path.send(b"answer").expect("sent");
    let mut buffer = [0; 16];
    let (length, from) = server.recv_from(&mut buffer).expect("the answer");
    assert_eq!((&buffer[..length], from), (&b"answer"[..], path.local_addr()));
    path.close();
    path.send(b"gone").expect_err("closed");
    drop(UdpSocket::bind(path.local_addr()).expect("the port is free again"));
}
