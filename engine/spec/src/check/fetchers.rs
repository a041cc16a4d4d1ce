//! tbd
use super::*;
#[expect(unused)]
pub(super) fn check(c: &Catalogue<'_>, x: &attributes::Facts, b: bool, f: &mut Vec<Diagnostic>) {}
