//! Commands for the service itself and its configuration.

pub(in crate::cli) mod backup;
pub(in crate::cli) mod completions;
pub(in crate::cli) mod config;
pub(in crate::cli) mod mqtt;
pub(in crate::cli) mod serve;
pub(in crate::cli) mod settings;
pub(in crate::cli) mod status;
pub(in crate::cli) mod update;
