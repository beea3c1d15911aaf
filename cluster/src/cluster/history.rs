//! The migrations that were applied to the cluster: entries of the meta group, read and added here.

use super::{OpenError, Settings};
use crate::{
    Clock, Result, keyspace,
    migration::{AppliedMigration, Migrations, Plan, Registry, plan},
    storage, wire,
};

/// Applies what is missing, in order, and returns the classes there are. Another node may do the same: an entry is
/// written only where there is none, and what another one wrote is looked at like everything before it.
pub(super) async fn settle(
    settings: &Settings,
    given: &[Migrations],
    registered: &[&str],
    clock: &dyn Clock,
) -> Result<Registry, OpenError> {
    loop {
        let applied = applied(settings).await.map_err(OpenError::History)?;
        let Plan { next, registry } = plan(&applied, given, registered)?;
        let Some((application, migration)) = next else {
            return Ok(registry);
        };
        let number = u32::try_from(applied.len()).expect("numbers of migrations have four digits");
        tracing::info!(application, tag = migration.tag, says = %migration, "applying a class migration");
        let entry = AppliedMigration {
            application,
            at: clock.now(),
            checksum: migration.checksum(),
            migration,
        };
        settings
            .put_row_if_absent(keyspace::migration(number), storage::encoded(&entry))
            .await
            .map_err(OpenError::History)?;
    }
}

/// What was applied, in order.
pub(super) async fn applied(settings: &Settings) -> Result<Vec<AppliedMigration>> {
    let mut applied = Vec::new();
    for number in 0.. {
        let Some(bytes) = settings.get_row(&keyspace::migration(number)).await? else {
            break;
        };
        let entry = wire::decode(&bytes).map_err(|error| {
            crate::ActorError::internal(
                "migration.decode",
                format!(
                    "failed to read the class migration applied as number {}: {error}",
                    number + 1
                ),
            )
        })?;
        applied.push(entry);
    }
    Ok(applied)
}
