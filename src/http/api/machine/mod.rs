//! The machine and the service: settings, users, power, backups.

pub(in crate::http) mod activity;
pub(in crate::http) mod backup;
pub(in crate::http) mod clock;
pub(in crate::http) mod diagnosis;
pub(in crate::http) mod logs;
pub(in crate::http) mod mqtt;
pub(in crate::http) mod neighbours;
pub(in crate::http) mod notifications;
pub(in crate::http) mod password;
pub(in crate::http) mod people;
pub(in crate::http) mod power;
pub(in crate::http) mod settings;
pub(in crate::http) mod settings_form;
pub(in crate::http) mod update;
