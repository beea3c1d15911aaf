//! The HTTP client as rig takes it. Ours bounds what it reads and marks repetitions of one request.

#![expect(clippy::result_large_err, reason = "the error type is rig's")]

use std::future::Future;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use rig_core::{
    http_client::{
        Error, HeaderValue, HttpClientExt, LazyBody, MultipartForm, Request, Response, Result, StreamingResponse,
    },
    wasm_compat::WasmCompatSend,
};

use super::MAX_ANSWER_BYTES;

/// Longest part of an error answer that is read.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// Bytes of a whole answer: the text, escaped, and what the endpoint wraps around it.
const MAX_BODY_BYTES: usize = 2 * MAX_ANSWER_BYTES;

/// What endpoints that deduplicate read.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Why a request was not sent or its answer not read.
#[derive(Debug, thiserror::Error)]
enum TransportError {
    #[error("the answer is too long to be one")]
    TooLong,
    #[error("forms are not sent")]
    Form,
}

/// The client for one request.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    idempotency_key: Option<HeaderValue>,
}

impl Http {
    pub(super) fn new(client: reqwest::Client, idempotency_key: &str) -> Self {
        let key = (!idempotency_key.is_empty())
            .then(|| HeaderValue::from_str(idempotency_key).ok())
            .flatten();
        Self {
            client,
            idempotency_key: key,
        }
    }

    async fn send_bytes(self, request: Request<Bytes>) -> Result<reqwest::Response> {
        let (mut parts, body) = request.into_parts();
        if let Some(key) = self.idempotency_key {
            parts.headers.insert(IDEMPOTENCY_KEY, key);
        }
        let request = self
            .client
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body);
        let response = request.send().await.map_err(Error::instance)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        // The status says what matters; a body that cannot be read takes nothing from it.
        let body = read(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        Err(Error::non_success_with_details(
            status,
            headers,
            String::from_utf8_lossy(&body).into_owned(),
        ))
    }
}

async fn read(response: reqwest::Response, limit: usize) -> Result<Bytes> {
    let mut body = BytesMut::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(Error::instance)?;
        if body.len() + chunk.len() > limit {
            return Err(Error::instance(TransportError::TooLong));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

impl HttpClientExt for Http {
    fn send<T, U>(
        &self,
        request: Request<T>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        T: Into<Bytes> + WasmCompatSend,
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        let sent = self.clone().send_bytes(request.map(Into::into));
        async move {
            let response = sent.await?;
            let mut head = Response::builder().status(response.status());
            if let Some(headers) = head.headers_mut() {
                headers.clone_from(response.headers());
            }
            let body: LazyBody<U> = Box::pin(async move { read(response, MAX_BODY_BYTES).await.map(U::from) });
            head.body(body).map_err(Error::Protocol)
        }
    }

    fn send_multipart<U>(
        &self,
        _: Request<MultipartForm>,
    ) -> impl Future<Output = Result<Response<LazyBody<U>>>> + WasmCompatSend + 'static
    where
        U: From<Bytes> + WasmCompatSend + 'static,
    {
        std::future::ready(Err(Error::instance(TransportError::Form)))
    }

    fn send_streaming<T>(&self, request: Request<T>) -> impl Future<Output = Result<StreamingResponse>> + WasmCompatSend
    where
        T: Into<Bytes> + WasmCompatSend,
    {
        let sent = self.clone().send_bytes(request.map(Into::into));
        async move {
            let response = sent.await?;
            let mut head = Response::builder().status(response.status());
            if let Some(headers) = head.headers_mut() {
                headers.clone_from(response.headers());
            }
            let chunks = response.bytes_stream().map(|chunk| chunk.map_err(Error::instance));
            head.body(Box::pin(chunks) as _).map_err(Error::Protocol)
        }
    }
}
