//! A connection that this node has dialled: requests out, answers in.

use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::interval,
};

use super::{
    connection::{Arrived, Reader, Writer, split},
    link::{End, Link},
};

/// Carries the calls of a link until the connection is of no use any more.
pub(super) async fn run<S: AsyncRead + AsyncWrite>(link: &Link, stream: S) -> End {
    let (reader, writer, arrived) = split(stream, link.limits.frame_bytes, &link.meter);
    tokio::select! {
        end = write(link, writer) => end,
        end = read(link, reader) => end,
        end = watch(link, &arrived) => end,
    }
}

async fn write<S: AsyncRead + AsyncWrite>(link: &Link, mut writer: Writer<S>) -> End {
    loop {
        let written = async {
            for frame in link.take().await {
                writer.add(frame).await?;
            }
            writer.flush().await
        };
        if let Err(error) = written.await {
            return End::Lost(format!("the connection was lost: {error}"));
        }
    }
}

async fn read<S: AsyncRead + AsyncWrite>(link: &Link, mut reader: Reader<S>) -> End {
    loop {
        match reader.next().await {
            Some(Ok(frame)) => {
                link.meter.received.frames.increment(1);
                if let Err(end) = link.arrived(frame) {
                    return end;
                }
            }
            Some(Err(error)) => return End::Lost(format!("the connection was lost: {error}")),
            None => return End::Lost("the peer closed the connection".to_owned()),
        }
    }
}

async fn watch(link: &Link, arrived: &Arrived) -> End {
    let mut ticks = interval(link.limits.silence / 4);
    let mut before = 0;
    loop {
        ticks.tick().await;
        let now = arrived.load(Ordering::Relaxed);
        if let Err(end) = link.check(now != before) {
            return end;
        }
        before = now;
    }
}
