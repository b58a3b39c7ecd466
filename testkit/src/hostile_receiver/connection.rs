//! One connection to a hostile receiver: requests are read, deeds are done.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::deed::{Deed, End};
use super::{HostileRequest, Shared};

/// How long the head and the body of a request may be; what is longer ends its connection.
const HEAD_MAX_BYTES: usize = 64 << 10;
const BODY_MAX_BYTES: usize = 1 << 20;

/// How many bytes are sent at most where there is no end, for a client that would read for ever.
const ENDLESS_MAX_BYTES: usize = 256 << 20;

/// Serves a connection until it ends. An error is the client's end of it, which is no fault here.
pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(deed) = shared.deaf_deed() {
        return perform(&mut stream, &shared, &deed).await.map(drop);
    }
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let deed = shared.deed(request);
        if !perform(&mut stream, &shared, &deed).await? {
            break;
        }
    }
    Ok(())
}

/// Does a deed; answers whether the connection goes on.
async fn perform(stream: &mut TcpStream, shared: &Shared, deed: &Deed) -> io::Result<bool> {
    match deed.drip {
        None => send(stream, shared, &deed.bytes).await?,
        Some(pause) => {
            for byte in &deed.bytes {
                sleep(pause).await;
                send(stream, shared, &[*byte]).await?;
            }
        }
    }
    let mut sent = 0;
    while !deed.endless.is_empty() && sent < ENDLESS_MAX_BYTES {
        send(stream, shared, &deed.endless).await?;
        sent += deed.endless.len();
    }
    match deed.end {
        End::Next => return Ok(true),
        End::Hang if deed.reads => {
            // What the client still says is of no interest, its end is.
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).await? > 0 {}
        }
        // Until the receiver is dropped: without reading, it can't see the client leave.
        End::Hang => std::future::pending().await,
        End::Close => {}
        End::Reset => stream.set_zero_linger()?,
    }
    Ok(false)
}

/// Sends bytes, and counts those that the system took: what the client read, and what fits into the buffers between.
async fn send(stream: &mut TcpStream, shared: &Shared, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = stream.write(bytes).await?;
        shared.note_written(count as u64);
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Reads a request; `None` at the end of the connection, or if what comes is none.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<HostileRequest>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > HEAD_MAX_BYTES || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut request = HostileRequest { arrived: SystemTime::now(), head, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > BODY_MAX_BYTES {
        return Ok(None);
    }
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    request.body = buffer[head_end..head_end + length].to_vec();
    request.arrived = SystemTime::now();
    buffer.drain(..head_end + length);
    Ok(Some(request))
}
