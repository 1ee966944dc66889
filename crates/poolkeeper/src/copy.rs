//! `poolkeeper copy`.

use indicatif::HumanCount;
use store::archive;

use crate::{
    configuration::{Configuration, StoreSection},
    mode::Mode,
    print,
    progress::{Shown, line},
    restore::mark,
};

/// Fills the database at `to` with everything from the one at `from`. `configuration` says how databases are used,
/// not where they are.
///
/// # Errors
/// When the source cannot be read, the target has data and `replace` is not set, or the target cannot be written.
pub async fn run(configuration: &Configuration, from: &str, to: &str, replace: bool) -> anyhow::Result<()> {
    let options = |url: &str| {
        let section = StoreSection { url: Some(url.to_owned()), ..configuration.store.clone() };
        section.options(Mode::Serve)
    };
    let (source, target) = (options(from)?, options(to)?);
    line("What a server changes on the source from now on is not copied. For a move, stop its servers first.");
    let mut shown = Shown::default();
    let mark = mark();
    let copied = archive::copy(&source, &target, replace, &mark, &mut |progress| shown.tell(progress)).await;
    shown.end();
    let copied = copied?;
    let rows = HumanCount(copied.source.rows());
    print(&format!(
        "{}: {rows} rows, sha256:{}\n{}: {rows} rows, sha256:{}",
        source.location, copied.source.digest, target.location, copied.target.digest
    ))
}
