//! Response headers that protect people and their browsers. They stand on every answer, errors included.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What a page may load: only what this server serves, no inline script or style, no frame.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
    frame-ancestors 'none'; base-uri 'none'";

/// What a page may load that shows the widget of Turnstile: that, too.
const WITH_WIDGET: &str = "default-src 'none'; script-src 'self' https://challenges.cloudflare.com; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src https://challenges.cloudflare.com; \
    manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What an answer that is no page may load: nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// Sets the security headers, and keeps answers out of shared caches unless the handler said otherwise.
pub(crate) fn secure(headers: &mut HeaderMap, is_tls: bool, has_widget: bool) {
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"));
    let policy = match (is_page, has_widget) {
        (true, true) => WITH_WIDGET,
        (true, false) => CONTENT_SECURITY_POLICY,
        (false, _) => NOTHING,
    };
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would make browsers send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_pages_allows_nothing_inline_and_nothing_foreign() {
        for forbidden in ["unsafe-inline", "unsafe-eval", "http:", "https:", "*", "blob:"] {
            assert!(!CONTENT_SECURITY_POLICY.contains(forbidden), "{forbidden}");
        }
        for needed in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(CONTENT_SECURITY_POLICY.contains(needed), "{needed}");
        }
    }

    #[test]
    fn the_widget_is_let_in_beside_what_every_page_may_load_and_nothing_else() {
        let added = WITH_WIDGET
            .replace(" https://challenges.cloudflare.com", "")
            .replace(" frame-src;", "");
        assert_eq!(added, CONTENT_SECURITY_POLICY);
    }

    #[test]
    fn only_pages_may_load_anything() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        secure(&mut headers, false, false);
        assert_eq!(headers.get(header::CONTENT_SECURITY_POLICY).unwrap(), NOTHING);
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn a_cache_rule_of_the_handler_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
        secure(&mut headers, true, false);
        assert!(
            headers
                .get(header::CACHE_CONTROL)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
