//! What can only be known when all specs are read together.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;
use calipso_parse::Parser;

use crate::{checked::Specs, diag::Diagnostic, load::Parsed, spec_test::SpecTest};

mod paths;

/// Everything a check may look at.
pub(crate) struct Catalogue<'c> {
    pub specs: &'c Specs,
    pub files: &'c BTreeMap<(usize, Str), Parsed>,
    pub tests: &'c [SpecTest],
    pub parsers: &'c BTreeMap<Str, Arc<Parser>>,
}

/// Settles what needs all specs (the direction of clique paths), then runs every check.
pub(crate) fn check(
    specs: &mut Specs,
    files: &BTreeMap<(usize, Str), Parsed>,
    tests: &[SpecTest],
    parsers: &BTreeMap<Str, Arc<Parser>>,
    _broken: bool,
) -> Vec<Diagnostic> {
    paths::settle(specs);
    let catalogue = Catalogue { specs, files, tests, parsers };
    let mut diagnostics = Vec::new();
    paths::check(&catalogue, &mut diagnostics);
    diagnostics
}
