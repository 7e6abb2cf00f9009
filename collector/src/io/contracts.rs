//! Descriptions of APIs from files. In: `openapi` of a configuration. Out: documents, or what is wrong with a file.
#![expect(clippy::disallowed_types, reason = "documents are files")]

use std::{fs::File, io::Read as _, path::Path};

use pitot_model::{
    budget,
    contract::{Contract, ContractError},
};

use crate::contract::{Described, DocumentConfig, Documents};

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("openapi: cannot use `{path}`: {why}")]
pub struct DocumentError {
    path: String,
    why: String,
}

impl DocumentError {
    fn new(path: &Path, why: String) -> Self {
        Self { path: path.display().to_string(), why }
    }
}

/// Reads one document.
pub fn read(path: &Path) -> Result<Contract, DocumentError> {
    if path.as_os_str().is_empty() {
        return Err(DocumentError::new(path, "it is no name; name an OpenAPI 3 or Swagger 2 document".to_owned()));
    }
    let why = |e: std::io::Error| DocumentError::new(path, format!("{e}; name a file that can be read"));
    let file = File::open(path).map_err(why)?;
    // One byte more than may be, so that more is noticed; also of pipes and devices that never end.
    let mut bytes = Vec::new();
    file.take(budget::CONTRACT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(why)?;
    Contract::read(&bytes).map_err(|e: ContractError| DocumentError::new(path, e.to_string()))
}

/// Reads all documents of a configuration. What could not be used of one is logged.
pub(crate) fn read_all(configs: &[DocumentConfig]) -> Result<Documents, DocumentError> {
    if let Some(twice) = Documents::repeated(configs) {
        return Err(DocumentError::new(&twice.file, "it is named twice; leave one out".to_owned()));
    }
    let mut documents = Documents::default();
    for config in configs {
        let contract = read(&config.file)?;
        let (file, operations) = (config.file.display().to_string(), contract.operations.len());
        let faults = contract.faults.len() as u64 + contract.more_faults;
        tracing::info!(file, operations, faults, "document read");
        for fault in contract.faults.iter().take(5) {
            tracing::warn!(file, at = fault.pointer, "{}", fault.message);
        }
        documents.all.push(Described::new(config.clone(), contract));
    }
    Ok(documents)
}
