//! The catalogue in force for an environment: the layers of the program, and the environment's own specs over them.
//! Worker, interface and command line all ask here, so that they see the same.

use std::sync::{Arc, Mutex, PoisonError};

use calipso_model::Str;

use crate::{
    load::{Layer, Loaded, load},
    rows::{Misnamed, SpecText, layer_of},
};

/// Maximum number of catalogues that are kept.
const REMEMBERED: usize = 32;

/// Beginning of the name of a layer of an environment's own specs.
const OWN: &str = "specs of ";

/// Name of the layer of an environment's own specs, in diagnostics and in the places of rules.
#[must_use]
pub fn own_layer(environment: &str) -> String {
    format!("{OWN}{environment}")
}

/// Whether a file is one of an environment's own.
#[must_use]
pub fn is_own(file: &str) -> bool {
    file.starts_with(OWN)
}

/// The layers with an environment's own specs over them, checked; mistakes are in what comes back.
///
/// # Shape
/// Without tests: they say nothing of what is in force, and an environment's own distribution may lack what tests of others name.
/// # Errors
/// Every document that cannot be a spec.
pub fn in_force(layers: &[Layer], environment: &str, own: &[SpecText]) -> Result<Loaded, Vec<Misnamed>> {
    let mut all = layers.to_vec();
    for layer in &mut all {
        layer.files.retain(|(path, _)| !path.ends_with(".test.yaml"));
    }
    if !own.is_empty() {
        all.push(layer_of(&own_layer(environment), own)?);
    }
    Ok(load(&all))
}

/// Catalogues of environments with specs of their own, by what these say: versions and names of documents may repeat,
/// their text is what counts. `T` is what is kept of a catalogue.
#[derive(Debug)]
pub struct CatalogueCache<T> {
    known: Mutex<Vec<Remembered<T>>>,
}

#[derive(Debug)]
struct Remembered<T> {
    environment: Str,
    own: Vec<SpecText>,
    loaded: Arc<T>,
}

impl<T> Default for CatalogueCache<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<T> CatalogueCache<T> {
    /// What is remembered for exactly these specs.
    #[must_use]
    pub fn find(&self, environment: &str, own: &[SpecText]) -> Option<Arc<T>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let index = known.iter().position(|known| *known.environment == *environment && known.own == own)?;
        // What was asked for last is forgotten last.
        let found = known.remove(index);
        let loaded = Arc::clone(&found.loaded);
        known.push(found);
        Some(loaded)
    }

    /// Keeps the catalogue of these specs; an older one of the same environment is dropped.
    pub fn keep(&self, environment: &str, own: Vec<SpecText>, loaded: &Arc<T>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| *known.environment != *environment);
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push(Remembered { environment: environment.into(), own, loaded: Arc::clone(loaded) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Vec<SpecText> {
        vec![SpecText { kind: "object_type".into(), name: "room".into(), text: text.into() }]
    }

    #[test]
    fn what_counts_is_the_text() {
        let catalogues = CatalogueCache::default();
        let first = Arc::new(in_force(&[], "shop", &own("schema: object_type/v1\nname: room\n")).unwrap());
        catalogues.keep("shop", own("schema: object_type/v1\nname: room\n"), &first);
        assert!(catalogues.find("shop", &own("schema: object_type/v1\nname: room\n")).is_some());
        assert!(catalogues.find("shop", &own("schema: object_type/v1\nname: hall\n")).is_none());
        assert!(catalogues.find("other", &own("schema: object_type/v1\nname: room\n")).is_none());
    }

    #[test]
    fn not_everything_is_remembered_for_ever() {
        let catalogues = CatalogueCache::default();
        let loaded = Arc::new(Loaded::default());
        for number in 0..=REMEMBERED {
            catalogues.keep(&number.to_string(), own("x"), &loaded);
            assert!(catalogues.find("0", &own("x")).is_some(), "what is asked for stays");
        }
        assert!(catalogues.find("1", &own("x")).is_none());
        assert!(catalogues.find(&REMEMBERED.to_string(), &own("x")).is_some());
    }

    #[test]
    fn a_mistake_in_a_test_is_none_of_what_is_in_force() {
        let files = vec![("object_types/room.test.yaml".into(), "schema: test/v1\nof: {object_type: hall}\n".into())];
        let layers = [Layer { name: "mine".into(), files }];
        let room = own(
            "schema: object_type/v1\nname: room\ndescription: A room.\nsource: made up\nforms: [{form: room, id: \"{{ self.n }}\", name: \"{{ self.n }}\", parent: {type: environment}}]\nattributes: {n: {type: text}}\n",
        );
        assert!(load(&layers).has_errors());
        let loaded = in_force(&layers, "shop", &room).unwrap();
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    }

    #[test]
    fn a_layer_of_an_environment_is_known_by_its_files() {
        let loaded = in_force(&[], "shop", &own("schema: object_type/v1\nname: room\n")).unwrap();
        assert!(loaded.diagnostics.iter().all(|found| is_own(&found.primary.file)));
        assert!(!is_own("mine/object_types/room.yaml"));
    }
}
