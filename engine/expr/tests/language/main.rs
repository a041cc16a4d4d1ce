//! The language as its authors see it: expressions, filters, templates, contexts, shapes, limits.

mod agreement;
mod catalogue;
mod common;
mod contexts;
mod expressions;
mod filters;
mod limits;
mod records;
mod shapes;
