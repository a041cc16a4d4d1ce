//! Expressions and templates of the spec language: parsed by minijinja, checked and evaluated here.
//!
//! # What an expression means
//!
//! The grammar is minijinja's; what it means is ours.
//!
//! - **Undefined is a fault**, unless the text says otherwise. A path (`a.b['c'][d][1:]`) may break off at any of its
//!   parts, an undefined index included, where it stands directly below `| default(x)`, `is defined`, `is undefined` or
//!   `is none`, or is an argument of a function or the host of `with_host`. Brackets and both results of `x if c else y`
//!   hand this on, so that `a.b | default(c.d) | default(1)` asks three places. Operators, comparisons, `and`, `or` and
//!   every other filter do not: `(a.b ~ 'x') | default('')` is a fault when `a.b` is undefined. This is not chaining over
//!   an undefined value: evaluation hands "broke off at this node" upwards, beside the value, and whoever may not take
//!   it turns it into a fault that names the path.
//! - **Null is a value.** `default` does not replace it. `is none` holds for null and for undefined. What only changes
//!   the form of a value leaves null null: `int`, `float`, `string`, `from_json`, `regex_get` and slices.
//! - **Comparison of different types is false** (`!=` is true), never a fault; integers and other numbers compare as
//!   numbers. Lists and maps are equal or not, but neither less nor greater.
//! - **Arithmetic works on numbers**, with 64 bits; what does not fit is a fault. `//` rounds down and `%` has the sign of
//!   the divisor; `/` yields a number with decimals. `+` also joins two lists. Text is joined with `~`, which takes the
//!   text form of text, numbers and bools; null, lists and maps are faults.
//! - **`and`, `or`** yield the operand that decided; `x if c` without `else` yields null.
//! - **`sort`** and `min`, `max`, `distinct` know a total order: null, bools, numbers, text (by code point, so case counts),
//!   lists, maps.
//! - **The sets of filters, tests and functions are closed**: [`filters`], [`tests`], [`functions`]. Names, number of
//!   arguments, constant regular expressions and their groups are checked when the text is parsed.
//! - **Every evaluation has [`Fuel`]**, paid before anything is made, and no list has more than [`MAX_LIST`] elements.
//! - **What a failed step left** ([`failed`]) makes every evaluation that looks at it fail; nothing masks that.
//!
//! # Where templates stand
//!
//! Each place has its own type, and a value can never become syntax of any of them:
//!
//! | type | a value becomes |
//! |---|---|
//! | [`Tree`] | itself, or a part of a text |
//! | [`Words`] | one word of a command, or a part of one; a list alone in its place: one word per element |
//! | [`SqlText`] | a bound parameter; a list inside `IN ( )`: one per element |
//! | [`UrlPath`] | one percent-encoded part of a path |
//! | [`Each`] | what names run over |
//!
//! # Before anything runs
//!
//! [`shape`] infers what is known of a value, and finds unknown attributes, wrong types and reads of what may be undefined;
//! it knows what a condition proves about the operands behind it. Ranges of [`ExprError`] are bytes of the text that was
//! parsed; ranges of [`EvalError`] and [`Use`] are bytes of the expression, which begins at [`Expr::offset`].

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

mod each;
mod error;
mod eval;
mod expr;
pub mod failed;
mod fuel;
mod layout;
mod ops;
mod scope;
pub mod shape;
mod signature;
mod sql;
mod syntax;
pub mod table;
mod template;
mod url;
mod words;

pub use each::{Each, Generator};
pub use error::{EvalError, EvalErrorKind, ExprError, ExprErrorKind, misspelt, nearest};
pub use expr::{Expr, KeyPart, Use};
pub use fuel::{Fuel, MAX_LIST};
pub use layout::{BindNames, Frame, Layout, Names, Slot};
pub use ops::truth;
pub use scope::{AttributeRow, AttributeRows, Bound, Column, Columns, Scope};
pub use sql::SqlText;
pub use table::{filters, functions, tests};
pub use template::{Part, Tree};
pub use url::{UrlPath, percent_encode};
pub use words::{Words, quote_word};
