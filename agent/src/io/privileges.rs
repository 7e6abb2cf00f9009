//! Giving up privileges once the captures are open.
//!
//! In: the user to become. Out: what was given up, for people. To be called before there are threads: capabilities belong
//! to threads, and those that are started later inherit what is left.

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
/// # Errors
/// All that the system refuses. Nothing should go on then: half of the privileges may be left.
pub fn drop_privileges(user: Option<&str>) -> Result<String, PrivilegeError> {
    let mut done = Vec::new();
    if Uid::effective().is_root() {
        let (uid, gid, name) = target(user)?;
        if uid.is_root() {
            return Ok("privileges are kept, as user root".to_owned());
        }
        become_user(uid, gid)?;
        done.push(format!("user {name}"));
    }
    clear_capabilities()?;
    done.push("no capabilities".to_owned());
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

fn become_user(uid: Uid, gid: Gid) -> Result<(), PrivilegeError> {
    let refused = |error: nix::Error| PrivilegeError::Refused { what: "root", error: error.to_string() };
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&[gid]).map_err(refused)?;
    nix::unistd::setgid(gid).map_err(refused)?;
    nix::unistd::setuid(uid).map_err(refused)
}

#[cfg(target_os = "linux")]
fn clear_capabilities() -> Result<(), PrivilegeError> {
    use rustix::thread::{CapabilitySet, CapabilitySets};

    let refused = |error: rustix::io::Errno| PrivilegeError::Refused { what: "capabilities", error: error.to_string() };
    let none = CapabilitySet::empty();
    // The ambient set follows the permitted one.
    let nothing = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, nothing).map_err(refused)?;
    rustix::thread::set_no_new_privs(true).map_err(refused)
}

#[cfg(not(target_os = "linux"))]
fn clear_capabilities() -> Result<(), PrivilegeError> {
    Ok(())
}
