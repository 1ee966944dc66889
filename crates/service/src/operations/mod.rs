//! The operations by topic, one file each.

pub mod branding;
pub mod clients;
pub mod devices;
pub mod domains;
pub mod groups;
pub mod identity_providers;
pub mod import;
pub mod limits;
pub mod logs;
pub mod mfa;
pub mod passkeys;
pub mod pools;
pub mod recovery;
pub mod replicas;
pub mod resource_servers;
pub mod security;
pub mod sessions;
pub mod sign_in;
pub mod sign_up;
pub mod tags;
pub mod terms;
pub mod tokens;
pub mod users;
