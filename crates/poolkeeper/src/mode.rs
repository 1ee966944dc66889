//! The two lives of the program.

/// How the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A local emulator: any credentials, an inbox, a clock that can be moved.
    Dev,
    /// A production server: signatures checked, nothing that helps a test.
    Serve,
}

impl Mode {
    /// The name of its command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Serve => "serve",
        }
    }
}
