//! Groups of users (accounts.md §17).

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Part, PartKind};

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The pool.
    pub pool_id: String,
    /// Its name, which is what callers know it by.
    pub name: String,
    /// Its own id, which memberships name: a group that is made anew under an old name starts without members.
    pub id: String,
    /// What it is for.
    pub description: Option<String>,
    /// The role that its members may take.
    pub role_arn: Option<String>,
    /// Which group counts more: the lowest number.
    pub precedence: Option<i64>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
}

impl Part for Group {
    const KIND: PartKind = PartKind::Group;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    // Its own id is for memberships; in its pool it is known by its name.
    #[expect(clippy::misnamed_getters, reason = "the id of the part is the group's name")]
    fn id(&self) -> &str {
        &self.name
    }
}
