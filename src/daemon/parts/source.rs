//! From `[source]` to its opener. Nothing is opened here.

use tallycam_camera::media::{Fourcc, SourceError, SourceErrorKind};
use tallycam_camera::source::{
    AutoOpener, ExecOpener, FilesOpener, FormatRequest, Opener, libcamera, sim, url, v4l2,
};
use tallycam_config::{SourceConfig, SourceKind};

/// The opener for `source`.
///
/// With `fallback_to_sim`, `auto` shows the simulation if no camera works, for trials by hand. An installed service
/// must never do so: a simulation that looks like a camera would be worse than the card that shows the fault.
///
/// # Errors
/// The key that this kind of source needs is missing or unusable.
pub fn make_opener(source: &SourceConfig, fallback_to_sim: bool) -> Result<Box<dyn Opener>, SourceError> {
    let wanted = wanted_format(source)?;
    Ok(match source.kind {
        SourceKind::Auto => {
            let fallback = fallback_to_sim
                .then(|| Box::new(sim::SimOpener::new(source.seed, wanted.clone(), true)) as Box<dyn Opener>);
            Box::new(AutoOpener::new(wanted, fallback))
        }
        SourceKind::V4l2 => Box::new(v4l2::V4l2Opener::new(source.device.clone(), wanted)),
        SourceKind::Url => {
            let url = source.url.as_deref().ok_or_else(|| missing("url", "url"))?;
            let user = source
                .username
                .clone()
                .map(|username| (username, source.password.clone().unwrap_or_default()));
            Box::new(url::UrlOpener::new(url, user, wanted)?)
        }
        SourceKind::Exec if source.command.is_empty() => return Err(missing("exec", "command")),
        SourceKind::Exec => Box::new(ExecOpener::new(source.command.clone(), wanted)),
        SourceKind::Files => {
            let path = source.path.clone().ok_or_else(|| missing("files", "path"))?;
            Box::new(FilesOpener::new(path, source.looped, source.real_time, wanted))
        }
        SourceKind::Sim => Box::new(sim::SimOpener::new(source.seed, wanted, source.real_time)),
        SourceKind::Libcamera => {
            Box::new(libcamera::LibcameraOpener::new(libcamera::folder(), source.device.clone(), wanted))
        }
    })
}

fn missing(kind: &str, key: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Unsupported, format!("`source.kind = \"{kind}\"` needs `source.{key}`"))
        .hint(format!("set `source.{key}`"))
        .shell(format!("`--set source.{key}=…` does so for one run"))
}

fn wanted_format(source: &SourceConfig) -> Result<FormatRequest, SourceError> {
    let format = source
        .format
        .as_deref()
        .map(|format| {
            format.parse::<Fourcc>().map_err(|error| {
                SourceError::new(
                    SourceErrorKind::Unsupported,
                    format!("`source.format = \"{format}\"` is no format"),
                )
                .because(error)
            })
        })
        .transpose()?;
    Ok(FormatRequest { width: source.width, height: source.height, fps: source.fps, format })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_config::Config;

    fn source(change: impl FnOnce(&mut SourceConfig)) -> SourceConfig {
        let mut source = Config::default().source;
        change(&mut source);
        source
    }

    fn refused(change: impl FnOnce(&mut SourceConfig)) -> String {
        make_opener(&source(change), false).err().map(|trouble| trouble.line()).unwrap_or_default()
    }

    #[test]
    fn a_kind_without_its_key_is_refused_by_the_keys_name() {
        assert!(refused(|s| s.kind = SourceKind::Url).contains("needs `source.url`"));
        assert!(refused(|s| s.kind = SourceKind::Exec).contains("needs `source.command`"));
        assert!(refused(|s| s.kind = SourceKind::Files).contains("needs `source.path`"));
        assert!(refused(|s| s.format = Some(String::from("nothing"))).contains("is no format"));
    }

    #[test]
    fn every_other_kind_is_opened() {
        for kind in [SourceKind::Auto, SourceKind::V4l2, SourceKind::Libcamera, SourceKind::Sim] {
            assert!(make_opener(&source(|s| s.kind = kind), true).is_ok());
        }
    }
}
