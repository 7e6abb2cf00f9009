//! The local secret that pseudonyms are keyed with. In: a state directory. Out: 32 bytes, made on first use.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use crate::enrich::SECRET_BYTES;

/// The secret cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the pseudonym secret `{path}`: {error}; set PITOT_STATE to a directory that can be written")]
pub struct SecretError {
    path: String,
    error: String,
}

/// The secret in this directory; made, readable for its owner only, when there is none.
pub fn load_secret(directory: &Path) -> Result<[u8; SECRET_BYTES], SecretError> {
    let path = directory.join("pseudonym.secret");
    let failed = |error: String| SecretError { path: path.display().to_string(), error };
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| failed(format!("it is not {SECRET_BYTES} bytes long"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(directory).map_err(|e| failed(e.to_string()))?;
            make(&path).or_else(|e| fs::read(&path).ok().and_then(|b| b.try_into().ok()).ok_or(e)).map_err(failed)
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// A secret that is kept nowhere.
pub fn fresh_secret() -> Result<[u8; SECRET_BYTES], SecretError> {
    let path = "/dev/urandom";
    random(path).map_err(|error| SecretError { path: path.to_owned(), error })
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
