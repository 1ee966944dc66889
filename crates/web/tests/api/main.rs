//! Golden cases: requests through the whole stack in process, whole answers out. The source of randomness is seeded
//! and the clock stands still, so that ids, codes and dates are the same at every run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod aliases;
mod attribute_verification;
mod attributes;
mod branding;
mod client_secrets;
mod client_token;
mod clients;
mod conflicts;
mod controls;
mod derived_token;
mod devices;
mod domains;
mod every_operation;
mod groups;
mod guards;
mod health;
mod identity_providers;
mod import;
mod kms;
mod linking;
mod list_users;
mod list_users_beyond;
mod list_users_oracle;
mod messages;
mod mfa_config;
mod mfa_preferences;
mod passkeys;
mod pool_settings;
mod pools;
mod quotas;
mod recovery;
mod refresh_rotation;
mod replicas;
mod resource_servers;
mod schema;
mod session_tracking;
mod sign_in;
mod sign_in_triggers;
mod sign_up;
mod sign_up_codes;
mod signatures;
mod signing_keys;
mod software_tokens;
mod state_machine;
mod step_up;
mod tags;
mod terms;
mod tokens;
mod triggers;
mod user_attributes;
mod users;
mod wire;
