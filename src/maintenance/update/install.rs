//! The steps of an update, and the completion of an interrupted one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{file_error, has_room, remove, sync_folder, system_error};
use super::{
    CURRENT, LONGEST, Machine, TRIAL, UpdatePhase, UpdateStatus, current_folder, program_in, verify,
};
use tallycam_base::Fault;
use tallycam_base::private::{self, Lock};

/// Seconds that a new program has to become ready.
const PATIENCE: u64 = 45;

/// The folder into which a package is copied before it is checked.
const INCOMING: &str = "incoming";
const LOCK: &str = "update.lock";

/// The package to install, and the conditions.
#[derive(Debug, Clone, Copy)]
pub struct UpdateRequest<'a> {
    /// The package.
    pub deb: &'a Path,
    pub signature: &'a Path,
    /// The public key that must have signed the package.
    pub key: Option<&'a str>,
    /// Accept the package without a signature.
    pub unsigned: bool,
    /// Accept an older version, or the installed one again.
    pub older: bool,
}

/// A new program that is in force but has not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct UpdateTrial {
    /// The folder of the new program, and the version that the program reports.
    folder: String,
    version: String,
    /// The folder that was in force before; `None`: the program of the image.
    before: Option<String>,
}

/// Installs a package in `program`. Returns the version that is now in force.
///
/// # Errors
/// In words. The previous program is still, or again, in force.
pub fn install(machine: &impl Machine, program: &Path, request: UpdateRequest<'_>) -> Result<String, Fault> {
    let _lock = lock(program)?;
    finish_trial(machine, program)?;
    let done = try_install(machine, program, request);
    let _ = remove(&program.join(INCOMING));
    match &done {
        Ok(version) => {
            UpdateStatus::new(UpdatePhase::Done, version, format!("version {version} is in force"))
                .write_to(program)
        }
        Err(fault) => UpdateStatus::new(UpdatePhase::Failed, "", fault.to_string()).write_to(program),
    }
    done
}

/// Completes an update that a power cut interrupted; `None` if there is none.
///
/// # Errors
/// The update was taken back; the reason in words.
pub fn finish_interrupted(machine: &impl Machine, program: &Path) -> Result<Option<String>, Fault> {
    if !program.join(TRIAL).exists() {
        return Ok(None);
    }
    let _lock = lock(program)?;
    let done = finish_trial(machine, program);
    match &done {
        Ok(Some(version)) => {
            UpdateStatus::new(UpdatePhase::Done, version, format!("version {version} is in force"))
                .write_to(program);
        }
        Ok(None) => UpdateStatus::new(UpdatePhase::Failed, "", "the update was interrupted; try again")
            .write_to(program),
        Err(fault) => UpdateStatus::new(UpdatePhase::Failed, "", fault.to_string()).write_to(program),
    }
    done
}

fn lock(program: &Path) -> Result<Lock, Fault> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(program).map_err(file_error(program))?;
    let lock = private::lock_file(program, LOCK).map_err(file_error(program))?;
    Lock::acquire(lock).map_err(|_| Fault::wrong("another update is under way"))
}

fn try_install(machine: &impl Machine, program: &Path, request: UpdateRequest<'_>) -> Result<String, Fault> {
    UpdateStatus::new(UpdatePhase::Checking, "", "signature, package and version are being checked")
        .write_to(program);
    let deb = take_verified(&request, &program.join(INCOMING))?;
    let control =
        machine.control(&deb).map_err(|why| Fault::wrong(format!("it is not a complete package: {why}")))?;
    if control.package != "tallycam" {
        return Err(Fault::wrong(format!("it is the package {}, not tallycam", control.package)));
    }
    let ours = machine.architecture().map_err(Fault::wrong)?;
    if control.architecture != ours && control.architecture != "all" {
        return Err(Fault::wrong(format!("it is for {}, and this machine is {ours}", control.architecture)));
    }
    let version = control.version.clone();
    if !is_version(&version) {
        return Err(Fault::wrong(format!("{version:?} is no version")));
    }
    let before = current_folder(program);
    let in_force = before.clone().unwrap_or_else(|| machine.image_version());
    if !request.older && !machine.is_newer(&version, &in_force).map_err(Fault::wrong)? {
        return Err(Fault::wrong(format!(
            "version {version} is not newer than {in_force}, which is in force"
        )));
    }
    has_room(program, control.size_kib.saturating_mul(1024), 0)?;

    UpdateStatus::new(UpdatePhase::Unpacking, &version, "its files are written").write_to(program);
    let (folder, said) = unpack(machine, program, &deb, &version, before.as_deref())?;
    UpdateStatus::new(UpdatePhase::Starting, &version, "the service starts with it").write_to(program);
    let trial = UpdateTrial { folder: folder.clone(), version: said, before };
    machine.power_cut_point()?;
    let text = serde_json::to_vec(&trial).map_err(|error| system_error(format_args!("`{TRIAL}`"), &error))?;
    private::replace(&program.join(TRIAL), &text).map_err(file_error(program))?;
    switch_current(machine, program, Some(&folder))?;
    if let Err(why) = machine.restart() {
        // Goes on: the service does not become ready, so the trial takes the update back.
        log::error!("the service could not be restarted: {why}");
    }
    watch_trial(machine, program, &trial)
}

/// Copies the package into the new folder `incoming` and checks the signature of the copy: others may be able to write
/// to the original between check and use.
///
/// # Errors
/// The package or its signature is not accepted.
pub fn take_verified(request: &UpdateRequest<'_>, incoming: &Path) -> Result<PathBuf, Fault> {
    remove(incoming)?;
    fs::DirBuilder::new().mode(0o700).create(incoming).map_err(file_error(incoming))?;
    let deb = copy(request.deb, &incoming.join("update.deb"))?;
    if !request.unsigned {
        let signature = copy(request.signature, &incoming.join("update.deb.minisig"));
        let signature = signature.map_err(|error| Fault::wrong(format!("it is not signed: {error}")))?;
        verify(&deb, &signature, request.key)?;
    }
    Ok(deb)
}

/// Copies a plain file; follows no link.
fn copy(from: &Path, to: &Path) -> Result<PathBuf, Fault> {
    let mut source = private::options().read(true).open(from).map_err(file_error(from))?;
    let about = source.metadata().map_err(file_error(from))?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(Fault::wrong(format!(
            "{} is no plain file of at most {} MB",
            from.display(),
            LONGEST >> 20
        )));
    }
    let mut out = private::options().write(true).create_new(true).open(to).map_err(file_error(to))?;
    io::copy(&mut (&mut source).take(LONGEST), &mut out).map_err(file_error(to))?;
    Ok(to.to_owned())
}

/// Whether `text` is a Debian version without an epoch, whose colon does not belong in a folder's name.
fn is_version(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+~-".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= 80 && text.chars().all(fits)
}

/// Unpacks `deb` into a new folder. Returns the folder's name and the version that its program reports.
fn unpack(
    machine: &impl Machine,
    program: &Path,
    deb: &Path,
    version: &str,
    before: Option<&str>,
) -> Result<(String, String), Fault> {
    // The program in force stays untouched, even if it has the same version.
    let folder = if before == Some(version) { format!("{version}.again") } else { version.to_owned() };
    let (new, place) = (program.join(format!("{folder}.new")), program.join(&folder));
    machine.power_cut_point()?;
    remove(&new)?;
    let unpacked =
        machine.unpack(deb, &new).map_err(|why| Fault::wrong(format!("it could not be unpacked: {why}")));
    let said = match unpacked.and_then(|()| check(machine, &new, version)) {
        Ok(said) => said,
        Err(fault) => {
            remove(&new)?;
            return Err(fault);
        }
    };
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(file_error(&new))?;
    machine.power_cut_point()?;
    let all = File::open(&new).map_err(file_error(&new))?;
    rustix::fs::syncfs(&all).map_err(|error| system_error(format_args!("`{}`", new.display()), error))?;
    machine.power_cut_point()?;
    remove(&place)?;
    machine.power_cut_point()?;
    fs::rename(&new, &place).map_err(file_error(&place))?;
    sync_folder(program)?;
    Ok((folder, said))
}

/// Checks that the program in `new` runs here and has the package's version.
fn check(machine: &impl Machine, new: &Path, version: &str) -> Result<String, Fault> {
    let file = program_in(new);
    let is_there = fs::symlink_metadata(&file).is_ok_and(|about| about.is_file());
    if !is_there {
        return Err(Fault::wrong("there is no usr/bin/tallycam in it"));
    }
    let said = machine
        .version_of(&file)
        .map_err(|why| Fault::wrong(format!("its program does not run here: {why}")))?;
    let said =
        said.strip_prefix("tallycam ").and_then(|rest| rest.split([' ', ',']).next()).unwrap_or_default();
    let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    if said != upstream {
        return Err(Fault::wrong(format!("its program says that it is {said:?}, not {upstream:?}")));
    }
    Ok(said.to_owned())
}

/// Makes `current` point to `folder`, or removes it.
fn switch_current(machine: &impl Machine, program: &Path, folder: Option<&str>) -> Result<(), Fault> {
    let link = program.join(CURRENT);
    machine.power_cut_point()?;
    match folder {
        None => remove(&link)?,
        Some(folder) => {
            let new = program.join("current.new");
            remove(&new)?;
            symlink(folder, &new).map_err(file_error(&new))?;
            machine.power_cut_point()?;
            fs::rename(&new, &link).map_err(file_error(&link))?;
        }
    }
    sync_folder(program)
}

/// Waits for the service of a trial, and keeps the new program or takes it back.
fn watch_trial(machine: &impl Machine, program: &Path, trial: &UpdateTrial) -> Result<String, Fault> {
    let began = machine.monotonic_seconds();
    loop {
        if machine.running_version().as_deref() == Some(trial.version.as_str()) {
            machine.power_cut_point()?;
            end_trial(machine, program)?;
            remove_old_programs(program, [Some(&trial.folder), trial.before.as_ref()]);
            return Ok(trial.version.clone());
        }
        if machine.monotonic_seconds().saturating_sub(began) >= PATIENCE {
            break;
        }
        machine.sleep_second();
    }
    log::error!("version {} was not ready within {PATIENCE} s: the one before is restored", trial.version);
    switch_current(machine, program, trial.before.as_deref())?;
    let restarted = machine.restart();
    machine.power_cut_point()?;
    end_trial(machine, program)?;
    let _ = remove(&program.join(&trial.folder));
    let before = trial.before.as_deref().unwrap_or("of the image");
    let words = format!(
        "version {} was not ready within {PATIENCE} s; the program {before} is in force again; \
         `journalctl -u tallycam` says why",
        trial.version
    );
    Err(Fault::wrong(match restarted {
        Ok(()) => words,
        Err(why) => format!("{words}; it could not be restarted: {why}"),
    }))
}

fn end_trial(machine: &impl Machine, program: &Path) -> Result<(), Fault> {
    remove(&program.join(TRIAL))?;
    machine.power_cut_point()?;
    sync_folder(program)
}

/// Completes a trial that a power cut interrupted. Returns the version if it was kept.
fn finish_trial(machine: &impl Machine, program: &Path) -> Result<Option<String>, Fault> {
    let file = program.join(TRIAL);
    let Ok(text) = fs::read(&file) else { return Ok(None) };
    let trial: Option<UpdateTrial> = serde_json::from_slice(&text).ok();
    match trial.filter(|trial| current_folder(program).as_ref() == Some(&trial.folder)) {
        Some(trial) => watch_trial(machine, program, &trial).map(Some),
        // The power cut came before the switch, or after switching back.
        None => end_trial(machine, program).map(|()| None),
    }
}

/// Removes programs except the one in force and the one before.
fn remove_old_programs(program: &Path, keep: [Option<&String>; 2]) {
    for entry in fs::read_dir(program).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_folder
            && !keep.contains(&Some(&name))
            && let Err(error) = remove(&entry.path())
        {
            log::warn!("{error}");
        }
    }
}
