//! The pages of the machine behind the camera: models, diagnosis, log, database, backups, users, sign-in, updates.

pub mod access;
pub mod all;
pub mod audit;
pub mod backup;
pub mod cameras;
pub mod database;
pub mod diagnosis;
pub mod log;
pub mod models;
pub mod not_found;
pub mod notifications;
pub mod people;
pub mod sign_in;
pub mod update;
pub mod welcome;
