//! Expressions and templates of the spec language: parsed by minijinja, checked and evaluated here.
//!
//! The grammar of expressions is minijinja's. What they mean is ours, in four points:
//!
//! - **Undefined is a fault**, unless the path that breaks off stands below `| default(x)`, `is defined`, `is undefined` or
//!   `is none`; the path may then break off at any of its parts. `a and b`, comparisons and other filters give no such protection.
//! - **Comparison of different types is false**, never a fault; arithmetic works on numbers only.
//! - **The sets of filters, tests and functions are closed**: see [`table`]. Names, filters, tests and argument counts are
//!   checked when the text is parsed.
//! - **Every evaluation has [`Fuel`]**, and no list is longer than a million elements.
//!
//! Templates are compiled for the place they stand in: [`Tree`] (a value), [`Words`] (a command), [`SqlText`] (a query),
//! [`UrlPath`] (a path). A value can never become syntax of any of them.

mod each;
mod error;
mod eval;
mod expr;
pub mod failed;
mod layout;
pub mod shape;
mod sql;
mod syntax;
pub mod table;
mod template;
mod url;
mod words;

pub use each::{Each, Generator};
pub use error::{EvalError, ExprError, ExprErrorKind, nearest};
pub use eval::{Fuel, MAX_LIST, truth};
pub use expr::{Expr, Use};
pub use layout::{BindNames, Frame, Layout, Names, Slot};
pub use sql::SqlText;
pub use template::{Part, Tree};
pub use url::{UrlPath, percent_encode};
pub use words::{Words, quote_word};
