//! Which document describes which service. In: `openapi` of a configuration, and documents that were read. Out: the operation
//! that a route of a service is.

use std::{collections::HashSet, fmt, path::PathBuf};

use pitot_model::{
    Route,
    contract::{Contract, Found, Paths},
    filter::glob_matches,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// What services begin with that are others', which we call.
const OUTBOUND: &str = "outbound/";

/// A document of `openapi`: `"api.yaml"`, or `{ file = "api.yaml", service = "shop" }`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentConfig {
    /// OpenAPI 3 or Swagger 2, JSON or YAML.
    pub file: PathBuf,
    /// Service that it describes, with `*` for any; empty for those that no other document is for, and that are not
    /// outbound.
    pub service: String,
}

/// As it stands in a table.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: PathBuf,
    #[serde(default)]
    service: String,
}

impl Serialize for DocumentConfig {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.service.as_str() {
            "" => self.file.serialize(s),
            service => Table { file: self.file.clone(), service: service.to_owned() }.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for DocumentConfig {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FileOrTable;

        impl<'de> Visitor<'de> for FileOrTable {
            type Value = DocumentConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file such as \"api.yaml\", or { file = \"api.yaml\", service = \"shop\" }")
            }

            fn visit_str<E>(self, file: &str) -> Result<Self::Value, E> {
                Ok(DocumentConfig { file: file.into(), service: String::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Table { file, service } = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(DocumentConfig { file, service })
            }
        }

        d.deserialize_any(FileOrTable)
    }
}

/// A document in use.
#[derive(Debug)]
pub struct Described {
    /// Where it is from, and for whom.
    pub config: DocumentConfig,
    /// What it promises.
    pub contract: Contract,
    paths: Paths,
}

/// All documents in use, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Documents {
    /// See the type.
    pub all: Vec<Described>,
}

/// A route in the documents for its service. The first number is that of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// No document is for this service.
    Foreign,
    /// This operation.
    Operation(usize, usize),
    /// The path is described, the method is not.
    Method,
    /// One or more of these.
    Perhaps(usize, Vec<usize>),
    /// Not described.
    Nothing,
}

impl Described {
    /// A document for the services of its configuration.
    pub fn new(config: DocumentConfig, contract: Contract) -> Self {
        let paths = Paths::new(&contract.operations);
        Self { config, contract, paths }
    }
}

impl Documents {
    /// The documents for a service.
    fn of(&self, service: &str) -> Vec<usize> {
        let is_named = |d: &&Described| !d.config.service.is_empty() && glob_matches(&d.config.service, service);
        let has_own = self.all.iter().any(|d| is_named(&d));
        let is_for = |d: &Described| match has_own {
            true => is_named(&d),
            false => d.config.service.is_empty() && !service.starts_with(OUTBOUND),
        };
        (0..self.all.len()).filter(|&i| is_for(&self.all[i])).collect()
    }

    /// Where a route of a service stands: the best that any document for it says.
    pub fn find(&self, service: &str, route: &Route) -> Place {
        let (mut best, mut rank) = (Place::Foreign, 0);
        for document in self.of(service) {
            let (place, its) = match self.all[document].paths.find(&route.method, &route.template) {
                Found::Operation(operation) => return Place::Operation(document, operation),
                Found::Perhaps(operations) => (Place::Perhaps(document, operations), 3),
                Found::Method(_) => (Place::Method, 2),
                Found::Nothing => (Place::Nothing, 1),
            };
            if its > rank {
                (best, rank) = (place, its);
            }
        }
        best
    }

    /// Files that are named twice for the same service, which is a mistake.
    pub fn repeated(configs: &[DocumentConfig]) -> Option<&DocumentConfig> {
        let mut seen = HashSet::new();
        configs.iter().find(|c| !seen.insert((&c.file, &c.service)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(all: &[(&str, &str)]) -> Documents {
        let described = |(service, path): &(&str, &str)| {
            let text = format!("{{\"openapi\":\"3.0.0\",\"paths\":{{\"{path}\":{{\"get\":{{}}}}}}}}");
            let contract = Contract::read(text.as_bytes()).expect("a document");
            Described::new(DocumentConfig { file: "x".into(), service: (*service).into() }, contract)
        };
        Documents { all: all.iter().map(described).collect() }
    }

    #[test]
    fn documents_are_for_their_services() {
        let documents = documents(&[("", "/a"), ("shop*", "/b"), ("shop-eu", "/c"), ("outbound/pay", "/d")]);
        let get = |service: &str, path: &str| documents.find(service, &Route::new("GET", path));
        for (service, path, want) in [
            ("web", "/a", Place::Operation(0, 0)),
            ("web", "/b", Place::Nothing),
            ("shop", "/b", Place::Operation(1, 0)),
            ("shop", "/a", Place::Nothing),
            ("shop-eu", "/b", Place::Operation(1, 0)),
            ("shop-eu", "/c", Place::Operation(2, 0)),
            ("outbound/other", "/a", Place::Foreign),
            ("outbound/pay", "/d", Place::Operation(3, 0)),
        ] {
            assert_eq!(get(service, path), want, "{service} {path}");
        }
        assert_eq!(documents.find("web", &Route::new("PUT", "/a")), Place::Method);
        assert_eq!(Documents::default().find("web", &Route::new("GET", "/a")), Place::Foreign);
    }
}
