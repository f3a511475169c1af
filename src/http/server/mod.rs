//! Connections: accepted, read, written and closed. Knows no route.

pub(in crate::http) mod body;
pub(in crate::http) mod gzip;
pub(in crate::http) mod https;
pub(in crate::http) mod incoming;
pub(in crate::http) mod lane;
pub(in crate::http) mod link;
pub mod listen;
pub mod multipart;
pub(in crate::http) mod permit;
pub(in crate::http) mod socket;
pub(in crate::http) mod tls;
pub(in crate::http) mod viewers;
