//! What the API offers: its document, the page that shows it, and the page that explains its errors.

use crate::gateway::{
    docs,
    endpoint::{Endpoint, get},
    openapi::{self, AnyObject},
    pages,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/openapi.json", openapi::serve)
            .public()
            .says("Shows this document")
            .named("getDocument")
            .gives::<AnyObject>("The document")
            .tagged(),
        get("/api/docs", docs::enter).public(),
        get("/api/docs/{file:.*}", docs::file).public(),
        get("/problems", pages::problems).public(),
    ]
}
