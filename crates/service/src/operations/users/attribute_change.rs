//! A change of attributes, by the user or an administrator: what the four operations that update or delete share
//! (accounts.md §11.5).
//!
//! Order: schema, permissions and form of what is given; whether names are free, those included that only wait for a
//! code yet; who could deliver codes, and what CustomMessage says of them; then one changeset with user, names, codes
//! and messages.

use domain::{
    CodePurpose, MessagePurpose, Pool, User,
    attributes::{MEDIA, Unproved, Update, Writer, update},
};
use store::{Changes, Stored};
use wire::{AttributeType, CodeDeliveryDetailsType};

use crate::{
    ApiError, Ctx,
    attributes::{self, Wording},
    codes,
    messages::{self, Functions, Letter},
    operations::recovery::delivery,
    users,
};

/// Changes attributes; a blank value deletes one. Answers where codes went. The caller tells the outbox.
///
/// # Errors
/// `InvalidParameterException`, `NotAuthorizedException` and `AliasExistsException` with the texts of §11.5;
/// `CodeDeliveryFailureException` when a code is needed that nobody could deliver; those of [`messages::write`].
pub(super) async fn apply(
    ctx: &Ctx,
    pool: &Pool,
    writer: Writer<'_>,
    before: &Stored<User>,
    given: &[AttributeType],
    wording: Wording,
    functions: &Functions<'_>,
) -> Result<Vec<CodeDeliveryDetailsType>, ApiError> {
    let Update { attributes, unproved } =
        update(pool, writer, before, given).map_err(|refusal| attributes::refused(refusal, wording))?;
    let mut after = before.value.clone();
    after.attributes = attributes;
    after.modified_at = ctx.now;

    // Decision: an address that waits for its code and belongs to somebody else is refused now, as the service does
    // where addresses are usernames, rather than with a code that could never be used. An address that does not wait
    // is, where addresses are aliases, everybody's until it is verified, as it is at sign-up.
    let mut wanted = after.clone();
    for Unproved { medium, address, .. } in unproved.iter().filter(|unproved| unproved.waits) {
        wanted.attributes.insert(medium.attribute().to_owned(), address.clone());
        wanted.attributes.insert(medium.verified_attribute().to_owned(), "true".to_owned());
    }
    let claims = attributes::new_claims(pool, Some(before), &wanted);
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &before.sub, &claims).await? {
        return Err(attributes::alias_exists(kind));
    }

    let client_id = match writer {
        Writer::Client(client) => Some(client.id.as_str()),
        Writer::Administrator => None,
    };
    let mut changes = Changes::new();
    let mut details = Vec::new();
    for medium in MEDIA {
        let unproved = unproved.iter().find(|unproved| unproved.medium == medium);
        if unproved.is_none() && after.address(medium) == before.address(medium) {
            continue;
        }
        let purpose = CodePurpose::verification(medium);
        let outstanding = ctx.app.store.code(&pool.id, &before.sub, purpose).await?;
        match unproved {
            Some(unproved) if can_send(ctx, pool, writer, unproved)? => {
                let destination = unproved.address.as_str();
                let (code, mut row) = codes::issue(ctx, &pool.id, &before.sub, purpose, medium, destination);
                row.is_pending = unproved.waits;
                let purpose = MessagePurpose::UpdateUserAttribute;
                let letter = Letter { pool, client_id, user: &after, purpose, medium, destination, code: &code };
                let message = messages::write(ctx, &letter, functions).await?;
                changes.put(outstanding.as_ref(), row).insert(message);
                details.push(delivery(medium, destination));
            }
            // What the address was before must not come back by way of an old code.
            _ => {
                if let Some(outstanding) = outstanding {
                    codes::discard(&mut changes, &outstanding);
                }
            }
        }
    }
    users::replace(&mut changes, pool, before, after);
    attributes::committed(ctx.app.commit(changes).await, attributes::alias_exists)?;
    Ok(details)
}

/// Whether a code goes to a new address.
///
/// Decision: an administrator may correct an address although codes cannot be delivered, where the change does not
/// depend on the code; the address stays unverified. Everybody else is told that there is no code.
fn can_send(ctx: &Ctx, pool: &Pool, writer: Writer<'_>, unproved: &Unproved) -> Result<bool, ApiError> {
    match ctx.app.outbox.can_deliver(pool, unproved.medium) {
        Err(error) if matches!(writer, Writer::Administrator) && !unproved.waits => {
            tracing::warn!(pool = pool.id, medium = ?unproved.medium, %error, "an address was changed without a code");
            Ok(false)
        }
        outcome => outcome.map(|()| true),
    }
}

/// Names as an update that deletes them gives them.
pub(super) fn blank(names: &[String]) -> Vec<AttributeType> {
    names.iter().map(|name| AttributeType { name: name.clone(), value: None }).collect()
}
