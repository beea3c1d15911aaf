//! Sign-in by a one-time link.

use askama::Template;

use super::shell::{Shell, page};

/// Why a person sees the sign-in page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignInView {
    /// They came without a session.
    #[default]
    Ask,
    /// Their link was used, is older than its life, or was never issued. One answer for all three: it tells nothing to guess from.
    LinkUsed,
    /// They signed out.
    SignedOut,
    /// Their session ended.
    Ended,
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    shell: &'a Shell,
    view: SignInView,
    arch: Vec<String>,
}

/// Renders the page that explains the link. The link itself (`/sign-in/{token}`) is the gateway's: it sets the cookie and redirects.
#[must_use]
pub fn sign_in_page(shell: &Shell, view: SignInView) -> String {
    page(&SignInPage {
        shell,
        view,
        arch: arch(),
    })
}

#[derive(Debug, Template)]
#[template(path = "signed_in.html")]
struct SignedInPage<'a> {
    shell: &'a Shell,
}

/// Renders what is seen for a moment between the link and the runs.
#[must_use]
pub fn signed_in_page(shell: &Shell) -> String {
    page(&SignedInPage { shell })
}

/// Outlines of the 14 stones around the keystone: a half circle cut into 15, the middle one left out.
fn arch() -> Vec<String> {
    let (x, y, outer, inner, joint) = (270.0_f64, 300.0_f64, 230.0_f64, 140.0_f64, 0.0105_f64);
    let step = std::f64::consts::PI / 15.0;
    let at = |radius: f64, angle: f64| (x - radius * angle.cos(), y - radius * angle.sin());
    (0..15_u8)
        .filter(|stone| *stone != 7)
        .map(|stone| {
            let (from, to) = (step * f64::from(stone) + joint, step * f64::from(stone + 1) - joint);
            let inset = joint * (outer / inner - 1.0) * 0.6;
            let ((ax, ay), (bx, by)) = (at(outer, from), at(outer, to));
            let ((cx, cy), (dx, dy)) = (at(inner, to - inset), at(inner, from + inset));
            format!(
                "M{ax:.1} {ay:.1}A{outer} {outer} 0 0 1 {bx:.1} {by:.1}L{cx:.1} {cy:.1}A{inner} {inner} 0 0 0 {dx:.1} {dy:.1}Z"
            )
        })
        .collect()
}
