//! The settings: appearance, the own account, members, API keys, the audit chain.

mod account;
mod audit;
mod keys;
mod members;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

pub(crate) use self::{
    account::{account, change_password, close_others, close_session, erase, switch},
    audit::audit,
    keys::{create_key, keys, revoke_key},
    members::{invite, members, remove, revoke, set_role},
};
use super::shell::{page, shell_anyway};
use crate::{
    gateway::{caller::Caller, error::Problem, permission::Permission, state::Gateway},
    planes::ui::{self, Section, SettingsTab, Tabs},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// The pages that a caller may see.
fn tabs(caller: &Caller, current: SettingsTab) -> Tabs {
    let all = [
        (SettingsTab::Appearance, None),
        (SettingsTab::Account, None),
        (SettingsTab::Members, Some(Permission::UserView)),
        (SettingsTab::Keys, Some(Permission::KeyView)),
        (SettingsTab::Audit, Some(Permission::AuditView)),
    ];
    let may_see = |needed: &Option<Permission>| needed.is_none_or(|permission| caller.may(permission));
    Tabs {
        current,
        shown: all
            .into_iter()
            .filter(|(_, needed)| may_see(needed))
            .map(|(tab, _)| tab)
            .collect(),
    }
}

/// `GET /settings`.
pub(crate) async fn settings(request: HttpRequest, caller: Caller, gateway: Shared) -> HttpResponse {
    let shell = shell_anyway(&request, &gateway, &caller, Section::Settings).await;
    let tabs = tabs(&caller, SettingsTab::Appearance);
    page(&request, StatusCode::OK, ui::settings_page(&shell, &tabs))
}
