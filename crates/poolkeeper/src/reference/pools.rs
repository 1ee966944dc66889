//! What pools may have that they have not by themselves.

use super::{Section, setting};

/// `[pools]`.
pub const POOLS: Section = Section {
    name: "pools",
    settings: &[setting(
        "lift_tiers",
        "true or false",
        "false",
        "",
        "Whether pools have the features of every tier, whatever their `UserPoolTier` is. Otherwise a setting that the pool's tier does not include is refused with `FeatureUnavailableInTierException`, as the service does.",
    )],
};

/// `[beyond]`.
pub const BEYOND: Section = Section {
    name: "beyond",
    settings: &[
        setting(
            "export_and_import",
            "true or false",
            "false",
            "",
            "Beyond the original: whether `poolkeeper export` may write a user pool with its passwords into an encrypted file, and `poolkeeper import` may read one.",
        ),
        setting(
            "filters",
            "true or false",
            "false",
            "",
            "Beyond the original: whether the `Filter` of ListUsers may be on any attribute of the schema, custom ones included, and join conditions with `and` and `or`.",
        ),
        setting(
            "reshape",
            "true or false",
            "false",
            "",
            "Beyond the original: whether `poolkeeper reshape` may change the required attributes and the sign-in names of a user pool that exists.",
        ),
    ],
};
