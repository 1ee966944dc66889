//! What SAML providers say (oauth-federation.md §17; SAML 2.0, XML-DSig, Exclusive XML Canonicalization 1.0), as the one
//! profile that a pool needs: their metadata, and signed assertions, alone or in a response. Pure: the time comes from the
//! caller, nothing is fetched.
//!
//! - [`xml`]: parsing within limits;
//! - [`canonical`]: exclusive canonicalisation of one element;
//! - [`signature`]: which element of a message is signed by a provider's key, as the bytes that were signed;
//! - [`metadata`]: a provider's name, addresses and certificates;
//! - [`assertion`]: what an assertion says, and whether it is meant for the pool now;
//! - [`request`]: what a browser takes to a provider.
//!
//! An element counts through its bytes alone: what was hashed is parsed again, and only that is read. Whatever else stands
//! in a message, or where, has no say (signature wrapping). Comments are not among these bytes, so that none splits a value.

pub mod assertion;
mod canonical;
pub mod metadata;
pub mod request;
mod signature;
mod xml;

pub use self::{
    assertion::{Assertion, Expected, NameId},
    metadata::Metadata,
    signature::{Message, read},
    xml::{LONGEST, decoded},
};

/// Why a message counts for nothing. The words are for logs; what the user is told is the caller's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too long, too deep, with a document type or processing instructions, with an id twice, or not XML.
    #[error("it is not XML of the form that is taken")]
    Xml,
    /// Not a response with one assertion, or an assertion, of version 2.0, with what it has to say.
    #[error("it is not a response or an assertion of the form that is taken")]
    Form,
    /// The provider says that there was no sign-in.
    #[error("the provider has refused the sign-in")]
    Status,
    /// The assertion is encrypted.
    #[error("the assertion is encrypted")]
    Encrypted,
    /// Nothing is signed.
    #[error("neither the response nor the assertion is signed")]
    Unsigned,
    /// The response has a signature that is not one of the provider's, or not of the form that is taken.
    #[error("the signature of the response is invalid")]
    ResponseSignature,
    /// The same of the assertion.
    #[error("the signature of the assertion is invalid")]
    AssertionSignature,
    /// Another provider has made it.
    #[error("it is another provider's")]
    Issuer,
    /// It is meant for somebody else.
    #[error("it is meant for another audience")]
    Audience,
    /// Nobody may show it here: it was to be taken elsewhere, answers another request, or needs another proof.
    #[error("it may not be shown here")]
    Confirmation,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
}
