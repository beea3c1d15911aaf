//! The pages before somebody is in: signing up and in, confirming an address, another password, an invitation.

use askama::Template;

use super::{
    form::{ChallengeView, FieldKind, Form, FormState},
    shell::{Shell, page},
};

/// What helps to choose a password.
const PASSWORD_HELP: &str = "At least ten characters. A few words together are easy to keep and hard to guess.";

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
    /// They confirmed their address.
    Confirmed,
    /// They set another password.
    PasswordSet,
}

impl SignInView {
    fn title(self) -> &'static str {
        match self {
            Self::Ask => "Sign in",
            Self::LinkUsed => "This link has been used",
            Self::SignedOut => "Signed out",
            Self::Ended => "Your session ended",
            Self::Confirmed => "Address confirmed",
            Self::PasswordSet => "Password set",
        }
    }

    fn why(self) -> Option<&'static str> {
        match self {
            Self::Ask => None,
            Self::LinkUsed => Some(
                "A link counts once, for a short while. This one was used, is too old, or was cut off when it was copied. \
                 Nothing is lost: ask for a new one.",
            ),
            Self::SignedOut => Some("Your runs go on without you."),
            Self::Ended => Some("Your runs go on. Sign in again to see them."),
            Self::Confirmed => Some("Your account is open. Sign in with the password that you chose."),
            Self::PasswordSet => Some("You were signed out everywhere. Sign in with the new password."),
        }
    }
}

/// What the page shows before somebody is in.
#[derive(Debug, Default)]
struct Door {
    title: String,
    why: Vec<String>,
    form: Option<Form>,
    links: Vec<(String, &'static str)>,
    /// Directory of the mails, where people look for them there.
    folder: Option<String>,
    tells_of_links: bool,
}

#[derive(Debug, Template)]
#[template(path = "door.html")]
struct DoorPage<'a> {
    shell: &'a Shell,
    door: Door,
    arch: Vec<String>,
}

impl DoorPage<'_> {
    fn has_challenge(&self) -> bool {
        self.door.form.as_ref().is_some_and(|form| form.challenge.is_some())
    }
}

fn render(shell: &Shell, door: Door) -> String {
    page(&DoorPage {
        shell,
        door,
        arch: arch(),
    })
}

/// Renders the sign-in. It posts `email`, `password` and `next`, the address to go to then, to `/sign-in`.
#[must_use]
pub fn sign_in_page(shell: &Shell, view: SignInView, state: &FormState, next: &str, is_open: bool) -> String {
    let mut form = Form::new("in", "/sign-in", "Sign in", state)
        .asking(state, "email", "E-mail", FieldKind::Email, "")
        .asking(state, "password", "Password", FieldKind::PresentPassword, "");
    if !next.is_empty() {
        form = form.hiding("next", next);
    }
    let mut links = vec![("/forgot".to_owned(), "Forgot the password?")];
    if is_open {
        links.push(("/sign-up".to_owned(), "No account yet? Sign up"));
    }
    let door = Door {
        title: view.title().to_owned(),
        why: view.why().map(str::to_owned).into_iter().collect(),
        form: Some(form),
        links,
        tells_of_links: true,
        ..Door::default()
    };
    render(shell, door)
}

/// Renders the sign-up. It posts `email`, `name`, `password` and `tenant` to `/sign-up`.
#[must_use]
pub fn sign_up_page(shell: &Shell, state: &FormState, is_open: bool, challenge: Option<&ChallengeView>) -> String {
    let sign_in = ("/sign-in".to_owned(), "Have an account? Sign in");
    if !is_open {
        let door = Door {
            title: "By invitation only".to_owned(),
            why: vec!["Who has an account here was invited. Ask somebody who works here for an invitation.".to_owned()],
            links: vec![sign_in],
            ..Door::default()
        };
        return render(shell, door);
    }
    let form = Form::new("up", "/sign-up", "Sign up", state)
        .asking(state, "name", "Your name", FieldKind::Text("name"), "")
        .asking(
            state,
            "email",
            "E-mail",
            FieldKind::Email,
            "We write to it, to see that it is yours.",
        )
        .asking(state, "password", "Password", FieldKind::NewPassword, PASSWORD_HELP)
        .asking(
            state,
            "tenant",
            "Workspace",
            FieldKind::Text("organization"),
            "What you and those whom you invite work in. Your name, if you leave it empty.",
        )
        .or_nothing()
        .behind(challenge);
    let door = Door {
        title: "Sign up".to_owned(),
        form: Some(form),
        links: vec![sign_in],
        ..Door::default()
    };
    render(shell, door)
}

/// Renders what is seen after something was mailed, or was not because nobody has the address: nobody can tell.
#[must_use]
pub fn mailed_page(shell: &Shell, folder: Option<&str>) -> String {
    let door = Door {
        title: "Look into your mail".to_owned(),
        why: vec![
            "We have written to the address, with a link that goes on from here. It may take a minute, and may lie with the spam."
                .to_owned(),
        ],
        links: vec![("/sign-in".to_owned(), "Back to the sign-in")],
        folder: folder.map(str::to_owned),
        ..Door::default()
    };
    render(shell, door)
}

/// Renders the button behind a mailed link that confirms an address. Programs that look at links in mails press no buttons.
#[must_use]
pub fn confirm_page(shell: &Shell, token: &str, state: &FormState) -> String {
    let door = Door {
        title: "Confirm your address".to_owned(),
        why: vec!["One press, and your account is open.".to_owned()],
        form: Some(Form::new("confirm", "/verify", "This address is mine", state).hiding("token", token)),
        ..Door::default()
    };
    render(shell, door)
}

/// Renders the form that asks for another password by mail. It posts `email` to `/forgot`.
#[must_use]
pub fn forgot_page(shell: &Shell, state: &FormState) -> String {
    let form =
        Form::new("forgot", "/forgot", "Send me a link", state).asking(state, "email", "E-mail", FieldKind::Email, "");
    let door = Door {
        title: "Another password".to_owned(),
        why: vec!["We write to your address, with a link by which you choose one.".to_owned()],
        form: Some(form),
        links: vec![("/sign-in".to_owned(), "Back to the sign-in")],
        ..Door::default()
    };
    render(shell, door)
}

/// Renders the form behind a mailed link that sets another password. It posts `token` and `password` to `/reset`.
#[must_use]
pub fn reset_page(shell: &Shell, token: &str, state: &FormState) -> String {
    let form = Form::new("reset", "/reset", "Set the password", state)
        .hiding("token", token)
        .asking(state, "password", "New password", FieldKind::NewPassword, PASSWORD_HELP);
    let door = Door {
        title: "Choose another password".to_owned(),
        why: vec!["You are signed out everywhere then.".to_owned()],
        form: Some(form),
        ..Door::default()
    };
    render(shell, door)
}

/// An invitation, as the person sees it who shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitationView {
    /// What the tenant is called.
    pub tenant: String,
    /// What the person may do there.
    pub role: String,
    /// Who is invited.
    pub email: String,
    /// The token of the mail.
    pub token: String,
    /// Whether the browser is signed in.
    pub is_signed_in: bool,
}

/// Renders an invitation. It posts `token`, and of who is not signed in `name` and `password`, to `/invitation`.
#[must_use]
pub fn invitation_page(shell: &Shell, view: &InvitationView, state: &FormState) -> String {
    let mut form = Form::new("join", "/invitation", "Accept", state).hiding("token", &view.token);
    let mut links = Vec::new();
    if !view.is_signed_in {
        form = form
            .asking(state, "name", "Your name", FieldKind::Text("name"), "")
            .asking(state, "password", "Password", FieldKind::NewPassword, PASSWORD_HELP);
        // The token needs no escapes, so that it can stand within another address.
        let next = format!("/sign-in?next=/invitation%3Ftoken={}", view.token);
        links.push((next, "Have an account with this address? Sign in first"));
    }
    let door = Door {
        title: format!("Work in {}", view.tenant),
        why: vec![format!(
            "You are invited as {}, with the address {}.",
            view.role, view.email
        )],
        form: Some(form),
        links,
        ..Door::default()
    };
    render(shell, door)
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
