//! What a configuration that was read again changes: at once, or only by a restart. Pure.

use crate::config::{
    AccessConfig, Config, CountsConfig, DetectConfig, HttpConfig, LensConfig, LightsConfig, LogConfig,
    PictureConfig, PowerConfig, PrivacyConfig, RecordConfig, SnapshotConfig, SourceConfig, StoreConfig,
    StreamConfig,
};

/// Keys that differ and can take effect only when the daemon starts anew, as written in the
/// file: `source.width`. `[log] level`, `[retention]`, lines and zones are not among them: they change at once.
pub fn needing_restart(running: &Config, read: &Config) -> Vec<&'static str> {
    /// The keys of one table whose values differ. Naming every field: one that is added to a
    /// table and forgotten here does not compile.
    macro_rules! differing {
        ($table:ident { $($field:ident = $key:literal),* $(,)? }, $running:expr, $read:expr) => {{
            let $table { $($field),* } = $running;
            [$(($field != &$read.$field).then_some($key)),*].into_iter().flatten()
        }};
    }

    // Lines and zones, and what is kept how long, are taken over at once.
    let Config {
        name,
        source,
        stream,
        picture,
        lens,
        lights,
        detect,
        lines: _,
        zones: _,
        counts,
        store,
        snapshot,
        record,
        retention: _,
        privacy,
        http,
        access,
        power,
        log,
    } = running;
    let LogConfig { level: _ } = log;
    let mut keys = Vec::new();
    keys.extend((name != &read.name).then_some("name"));
    keys.extend(differing!(
        SourceConfig {
            kind = "source.kind",
            device = "source.device",
            url = "source.url",
            username = "source.username",
            password = "source.password",
            command = "source.command",
            path = "source.path",
            looped = "source.loop",
            real_time = "source.speed",
            seed = "source.seed",
            width = "source.width",
            height = "source.height",
            fps = "source.fps",
            format = "source.format",
            silent_after = "source.silent_after",
            failed_reads = "source.failed_reads",
            controls = "source.controls",
        },
        source,
        read.source
    ));
    keys.extend(differing!(SnapshotConfig { warm_up = "snapshot.warm_up" }, snapshot, read.snapshot));
    keys.extend(differing!(
        RecordConfig {
            fps = "record.fps",
            max_duration = "record.max_duration",
            max_size = "record.max_size",
            pre_roll = "record.pre_roll",
            on_crossing = "record.on_crossing",
            after_crossing = "record.after_crossing",
        },
        record,
        read.record
    ));
    keys.extend(differing!(
        StreamConfig {
            quality = "stream.quality",
            fps = "stream.fps",
            idle_stop = "stream.idle_stop",
            max_viewers = "stream.max_viewers",
            stall = "stream.stall",
        },
        stream,
        read.stream
    ));
    keys.extend(differing!(
        PictureConfig {
            gray = "picture.gray",
            eighths = "picture.scale",
            rotate = "picture.rotate",
            mirror = "picture.mirror",
            flip = "picture.flip",
            crop = "picture.crop",
            text = "picture.text",
            timestamp = "picture.timestamp",
        },
        picture,
        read.picture
    ));
    keys.extend(differing!(
        LensConfig {
            kind = "lens.kind",
        },
        lens,
        read.lens
    ));
    keys.extend(differing!(
        LightsConfig {
            kind = "lights.kind",
            pixels = "lights.pixels",
            order = "lights.order",
            device = "lights.device",
            pin = "lights.pin",
            chip = "lights.chip",
            active_low = "lights.active_low",
            limit = "lights.limit",
            gamma = "lights.gamma",
            on = "lights.on",
            brightness = "lights.brightness",
            color = "lights.color",
            status = "lights.status",
            shot = "lights.shot",
            settle = "lights.settle",
            auto_below = "lights.auto_below",
            old_status_as_program = "lights.old_status",
        },
        lights,
        read.lights
    ));
    keys.extend(differing!(
        DetectConfig {
            backend = "detect.backend",
            model = "detect.model",
            size = "detect.size",
            threads = "detect.threads",
            fps = "detect.fps",
            classes = "detect.classes",
            score = "detect.score",
            replay = "detect.replay",
            thumbnails = "detect.thumbnails",
        },
        detect,
        read.detect
    ));
    keys.extend(differing!(
        CountsConfig { time_zone = "counts.time_zone", day_starts = "counts.day_starts" },
        counts,
        read.counts
    ));
    keys.extend(differing!(StoreConfig { directory = "store.directory" }, store, read.store));
    keys.extend(differing!(PrivacyConfig { counts_only = "privacy.counts_only" }, privacy, read.privacy));
    keys.extend(differing!(
        HttpConfig {
            listen = "http.listen",
            max_connections = "http.max_connections",
            max_head = "http.max_head",
            head_timeout = "http.head_timeout",
            keep_alive = "http.keep_alive",
        },
        http,
        read.http
    ));
    keys.extend(differing!(AccessConfig { session = "access.session" }, access, read.access));
    keys.extend(differing!(PowerConfig { key = "power.key" }, power, read.power));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_configuration_needs_nothing() {
        let config = Config::default();
        assert!(needing_restart(&config, &config.clone()).is_empty());
    }

    #[test]
    fn changed_keys_are_named_as_in_the_file() {
        let running = Config::default();
        let mut read = running.clone();
        read.name = String::from("door");
        read.source.looped = !running.source.looped;
        read.stream.quality = 12;
        read.http.max_head = 9000;
        assert_eq!(
            needing_restart(&running, &read),
            ["name", "source.loop", "stream.quality", "http.max_head"]
        );
    }

    #[test]
    fn the_level_needs_no_restart() {
        let running = Config::default();
        let mut read = running.clone();
        read.log.level = log::LevelFilter::Trace;
        assert!(needing_restart(&running, &read).is_empty());
    }
}
