//! From the configuration to the settings of pipeline and server.

use super::counting;
use crate::{http, pipeline};
use tallycam_config::Config;

/// The pipeline's part of the configuration.
pub fn pipeline_settings(config: &Config) -> pipeline::CaptureOptions {
    pipeline::CaptureOptions {
        quality: config.stream.quality,
        fps: config.stream.fps,
        idle_stop: config.stream.idle_stop,
        silent_after: config.source.silent_after,
        failed_reads: config.source.failed_reads,
        mask: pipeline::PrivacyMask::new(&config.privacy.mask),
    }
}

/// The server's part of the configuration.
pub fn http_settings(config: &Config) -> http::ServerSettings {
    let store = counting::store_settings(config);
    http::ServerSettings {
        name: config.name.clone(),
        max_connections: config.http.max_connections,
        max_viewers: config.stream.max_viewers,
        max_head: config.http.max_head,
        head_timeout: config.http.head_timeout,
        keep_alive: config.http.keep_alive,
        redirect: config.http.redirect,
        hsts: config.http.hsts,
        allow_origins: config.http.allow_origins.clone(),
        allow_frames: config.http.allow_frames.clone(),
        neighbours: config.http.neighbours.clone(),
        names: config.http.names.clone(),
        stall: config.stream.stall,
        zone: store.zone,
        day_starts: store.day_starts,
        session: config.access.session,
        is_local_open: config.access.is_local_open,
        is_view_open: config.access.is_view_open,
        is_claimed_by_network: config.access.is_claimed_by_network,
        power_key: config.power.key.clone(),
        update_key: config.update.key.clone(),
        counts_only: config.privacy.counts_only,
        ..http::ServerSettings::default()
    }
}
