//! Texts that are equal where two expressions do the same, whatever their names are called.

use std::fmt::Write as _;

use crate::{
    layout::Slot,
    syntax::{Kind, Node},
};

/// Writes a node without places in its text.
pub(crate) fn write(node: &Node, name: &dyn Fn(Slot) -> String, out: &mut String) {
    let nodes = |what: &str, nodes: &mut dyn Iterator<Item = &Node>, out: &mut String| {
        let _ = write!(out, "({what}");
        for node in nodes {
            out.push(' ');
            write(node, name, out);
        }
        out.push(')');
    };
    match &node.kind {
        Kind::Const(value) => {
            let _ = write!(out, "{value:?}");
        }
        Kind::Slot(slot) => out.push_str(&name(*slot)),
        Kind::Field(slot, attribute, _) => {
            let _ = write!(out, "(attr {} {attribute:?})", name(*slot));
        }
        Kind::Attr(inner, attribute) => {
            out.push_str("(attr ");
            write(inner, name, out);
            let _ = write!(out, " {attribute:?})");
        }
        Kind::Item(left, right) => nodes("item", &mut [&**left, right].into_iter(), out),
        Kind::Slice(inner, parts) => {
            out.push_str("(slice ");
            write(inner, name, out);
            for part in parts {
                match part {
                    Some(part) => nodes("to", &mut [&**part].into_iter(), out),
                    None => out.push('_'),
                }
            }
            out.push(')');
        }
        Kind::Not(inner) => nodes("not", &mut [&**inner].into_iter(), out),
        Kind::Neg(inner) => nodes("neg", &mut [&**inner].into_iter(), out),
        Kind::And(left, right) => nodes("and", &mut [&**left, right].into_iter(), out),
        Kind::Or(left, right) => nodes("or", &mut [&**left, right].into_iter(), out),
        Kind::Math(op, left, right) => nodes(&format!("{op:?}"), &mut [&**left, right].into_iter(), out),
        Kind::Concat(parts) => nodes("join", &mut parts.iter(), out),
        Kind::Compare(left, ops) => {
            out.push_str("(compare ");
            write(left, name, out);
            for (op, right) in ops {
                nodes(&format!("{op:?}"), &mut [right].into_iter(), out);
            }
            out.push(')');
        }
        Kind::If(test, then, other) => {
            nodes("if", &mut [&**test, then].into_iter().chain(other.as_deref()), out);
        }
        Kind::Default(inner, other) => nodes("default", &mut [&**inner].into_iter().chain(other.as_deref()), out),
        Kind::Filter(entry, inner, args) => {
            nodes(&format!("filter {}", entry.name), &mut [&**inner].into_iter().chain(&args.positional), out);
            for (key, arg) in &args.named {
                nodes(&format!("{key:?}"), &mut [arg].into_iter(), out);
            }
        }
        Kind::Test(entry, inner, arg) => {
            nodes(&format!("test {}", entry.name), &mut [&**inner].into_iter().chain(arg.as_deref()), out);
        }
        Kind::Function(entry, args) => nodes(&format!("call {}", entry.name), &mut args.iter(), out),
        Kind::List(items) => nodes("list", &mut items.iter(), out),
        Kind::Map(entries) => nodes("map", &mut entries.iter().flat_map(|(key, value)| [key, value]), out),
    }
}
