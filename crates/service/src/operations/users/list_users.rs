//! ListUsers (accounts.md §12.1): the users of a pool who meet a condition, page by page.
//!
//! Without a condition they come in the order of their ids, which says nothing about when they came to the pool;
//! otherwise in the order of what is compared. A page goes on after the place where the last one ended, whoever comes or
//! goes meanwhile; only a user who is changed so that the place is another one can come twice, or not at all.

use domain::{
    Pool, User,
    attributes::schema_of,
    expression::{self, Expression},
    filter::{self, Comparison, Filter, FilterRefusal, Subject},
    search::{self, SearchKind},
};
use store::Stored;
use wire::{ListUsersRequest, ListUsersResponse, UserType};

use super::user_type;
use crate::{ApiError, Ctx, lookup, paging};

/// Users that one page looks at, at most, to find those who meet an expression.
const LOOKED_AT: usize = 2_000;
/// Users that are looked at at once.
const SLICE: usize = 200;

/// A user on a page.
struct Listed {
    user: User,
    /// The place in the list, from which the next page goes on.
    place: String,
}

/// Lists users.
///
/// # Errors
/// `InvalidParameterException` for a filter that is not one, for attributes that the schema does not have and for a
/// token that is not this list's.
pub async fn run(ctx: &Ctx, input: ListUsersRequest) -> Result<ListUsersResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let text = input.filter.as_deref().unwrap_or_default();
    let filter = if ctx.app.settings.beyond_filters && !text.is_empty() {
        Wanted::Expression(expression::parse(&pool, text).map_err(refused)?)
    } else {
        filter::parse(text).map_err(refused)?.map_or(Wanted::All, Wanted::Filter)
    };
    let wanted = input.attributes_to_get.filter(|names| !names.is_empty());
    if wanted.iter().flatten().any(|name| schema_of(&pool, name).is_none()) {
        return Err(ApiError::invalid_parameter("One or more requested attributes do not exist."));
    }
    let scope = format!("ListUsers\n{}\n{}", pool.id, input.filter.as_deref().unwrap_or_default());
    let after = paging::read(ctx, &scope, input.pagination_token.as_deref())?;
    let size = paging::size(input.limit);

    // One more than asked for, to know whether another page follows.
    let mut found = match &filter {
        Wanted::All => all(ctx, &pool, after.as_deref(), size + 1).await?,
        Wanted::Filter(filter) => matching(ctx, &pool, filter, after.as_deref(), size + 1).await?,
        Wanted::Expression(expression) => {
            let (found, place) = expressed(ctx, &pool, expression, after.as_deref(), size).await?;
            let pagination_token = place.map(|place| paging::token(ctx, &scope, &place));
            return Ok(ListUsersResponse { users: Some(shown(&found, wanted.as_deref())), pagination_token });
        }
    };
    let pagination_token = paging::cut(ctx, &scope, &mut found, size, |listed| &listed.place);
    Ok(ListUsersResponse { users: Some(shown(&found, wanted.as_deref())), pagination_token })
}

/// What is asked for.
enum Wanted {
    All,
    Filter(Filter),
    /// Where `[beyond]` allows it.
    Expression(Expression),
}

/// Users as the answer shows them, with the attributes that are wanted, if not all are.
fn shown(found: &[Listed], wanted: Option<&[String]>) -> Vec<UserType> {
    let mut users: Vec<UserType> = found.iter().map(|listed| user_type(&listed.user)).collect();
    if let Some(wanted) = wanted {
        for attributes in users.iter_mut().filter_map(|user| user.attributes.as_mut()) {
            attributes.retain(|attribute| wanted.contains(&attribute.name));
        }
    }
    users
}

/// A page of at most `size` users who meet an expression, and the place from which the next one goes on, if there is
/// more to look at. No more than [`LOOKED_AT`] users are looked at for a page, so that it can have fewer than are asked for.
async fn expressed(
    ctx: &Ctx,
    pool: &Pool,
    expression: &Expression,
    after: Option<&str>,
    size: usize,
) -> Result<(Vec<Listed>, Option<String>), ApiError> {
    let (mut found, mut place, mut looked_at) = (Vec::new(), after.map(str::to_owned), 0);
    let leading = expression.leading();
    loop {
        let page = match leading {
            Some(filter) => matching(ctx, pool, filter, place.as_deref(), SLICE).await?,
            None => all(ctx, pool, place.as_deref(), SLICE).await?,
        };
        let is_last = page.len() < SLICE;
        looked_at += page.len();
        let mut candidates = page.into_iter().peekable();
        while let Some(listed) = candidates.next() {
            place = Some(listed.place.clone());
            if expression.holds(pool, &listed.user) {
                found.push(listed);
            }
            if found.len() == size {
                let is_over = is_last && candidates.peek().is_none();
                return Ok((found, place.filter(|_| !is_over)));
            }
        }
        if is_last {
            return Ok((found, None));
        }
        if looked_at >= LOOKED_AT {
            return Ok((found, place));
        }
    }
}

fn refused(refusal: FilterRefusal) -> ApiError {
    ApiError::invalid_parameter(match refusal {
        FilterRefusal::Grammar => "Error while parsing filter".to_owned(),
        FilterRefusal::NotSearchable(name) => format!("Invalid search attribute: {name}"),
    })
}

async fn all(ctx: &Ctx, pool: &Pool, after: Option<&str>, limit: usize) -> Result<Vec<Listed>, ApiError> {
    let found = ctx.app.store.users(&pool.id, after, limit).await?;
    Ok(found.into_iter().map(by_sub).collect())
}

/// At most `limit` users who meet the condition, from after the place `after`.
async fn matching(
    ctx: &Ctx,
    pool: &Pool,
    filter: &Filter,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Listed>, ApiError> {
    let (store, value) = (&ctx.app.store, filter.value.as_str());
    // Not every engine can even be asked for it, and nobody has it in what can be compared.
    if value.contains('\0') {
        return Ok(Vec::new());
    }
    Ok(match (filter.subject, filter.comparison) {
        (Subject::Sub, Comparison::Equals) => store.user(&pool.id, value).await?.into_iter().map(by_sub).collect(),
        (Subject::Sub, Comparison::BeginsWith) => {
            let after = after.map_or_else(|| search::before(value), str::to_owned);
            let found = store.users_between(&pool.id, &after, &search::after(value), limit).await?;
            found.into_iter().map(by_sub).collect()
        }
        // Decision: in a pool that ignores case, the stored username is compared as the pool compares it.
        (Subject::Username, Comparison::Equals) => {
            let name = pool.fold(value);
            let found = store.user_by_name(&pool.id, &name).await?;
            found.into_iter().filter(|user| pool.fold(&user.username) == name).map(by_sub).collect()
        }
        (Subject::Username, Comparison::BeginsWith) => {
            let prefix = pool.fold(value);
            let after = after.map_or_else(|| search::before(&prefix), str::to_owned);
            let found = store.users_named_within(&pool.id, &after, &search::after(&prefix), limit).await?;
            found.into_iter().map(|(user, name)| Listed { user: user.value, place: name }).collect()
        }
        (Subject::Attribute(kind), comparison) => {
            let value = search::folded(value).unwrap_or_default();
            match comparison {
                Comparison::Equals => with_one_of(ctx, pool, kind, &[value], after, limit).await?,
                Comparison::BeginsWith => {
                    let after = after.map_or((value.as_str(), ""), value_and_sub);
                    let end = search::after(&value);
                    let found = store.users_within(&pool.id, kind, after, &end, limit).await?;
                    found.into_iter().map(by_value).collect()
                }
            }
        }
        (Subject::Enabled | Subject::UserStatus, _) => {
            with_one_of(ctx, pool, SearchKind::Status, &filter.status_values(), after, limit).await?
        }
    })
}

/// At most `limit` users with one of these values, the users with the first of them first.
async fn with_one_of(
    ctx: &Ctx,
    pool: &Pool,
    kind: SearchKind,
    values: &[String],
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Listed>, ApiError> {
    let (reached, mut after_sub) = after.map_or((None, ""), |place| {
        let (value, sub) = value_and_sub(place);
        (Some(value), sub)
    });
    let mut listed = Vec::new();
    for value in values.iter().skip_while(|value| reached.is_some_and(|reached| *value != reached)) {
        let found = ctx.app.store.users_with(&pool.id, kind, value, after_sub, limit - listed.len()).await?;
        listed.extend(found.into_iter().map(by_value));
        if listed.len() >= limit {
            break;
        }
        after_sub = "";
    }
    Ok(listed)
}

fn by_sub(user: Stored<User>) -> Listed {
    Listed { place: user.sub.clone(), user: user.value }
}

fn by_value((user, value): (Stored<User>, String)) -> Listed {
    Listed { place: format!("{}\n{value}", user.sub), user: user.value }
}

/// Value and `sub` of a place that [`by_value`] has made.
fn value_and_sub(place: &str) -> (&str, &str) {
    place.split_once('\n').map_or(("", place), |(sub, value)| (value, sub))
}
