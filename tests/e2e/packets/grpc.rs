//! gRPC between a client and a server of a library: which calls failed is told by `grpc-status`, not by the status code.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint, Server},
};
use tower::service_fn;

use super::capture::{Capture, can_capture};

const GET: &str = "/shop.v1.Orders/Get";
const WATCH: &str = "/shop.v1.Orders/Watch";
const MISSING: &str = "/shop.v1.Orders/NoSuchMethod";
const MESSAGES: usize = 4;

#[test]
fn grpc_calls_are_told_with_their_status() {
    if !can_capture() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(Server::builder().serve_with_incoming(service_fn(serve), TcpListenerStream::new(listener)));
        // It waits for the capture to be open, and so blocks.
        let capture = tokio::task::spawn_blocking(move || Capture::of(port)).await.unwrap();
        call(port).await;
        tokio::task::spawn_blocking(move || capture.finish()).await.unwrap()
    });
    let mut counts: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for row in &found {
        assert_eq!((&row["method"], &row["status"], &row["protocol"]), (&"POST".into(), &200.into(), &"HTTP/2".into()));
        let status = row["grpc_status"].as_u64().unwrap_or_else(|| panic!("no grpc_status: {row}"));
        *counts.entry((row["path"].as_str().unwrap().to_owned(), status)).or_default() += 1;
    }
    let want = [
        ((GET.to_owned(), Code::Ok as u64), 21),
        ((GET.to_owned(), Code::NotFound as u64), 5),
        ((WATCH.to_owned(), Code::Ok as u64), 3),
        ((MISSING.to_owned(), Code::Unimplemented as u64), 2),
    ];
    assert_eq!(counts, want.into());
    // A prefix of five bytes before each message.
    let longest = found.iter().map(|row| row["response_body_len"].as_u64().unwrap()).max();
    assert_eq!(longest, Some(300_000 + 5));
    let watched = found.iter().find(|row| row["path"] == WATCH).unwrap();
    assert_eq!(watched["response_body_len"], (MESSAGES * (4 + 5)) as u64);
}

/// Calls one after another, then some at once.
async fn call(port: u16) {
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await.unwrap();
    for (path, message, times, want) in [
        (GET, b"found".to_vec(), 10, Code::Ok),
        (GET, b"unknown".to_vec(), 5, Code::NotFound),
        (GET, vec![b'x'; 300_000], 1, Code::Ok),
        (MISSING, b"?".to_vec(), 2, Code::Unimplemented),
    ] {
        for _ in 0..times {
            assert_eq!(unary(channel.clone(), path, message.clone()).await, want, "{path}");
        }
    }
    let at_once: Vec<_> = (0..10).map(|_| tokio::spawn(unary(channel.clone(), GET, b"found".to_vec()))).collect();
    for answer in at_once {
        assert_eq!(answer.await.unwrap(), Code::Ok);
    }
    for _ in 0..3 {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static(WATCH);
        let answer = client.server_streaming(Request::new(b"all".to_vec()), path, Plain).await.unwrap();
        assert_eq!(answer.into_inner().collect::<Vec<_>>().await.len(), MESSAGES);
    }
}

async fn unary(channel: Channel, path: &'static str, message: Vec<u8>) -> Code {
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(1 << 20);
    client.ready().await.unwrap();
    match client.unary(Request::new(message), PathAndQuery::from_static(path), Plain).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

async fn serve(request: http::Request<Body>) -> Result<http::Response<Body>, std::convert::Infallible> {
    let mut grpc = tonic::server::Grpc::new(Plain);
    Ok(match request.uri().path() {
        GET => grpc.unary(service_fn(get), request).await,
        WATCH => grpc.server_streaming(service_fn(watch), request).await,
        _ => Status::unimplemented("no such method").into_http(),
    })
}

async fn get(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Status> {
    match request.into_inner() {
        message if message == b"unknown" => Err(Status::not_found("no such order")),
        message => Ok(Response::new(message)),
    }
}

async fn watch(
    _: Request<Vec<u8>>,
) -> Result<Response<impl tokio_stream::Stream<Item = Result<Vec<u8>, Status>>>, Status> {
    Ok(Response::new(tokio_stream::iter((0..MESSAGES).map(|_| Ok(b"news".to_vec())))))
}

/// Messages that are bytes: what they mean does not matter here.
#[derive(Debug, Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let n = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(n).to_vec()))
    }
}
