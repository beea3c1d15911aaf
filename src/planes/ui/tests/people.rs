//! People, keys and records to draw, with one text in every place that a text can come from.

use super::sample::NOW;
use crate::planes::ui::*;

pub(crate) fn tabs(current: SettingsTab) -> Tabs {
    Tabs {
        current,
        shown: vec![
            SettingsTab::Appearance,
            SettingsTab::Account,
            SettingsTab::Members,
            SettingsTab::Keys,
            SettingsTab::Audit,
        ],
    }
}

/// A form with something in each field, and something wrong with each.
pub(crate) fn refused(text: &str) -> FormState {
    let names = ["email", "name", "tenant", "role", "expires_in_days"];
    FormState {
        errors: ["email", "password", "name", "tenant", "role", "new_password"]
            .map(|name| (name.to_owned(), text.to_owned()))
            .into(),
        error: Some(text.to_owned()),
        ..FormState::of(names.map(|name| (name, text.to_owned())))
    }
}

pub(crate) fn invitation(text: &str) -> InvitationView {
    InvitationView {
        tenant: text.into(),
        role: text.into(),
        email: text.into(),
        token: text.into(),
        is_signed_in: false,
    }
}

pub(crate) fn account(text: &str) -> AccountView {
    let session = OpenSessionView {
        id: "01980000-0000-7000-8000-000000000000".into(),
        device: text.into(),
        opened_at: NOW - 900,
        is_current: true,
    };
    let place = WorkplaceView {
        id: text.into(),
        name: text.into(),
        role: text.into(),
        is_current: true,
        is_suspended: false,
    };
    AccountView {
        account: Some((text.into(), text.into())),
        user: text.into(),
        sessions: vec![
            session.clone(),
            OpenSessionView {
                is_current: false,
                ..session
            },
        ],
        tenants: vec![
            place.clone(),
            WorkplaceView {
                is_current: false,
                ..place
            },
        ],
        password: refused(text),
        erase: FormState::default(),
    }
}

pub(crate) fn members(text: &str) -> MembersView {
    let member = MemberView {
        user: text.into(),
        name: text.into(),
        email: Some(text.into()),
        role: "supervisor".into(),
        is_you: true,
        since: NOW - 90_000,
    };
    MembersView {
        tenant: text.into(),
        members: vec![
            member.clone(),
            MemberView {
                is_you: false,
                ..member
            },
        ],
        next: Some(text.into()),
        invited: vec![InvitedView {
            id: "01980000-0000-7000-8000-000000000000".into(),
            email: text.into(),
            role: text.into(),
            expires_at: NOW + 90_000,
        }],
        invite: refused(text),
        may_invite: true,
        may_assign: true,
        may_remove: true,
    }
}

pub(crate) fn keys(text: &str) -> KeysView {
    KeysView {
        keys: vec![KeyView {
            id: "01980000-0000-7000-8000-000000000000".into(),
            name: text.into(),
            scope: text.into(),
            created_at: NOW - 90_000,
            expires_at: Some(NOW + 90_000),
        }],
        next: Some(text.into()),
        form: refused(text),
        made: Some(text.into()),
        may_create: true,
        may_revoke: true,
    }
}

pub(crate) fn audit(text: &str) -> AuditView {
    AuditView {
        records: vec![RecordView {
            seq: 7,
            event: text.into(),
            actor: text.into(),
            about: text.into(),
            at: NOW - 900,
            hash: "ab".repeat(32),
        }],
        next: Some(text.into()),
        is_later: true,
        verdict: Some(VerdictNote {
            length: 7,
            head: "ab".repeat(32),
            fault: Some((3, text.into())),
        }),
        may_export: true,
    }
}
