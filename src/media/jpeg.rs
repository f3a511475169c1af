//! A walk over a JPEG's markers.
