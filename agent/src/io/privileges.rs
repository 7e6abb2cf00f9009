//! Giving up privileges once the captures are open.
//!
//! In: the user to become. Out: what was given up, for people. To be called before there are threads: capabilities belong
//! to threads, and those that are started later inherit what is left.

use std::{io, path::Path};

use nix::unistd::{Gid, Uid, User};

/// Who root becomes where nobody says anything else.
const NOBODY: &str = "nobody";

/// Privileges that cannot be given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("cannot give up root: there is no user `{0}`; name another with --user, or `user` in the configuration")]
    User(String),
    /// The system refuses.
    #[error("cannot give up {what}: {error}; run as another user with CAP_NET_RAW alone")]
    Refused {
        /// What.
        what: &'static str,
        /// What the system says.
        error: String,
    },
}

/// Becomes this user where we are root; else whoever called `sudo`, else `nobody`. Clears all capabilities, and forbids to
/// gain any by starting programs. Gives what was done, for people.
///
/// Who `reads_files` and names no user keeps one capability, to read any file: whoever could open logs must open them again
/// after a rotation. Where root has not got this capability, as in containers, it stays root for that.
///
/// # Errors
/// All that the system refuses. Nothing should go on then: half of the privileges may be left.
pub fn drop_privileges(user: Option<&str>, reads_files: bool) -> Result<String, PrivilegeError> {
    let mut done = Vec::new();
    let keeps_reading = reads_files && user.is_none();
    let is_root = Uid::effective().is_root();
    if is_root && keeps_reading && !may_read_all()? {
        done.push("user root stays, to read log files".to_owned());
    } else if is_root {
        let (uid, gid, name) = target(user)?;
        if uid.is_root() {
            return Ok("privileges are kept, as user root".to_owned());
        }
        become_user(uid, gid, keeps_reading)?;
        done.push(format!("user {name}"));
    }
    let kept = limit_capabilities(keeps_reading)?;
    done.push(if kept.is_empty() { "no capabilities".to_owned() } else { format!("{kept} alone, to read log files") });
    Ok(format!("privileges dropped: {}", done.join(", ")))
}

fn target(user: Option<&str>) -> Result<(Uid, Gid, String), PrivilegeError> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    if let (None, Some(uid), Some(gid)) = (user, number("SUDO_UID"), number("SUDO_GID")) {
        let name = std::env::var("SUDO_USER").unwrap_or_else(|_| format!("{uid}"));
        return Ok((Uid::from_raw(uid), Gid::from_raw(gid), name));
    }
    let name = user.unwrap_or(NOBODY);
    match User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid, user.gid, user.name)),
        _ => Err(PrivilegeError::User(name.to_owned())),
    }
}

fn become_user(uid: Uid, gid: Gid, keeps_capabilities: bool) -> Result<(), PrivilegeError> {
    let refused = |error: nix::Error| PrivilegeError::Refused { what: "root", error: error.to_string() };
    #[cfg(target_os = "linux")]
    rustix::thread::set_keep_capabilities(keeps_capabilities).map_err(capability)?;
    #[cfg(not(target_os = "linux"))]
    let _ = keeps_capabilities;
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&[gid]).map_err(refused)?;
    nix::unistd::setgid(gid).map_err(refused)?;
    nix::unistd::setuid(uid).map_err(refused)
}

#[cfg(target_os = "linux")]
fn capability(error: rustix::io::Errno) -> PrivilegeError {
    PrivilegeError::Refused { what: "capabilities", error: error.to_string() }
}

/// Whether we have the capability to read any file.
#[cfg(target_os = "linux")]
fn may_read_all() -> Result<bool, PrivilegeError> {
    use rustix::thread::CapabilitySet;

    let ours = rustix::thread::capabilities(None).map_err(capability)?.permitted;
    Ok(ours.contains(CapabilitySet::DAC_READ_SEARCH))
}

/// Leaves no capability but that to read files, if it is wanted and there. Its name.
#[cfg(target_os = "linux")]
fn limit_capabilities(keeps_reading: bool) -> Result<&'static str, PrivilegeError> {
    use rustix::thread::{CapabilitySet, CapabilitySets};

    let ours = rustix::thread::capabilities(None).map_err(capability)?.permitted;
    let (kept, name) =
        [(CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"), (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE")]
            .into_iter()
            .find(|(one, _)| keeps_reading && ours.contains(*one))
            .unwrap_or((CapabilitySet::empty(), ""));
    // The ambient set follows the permitted and the inheritable one.
    let left = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, left).map_err(capability)?;
    rustix::thread::set_no_new_privs(true).map_err(capability)?;
    Ok(name)
}

#[cfg(not(target_os = "linux"))]
fn may_read_all() -> Result<bool, PrivilegeError> {
    Ok(false)
}

#[cfg(not(target_os = "linux"))]
fn limit_capabilities(_: bool) -> Result<&'static str, PrivilegeError> {
    Ok("")
}

/// Makes a directory, with those above it, and gives it to whom [`drop_privileges`] will make us.
///
/// # Errors
/// What the system refuses, and users that do not exist.
pub fn own_directory(directory: &Path, user: Option<&str>, reads_files: bool) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let stays_root = reads_files && user.is_none() && !may_read_all().map_err(io::Error::other)?;
    if !Uid::effective().is_root() || stays_root {
        return Ok(());
    }
    let (uid, gid, _) = target(user).map_err(io::Error::other)?;
    std::os::unix::fs::chown(directory, Some(uid.as_raw()), Some(gid.as_raw()))
}
