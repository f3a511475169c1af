//! The permit of an answer under way. The connection keeps it, and knows neither users nor rights.

use std::fmt;

/// Tells whether a request's credentials still open what it asked for.
pub struct Permit(pub Box<dyn Fn() -> bool>);

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
