//! tbd
use super::*;
#[expect(unused)]
pub(super) fn check(c: &Catalogue<'_>, f: &mut Vec<Diagnostic>) {}
