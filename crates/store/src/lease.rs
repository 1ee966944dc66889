//! Leases: jobs that one server at a time should do.

/// Who may do a job. Its version is the holder's pulse: as long as that grows, the holder lives. Nothing else is
/// known of time, so that clocks that differ do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub name: String,
    /// A name that no other server has.
    pub holder: String,
}
