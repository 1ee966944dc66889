//! Tokens with which a caller asks for the next page (accounts.md §12): sealed, so that nobody can read or forge
//! one, bound to the list that they continue, and good for an hour.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::seal::Purpose;
use domain::{Part, time};
use store::Stored;

use crate::{ApiError, Ctx};

/// How long a token may be used, in milliseconds.
const LIFETIME: i64 = time::HOUR;
/// Longest token that is looked at, in characters: far above any that was made here.
const LONGEST: usize = 4_096;

/// The page members of a list request are at most this.
const LARGEST_PAGE: i64 = 60;

/// How many items a page holds: what was asked for, or 60 when nothing was, or 0.
#[must_use]
pub fn size(asked: Option<i64>) -> usize {
    let size = asked.filter(|size| *size > 0).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    usize::try_from(size).unwrap_or(1)
}

/// The token for what comes after `last`. `scope` says which list this is: the operation, the pool, and every member
/// of the request that decides which items are in it.
#[must_use]
pub fn token(ctx: &Ctx, scope: &str, last: &str) -> String {
    let content = format!("{}\n{last}", ctx.now.plus(LIFETIME).milliseconds());
    URL_SAFE_NO_PAD.encode(ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::PaginationToken, scope, content.as_bytes()))
}

/// The last item of the page before, out of the token that came with it; nothing at the start of a list.
///
/// # Errors
/// `InvalidParameterException` for a token that was not made for this list, or more than an hour ago.
pub fn read(ctx: &Ctx, scope: &str, token: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    opened(ctx, scope, token).map(Some).ok_or_else(|| ApiError::invalid_parameter("Invalid pagination token"))
}

fn opened(ctx: &Ctx, scope: &str, token: &str) -> Option<String> {
    if token.len() > LONGEST {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let content = ctx.app.ring.open_bytes(Purpose::PaginationToken, scope, &sealed).ok()?;
    let (expires, last) = std::str::from_utf8(&content).ok()?.split_once('\n')?;
    let expires: i64 = expires.parse().ok()?;
    (ctx.now.milliseconds() < expires).then(|| last.to_owned())
}

/// Cuts `items`, of which one more than `size` was asked for, to the page, and makes the token for the next one when
/// there is more to come.
#[must_use]
pub fn cut<T>(ctx: &Ctx, scope: &str, items: &mut Vec<T>, size: usize, name: impl Fn(&T) -> &str) -> Option<String> {
    if items.len() <= size {
        return None;
    }
    items.truncate(size);
    items.last().map(|last| token(ctx, scope, name(last)))
}

/// One page of a pool's parts of a kind by id, and the token for the next one; `operation` is the list's name.
///
/// # Errors
/// `InvalidParameterException` for a bad token.
pub async fn parts<T: Part>(
    ctx: &Ctx,
    operation: &str,
    pool_id: &str,
    asked: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<Stored<T>>, Option<String>), ApiError> {
    let scope = format!("{operation}\n{pool_id}");
    let size = size(asked);
    let after = read(ctx, &scope, token)?;
    let mut parts = ctx.app.store.parts::<T>(pool_id, after.as_deref(), size.saturating_add(1)).await?;
    let next_token = cut(ctx, &scope, &mut parts, size, |part| part.value.id());
    Ok((parts, next_token))
}
