//! Keys that depend on each other.

use super::Resolving;
use super::resolved::Origin;
use crate::diagnostic::FilePosition;
use crate::{SourceKind, keys, kind};

impl Resolving {
    /// Reports a kind of source without the key that it needs.
    pub(super) fn check_source_keys(&mut self) {
        let source = &self.config.source;
        let (name, example) = match source.kind {
            SourceKind::Url if source.url.is_none() => ("url", "http://10.0.0.7/video.mjpg"),
            SourceKind::Exec if source.command.is_empty() => {
                ("command", "rpicam-vid -t 0 -n --codec mjpeg -o -")
            }
            SourceKind::Files if source.path.is_none() => ("path", "/srv/pictures"),
            _ => return,
        };
        let kind = kind::quoted(source.kind.as_str());
        let path = format!("source.{name}");
        self.require_key(
            "source.kind",
            &format!("`source.kind` is {kind}, which needs `{path}`"),
            &path,
            example,
        );
    }

    /// Reports a certificate without its key, or a key without its certificate.
    pub(super) fn check_https_keys(&mut self) {
        let http = &self.config.http;
        let (path, needed, example) = match (&http.certificate, &http.key) {
            (Some(_), None) => ("http.certificate", "http.key", "/etc/tallycam/https.key"),
            (None, Some(_)) => ("http.key", "http.certificate", "/etc/tallycam/https.pem"),
            _ => return,
        };
        self.require_key(path, &format!("`{path}` needs `{needed}`"), needed, example);
    }

    /// If a browser on the network chooses the first password, viewing needs it, too, unless the operator decides
    /// otherwise.
    pub(super) fn check_claim_keys(&mut self) {
        if self.config.access.is_claimed_by_network
            && let Some((value, Origin::Default)) = self.settings.get_mut("access.view")
        {
            self.config.access.is_view_open = false;
            *value = kind::quoted("password");
        }
    }

    /// Reports the key `path`, which needs the key `needed`.
    pub(super) fn require_key(&mut self, path: &str, message: &str, needed: &str, example: &str) {
        if self.is_broken || self.faulty.contains(needed) || self.faulty.contains(path) {
            return;
        }
        let hint = match self.settings.get(path) {
            Some((_, Origin::Environment(_))) => {
                format!("for example {}={example:?}", keys::variable(needed))
            }
            Some((_, Origin::CommandLine)) => format!("for example --set {needed}={example:?}"),
            _ => {
                let name = needed.rsplit('.').next().unwrap_or(needed);
                format!("for example `{name} = {example:?}`")
            }
        };
        let place = self.places.get(path).cloned().unwrap_or_else(|| FilePosition::whole_file(path));
        self.record_complaint(place, message, Some(hint));
        self.faulty.insert(path.to_owned());
    }
}
