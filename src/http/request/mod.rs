//! Requests and answers: the parsers and builders that every handler uses.

pub(in crate::http) mod body;
pub mod csv;
pub(in crate::http) mod etag;
pub(in crate::http) mod form_data;
pub(in crate::http) mod json_body;
pub(in crate::http) mod keys;
pub(in crate::http) mod kinds;
pub(in crate::http) mod problem;
pub(in crate::http) mod query;
pub(in crate::http) mod range;
pub(in crate::http) mod reply;
pub(in crate::http) mod right;
pub mod time_param;
