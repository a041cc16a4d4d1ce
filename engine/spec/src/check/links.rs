//! tbd
use super::*;
#[expect(unused)]
pub(super) fn check(c: &Catalogue<'_>, x: &attributes::Facts, f: &mut Vec<Diagnostic>) {}
