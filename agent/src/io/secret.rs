//! The secrets that pseudonyms are keyed with. In: a state directory, or a file. Out: [`Keys`]; one is made on first use
//! where the state directory has none.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::Path,
};

use crate::enrich::{Keys, SECRET_BYTES};

/// Bytes of a file of secrets.
const FILE_BYTES: u64 = 64 << 10;

/// The secret cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// In the state directory.
    #[error("cannot use the pseudonym secret `{path}`: {error}; set PITOT_STATE to a directory that can be written")]
    State {
        /// Of the secret.
        path: String,
        /// Why.
        error: String,
    },
    /// In the file that was named.
    #[error("cannot use the pseudonym secrets in `{path}`: {error}")]
    File {
        /// As it was named.
        path: String,
        /// Why, and what to do.
        error: String,
    },
}

/// The secret in this directory; made, readable for its owner only, when there is none.
pub fn load_secret(directory: &Path) -> Result<Keys, SecretError> {
    let path = directory.join("pseudonym.secret");
    let failed = |error: String| SecretError::State { path: path.display().to_string(), error };
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(directory).map_err(|e| failed(e.to_string()))?;
            // Another process may have been faster.
            make(&path).map(Keys::one).or_else(|made| load_file(&path).map_err(|_| made)).map_err(failed)
        }
        _ => load_file(&path),
    }
}

/// The secrets in a file that the operator names; it is not made.
pub fn load_file(path: &Path) -> Result<Keys, SecretError> {
    let failed = |error: String| SecretError::File { path: path.display().to_string(), error };
    let content = read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed(
            "it is not there; copy that of another agent, or make one: `umask 077; openssl rand -hex 32 > FILE`"
                .to_owned(),
        ),
        ErrorKind::PermissionDenied => {
            failed("it cannot be read; let the user that the agent runs as own it".to_owned())
        }
        _ => failed(format!("{error}; name a file that can be read")),
    })?;
    is_private(path).map_err(failed)?;
    Keys::parse(&content).map_err(|error| failed(error.to_string()))
}

/// A secret that is kept nowhere.
pub fn fresh_secret() -> Result<[u8; SECRET_BYTES], SecretError> {
    let path = "/dev/urandom";
    random(path).map_err(|error| SecretError::State { path: path.to_owned(), error })
}

/// The content of a file; what is too long for one of secrets is cut and so no text of secrets.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Fails where others than the owner can read or write it.
#[cfg(unix)]
fn is_private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_err(|e| e.to_string())?.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(format!("others can read it (mode {mode:03o}), and could undo pseudonyms; `chmod 600` it")),
    }
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> Result<(), String> {
    Ok(())
}

fn random(path: &str) -> Result<[u8; SECRET_BYTES], String> {
    let mut secret = [0; SECRET_BYTES];
    File::open(path).and_then(|mut f| f.read_exact(&mut secret)).map_err(|e| e.to_string())?;
    Ok(secret)
}

/// Writes a new secret; fails when another process was faster.
fn make(path: &Path) -> Result<[u8; SECRET_BYTES], String> {
    let secret = random("/dev/urandom")?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut f| f.write_all(&secret)).map_err(|e| e.to_string())?;
    Ok(secret)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_one_that_is_named_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let made = load_secret(&state).unwrap();
        assert!(load_secret(&state).unwrap() == made);
        let file = state.join("pseudonym.secret");
        assert!(load_file(&file).unwrap() == made);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        for error in [load_secret(&state).err().unwrap(), load_file(&file).err().unwrap()] {
            assert!(error.to_string().ends_with("`chmod 600` it") && error.to_string().contains("640"), "{error}");
        }
        let error = load_file(&directory.path().join("none")).err().unwrap().to_string();
        assert!(error.contains("openssl rand -hex 32"), "{error}");
        let error = load_file(directory.path()).err().unwrap().to_string();
        assert!(error.contains("cannot use the pseudonym secrets in"), "{error}");
    }
}
