//! The hostile receiver misbehaves as it is told to, and no more.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::time::Duration;

use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Deed, HostileReceiver, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const REQUEST: &[u8] = b"POST /hook/7?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

async fn connected(receiver: &HostileReceiver) -> TcpStream {
    let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    stream
}

/// Sends a request, and returns what comes until the connection ends.
async fn asked(receiver: &HostileReceiver) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, connected(receiver).await.read_to_end(&mut bytes)).await.unwrap()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether nothing comes, and the connection stays.
async fn hangs(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(50), stream.read(&mut [0; 1])).await.is_err()
}

#[tokio::test]
async fn requests_are_recorded_and_answered_by_script_then_by_rule() {
    let receiver = HostileReceiver::start_with(|request| match request.path() {
        "/hook/7?x=1" => Deed::status(204).then_hang(),
        _ => Deed::close(),
    })
    .unwrap();
    receiver.next([Deed::answer(200, &[("x-a", "b")], "fine")]);
    let mut stream = connected(&receiver).await;
    let whole = "HTTP/1.1 200 Hostile\r\nx-a: b\r\ncontent-length: 4\r\n\r\nfine";
    let mut answer = vec![0; whole.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), whole);
    // The connection is kept, and the rule decides.
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    let requests = receiver.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!((requests[1].header("host"), requests[1].body.as_slice()), (Some("x"), b"hello".as_slice()));
    assert_eq!((receiver.connections(), receiver.received(), receiver.open()), (1, 2, 1));
    drop(stream);
    let closed = eventually(PATIENCE, async || if receiver.open() == 0 { Ok(()) } else { Err(receiver.open()) });
    closed.await.unwrap();
    let error = receiver.wait_for(3, Duration::from_millis(20)).await.unwrap_err().to_string();
    assert_eq!(error, "2 of 3 requests on 1 connections within 20ms");
}

#[tokio::test]
async fn answers_are_cut_where_they_are_told_to() {
    let receiver = HostileReceiver::start(Deed::close()).unwrap();
    receiver.next([
        Deed::status(200).cut(11),
        Deed::wrong_length(200, 100, "short"),
        Deed::unfinished_chunks(200).cut(56),
        Deed::garbage(),
        Deed::status(200).dripping(Duration::from_millis(1)).cut(15),
    ]);
    assert_eq!(asked(&receiver).await.unwrap(), "HTTP/1.1 20");
    assert_eq!(asked(&receiver).await.unwrap(), "HTTP/1.1 200 Hostile\r\ncontent-length: 100\r\n\r\nshort");
    assert!(asked(&receiver).await.unwrap().ends_with("chunked\r\n\r\n5\r\nh"));
    assert!(asked(&receiver).await.unwrap().starts_with("SSH-2.0"));
    assert_eq!(asked(&receiver).await.unwrap(), "HTTP/1.1 200 Ho");
    assert_eq!(asked(&receiver).await.unwrap(), "");
}

#[tokio::test]
async fn connections_hang_and_are_reset() {
    let receiver = HostileReceiver::start(Deed::deaf()).unwrap();
    let mut deaf = connected(&receiver).await;
    assert!(hangs(&mut deaf).await);
    receiver.next([Deed::hang(), Deed::reset(), Deed::deaf()]);
    let mut hanging = connected(&receiver).await;
    receiver.wait_for(1, PATIENCE).await.unwrap();
    assert!(hangs(&mut hanging).await);
    assert_eq!(asked(&receiver).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(hangs(&mut connected(&receiver).await).await);
    // Nothing was read from those that met a deaf one.
    assert_eq!((receiver.received(), receiver.connections()), (2, 4));
}

#[tokio::test]
async fn what_has_no_end_stops_when_nobody_reads() {
    for (deed, start) in [
        (Deed::endless_body(200), "connection: close\r\n\r\nxxx"),
        (Deed::endless_chunks(200), "chunked\r\n\r\n4000\r\nxxx"),
        (Deed::endless_headers(200), "x-more: and more\r\nx-more"),
    ] {
        let receiver = HostileReceiver::start(deed).unwrap();
        let mut stream = connected(&receiver).await;
        let mut bytes = vec![0; 100];
        stream.read_exact(&mut bytes).await.unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(start), "{start}");
        stream.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        assert!(receiver.written() > 1 << 20);
        drop(stream);
        let closed = eventually(PATIENCE, async || if receiver.open() == 0 { Ok(()) } else { Err(receiver.open()) });
        closed.await.unwrap();
        assert!(receiver.written() < 128 << 20, "{} bytes", receiver.written());
    }
}
