//! Every key at its default, as the table of keys has it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::apply_defaults;
use super::{
    AccessConfig, ColorOrder, Config, CountsConfig, DetectConfig, DetectorKind, HttpConfig, LensConfig,
    LensKind, LightKind, LightsConfig, LogConfig, PictureConfig, PowerConfig, PrivacyConfig, RecordConfig,
    RetentionConfig, SnapshotConfig, SourceConfig, SourceKind, StoreConfig, StreamConfig, UpdateConfig,
};

impl Default for Config {
    /// Every key at its default, as the table of keys has it.
    fn default() -> Config {
        let mut config = Config {
            name: String::new(),
            source: SourceConfig {
                kind: SourceKind::Auto,
                device: None,
                url: None,
                username: None,
                password: None,
                command: Vec::new(),
                path: None,
                looped: true,
                real_time: true,
                seed: 0,
                width: None,
                height: None,
                fps: None,
                format: None,
                silent_after: Duration::ZERO,
                failed_reads: 0,
                controls: Vec::new(),
            },
            controls: BTreeMap::new(),
            stream: StreamConfig {
                quality: 0,
                fps: None,
                idle_stop: None,
                max_viewers: 0,
                stall: Duration::ZERO,
            },
            picture: PictureConfig {
                gray: false,
                eighths: 8,
                rotate: 0,
                mirror: false,
                flip: false,
                crop: None,
                text: None,
                timestamp: false,
            },
            lens: LensConfig { kind: LensKind::Auto },
            lights: LightsConfig {
                kind: LightKind::None,
                pixels: 1,
                order: ColorOrder::Grb,
                device: None,
                pin: None,
                chip: None,
                active_low: false,
                limit: 255,
                gamma: 1.0,
                on: false,
                brightness: 0,
                color: [0; 3],
                ranges: Vec::new(),
                status: false,
                shot: false,
                settle: Duration::ZERO,
                auto_below: None,
                old_status_as_program: false,
            },
            detect: DetectConfig {
                backend: DetectorKind::Auto,
                model: None,
                size: None,
                at_lines: None,
                threads: 0,
                fps: None,
                classes: Vec::new(),
                score: None,
                least_height: None,
                most_height: None,
                replay: None,
                thumbnails: false,
            },
            lines: Vec::new(),
            zones: Vec::new(),
            counts: CountsConfig { time_zone: None, day_starts: 0 },
            store: StoreConfig { directory: None, unit: None },
            snapshot: SnapshotConfig { warm_up: 0 },
            record: RecordConfig {
                fps: None,
                max_duration: None,
                max_size: None,
                pre_roll: Duration::ZERO,
                on_crossing: Vec::new(),
                after_crossing: Duration::ZERO,
            },
            retention: RetentionConfig {
                snapshots_age: None,
                snapshots_size: None,
                recordings_age: None,
                recordings_size: None,
                min_free: 0,
            },
            privacy: PrivacyConfig { counts_only: false },
            http: HttpConfig {
                listen: Vec::new(),
                certificate: None,
                key: None,
                redirect: false,
                max_connections: 0,
                max_head: 0,
                head_timeout: Duration::ZERO,
                keep_alive: Duration::ZERO,
                allow_origins: Vec::new(),
                names: Vec::new(),
            },
            access: AccessConfig {
                session: Duration::ZERO,
                is_view_open: true,
                is_local_open: false,
                is_claimed_by_network: false,
            },
            power: PowerConfig { key: None },
            update: UpdateConfig { key: None },
            log: LogConfig { level: log::LevelFilter::Info },
        };
        apply_defaults(&mut config);
        config
    }
}
