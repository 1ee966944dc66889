//! Where an address is, by a file in MaxMind's format (GeoLite2-City, GeoIP2-City and the like), which the operator
//! brings along.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use domain::tracked_session::UNKNOWN;
use maxminddb::{MaxMindDbError, PathElement, Reader, path};

/// Most characters of a name: the model's limit.
const LONGEST: usize = 256;

/// Looks addresses up; without a file it knows of none.
#[derive(Clone, Default)]
pub struct Locations(Option<Arc<Reader<Vec<u8>>>>);

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locations").field(&self.0.as_ref().map(|reader| &reader.metadata().database_type)).finish()
    }
}

/// A place, by its English names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The city; none when it is not known.
    pub city: Option<String>,
    /// The country, or `unknown`.
    pub country: String,
}

impl Locations {
    /// Reads a file as a whole into memory: some 60 MB where it knows of cities. It is not read again when it changes.
    ///
    /// # Errors
    /// When the file cannot be read, or is not of this format.
    pub fn open(file: &Path) -> Result<Self, MaxMindDbError> {
        Ok(Self(Some(Arc::new(Reader::open_readfile(file)?))))
    }

    /// Where an address is.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Location {
        let city = self.name(address, &path!["city", "names", "en"]);
        let country = self.name(address, &path!["country", "names", "en"]);
        Location { city, country: country.unwrap_or_else(|| UNKNOWN.to_owned()) }
    }

    /// A name in the record of an address. A damaged record is none: nobody is kept from signing in by it.
    fn name(&self, address: IpAddr, path: &[PathElement<'_>]) -> Option<String> {
        let found = self.0.as_ref()?.lookup(address.to_canonical()).and_then(|record| record.decode_path::<&str>(path));
        match found {
            Ok(name) => name.filter(|name| !name.is_empty()).map(|name| name.chars().take(LONGEST).collect()),
            Err(error) => {
                tracing::debug!(%error, "the location of an address is not known");
                None
            }
        }
    }
}
