//! The nouns of Poolkeeper and their rules, pure: no clock, no input or output, no tokio.
//!
//! Whoever needs the time or randomness passes it in. The store writes these nouns as JSON documents beside
//! the columns that are queried; changing a serialized name is a migration.

pub mod access_key;
pub mod assurance;
pub mod attempts;
pub mod attributes;
pub mod branding;
pub mod chunk;
pub mod claims;
pub mod client;
pub mod code;
pub mod csv;
pub mod device;
pub mod domain_name;
pub mod expression;
pub mod filter;
pub mod group;
pub mod identity;
pub mod identity_provider;
pub mod import;
pub mod keys;
pub mod message;
pub mod mfa;
pub mod names;
pub mod part;
pub mod passkey;
pub mod password;
pub mod pool;
pub mod refresh_family;
pub mod resource_server;
pub mod schema;
pub mod search;
pub mod second_factor;
pub mod session;
pub mod software_token;
pub mod terms;
pub mod time;
pub mod tracked_session;
pub mod ui_customization;
pub mod user;
pub mod user_part;

mod secret;

pub use access_key::{AccessKey, ActionPattern};
pub use assurance::Level;
pub use attempts::{AttemptPurpose, Attempts};
pub use branding::{Branding, BrandingOfClient};
pub use chunk::Chunk;
pub use client::{Client, ClientSecret, OAuthSettings};
pub use code::{Code, CodePurpose};
pub use device::Device;
pub use domain_name::Domain;
pub use group::Group;
pub use identity::Identity;
pub use identity_provider::{IdentityProvider, IdentityProviderIdentifier};
pub use import::{ImportEntry, ImportFile, ImportJob};
pub use keys::{Revocation, SigningKeyRecord, SigningKeyState, SigningKeyUse, Spent};
pub use message::{Medium, Message, MessagePurpose, MessageState};
pub use mfa::{Factor, MfaMethod, MfaPreference};
pub use names::NameKind;
pub use part::{Part, PartKind};
pub use passkey::{Passkey, PendingPasskey};
pub use password::{Password, PasswordHash, PasswordPolicy};
pub use pool::{FactorSettings, Pool, RecoveryChannel, SignInSettings};
pub use refresh_family::RefreshFamily;
pub use resource_server::ResourceServer;
pub use search::SearchKind;
pub use secret::{Entropy, Sealed, Secret};
pub use software_token::{PendingSoftwareToken, SoftwareToken};
pub use terms::{Terms, TermsOfClient};
pub use tracked_session::{NewestSession, SessionOrigin, TrackedSession};
pub use ui_customization::UiCustomization;
pub use user::User;
pub use user_part::{UserPart, UserPartKind};
pub use wire::Timestamp;
