//! Filters, tests and functions: known ones only, with the arguments that they take.

use std::sync::Arc;

use calipso_model::Value;
use minijinja::machinery::{Span, ast};
use regex::Regex;

use super::{Args, Kind, Node, Reader, did_you_mean, whole_span};
use crate::{
    error::ExprErrorKind,
    table::{self, Filter, filters, functions, tests},
};

/// Bytes of a name that begins where a span does.
fn name_span(span: Span, name: &str) -> (usize, usize) {
    let start = span.start_offset as usize;
    (start, (start + name.len()).min(span.end_offset as usize).max(start))
}

impl Reader<'_> {
    fn args(&mut self, given: &[ast::CallArg<'_>], span: Span) -> Args {
        let mut args = Args::default();
        for arg in given {
            match arg {
                ast::CallArg::Pos(value) => args.positional.push(self.node(value)),
                ast::CallArg::Kwarg(name, value) => args.named.push((Arc::from(*name), self.node(value))),
                ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                    self.error(ExprErrorKind::NotAllowed, whole_span(span), "arguments cannot be spread with `*`");
                }
            }
        }
        args
    }

    fn wrong_arguments(&mut self, range: (usize, usize), message: impl Into<String>) {
        self.error(ExprErrorKind::WrongArguments, range, message);
    }

    pub(super) fn filter(&mut self, filter: &ast::Filter<'_>, span: Span) -> Kind {
        let Some(inner) = &filter.expr else {
            self.error(ExprErrorKind::NotAllowed, whole_span(span), "a filter needs a value on its left");
            return Kind::Const(Value::Null);
        };
        let inner = self.boxed(inner);
        let mut args = self.args(&filter.args, span);
        let range = name_span(span, filter.name);
        let Some(entry) = table::filter(filter.name) else {
            return self.unknown("filter", filter.name, range, filters::ALL.iter().map(|entry| entry.name));
        };
        self.count(entry.name, args.positional.len(), entry.args, whole_span(span));
        for (given, _) in &args.named {
            if !entry.named.contains(&given.as_ref()) {
                let message = format!("`{}` has no argument `{given}`", entry.name);
                let help = did_you_mean(given, entry.named.iter().copied());
                self.error(ExprErrorKind::WrongArguments, whole_span(span), message).help = help;
            }
        }
        if entry.takes_filter {
            self.inner_filter(entry, &mut args, whole_span(span));
        } else if entry.name == "regex_get" {
            self.pattern(&mut args, 0);
        }
        if let Some(at) = entry.test_at {
            self.inner_test(entry, &args, at, whole_span(span));
        }
        if entry.name == "default" {
            return Kind::Default(inner, args.positional.into_iter().next().map(Box::new));
        }
        Kind::Filter(entry, inner, args)
    }

    /// `map('filter', arguments)` or `map(attribute='a')`.
    fn inner_filter(&mut self, entry: &Filter, args: &mut Args, range: (usize, usize)) {
        let by_attribute = args.named.iter().any(|(name, _)| name.as_ref() == "attribute");
        let Some(first) = args.positional.first() else {
            if !by_attribute {
                self.wrong_arguments(range, format!("`{}` needs the name of a filter, or `attribute=`", entry.name));
            }
            return;
        };
        let at = (first.start as usize, first.end as usize);
        if by_attribute {
            return self.wrong_arguments(at, format!("`{}` takes a filter or `attribute=`, not both", entry.name));
        }
        let Kind::Const(Value::Str(name)) = &first.kind else {
            return self.wrong_arguments(at, "the name of a filter is written out as a text");
        };
        let name = name.clone();
        match table::filter(&name) {
            None => {
                self.unknown("filter", &name, at, filters::ALL.iter().map(|entry| entry.name));
            }
            Some(inner) => {
                self.count(inner.name, args.positional.len() - 1, inner.args, at);
                if inner.takes_filter || inner.test_at.is_some() {
                    self.wrong_arguments(at, format!("`{name}` cannot be used by name"));
                } else if inner.name == "regex_get" {
                    self.pattern(args, 1);
                }
            }
        }
    }

    /// `select('test', argument)` and its like.
    fn inner_test(&mut self, entry: &Filter, args: &Args, at: usize, range: (usize, usize)) {
        let Some(name) = args.positional.get(at) else { return };
        let here = (name.start as usize, name.end as usize);
        let Kind::Const(Value::Str(name)) = &name.kind else {
            return self
                .wrong_arguments(here, format!("`{}` needs the name of a test, written out as a text", entry.name));
        };
        match table::test(name) {
            None => {
                self.unknown("test", name, here, tests::ALL.iter().map(|entry| entry.name));
            }
            Some(test) => {
                let n_args = args.positional.len().saturating_sub(at + 1);
                self.count(test.name, n_args, (test.args, test.args), range);
            }
        }
    }

    fn pattern(&mut self, args: &mut Args, at: usize) {
        let Some(Node { kind: Kind::Const(Value::Str(pattern)), start, end }) = args.positional.get(at) else { return };
        let range = (*start as usize, *end as usize);
        match Regex::new(pattern) {
            Err(error) => {
                let why = error.to_string();
                let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.wrong_arguments(range, format!("`{pattern}` is no regular expression: {last}"));
            }
            Ok(regex) => {
                if let Some(Node { kind: Kind::Const(Value::Str(group)), start, end }) = args.positional.get(at + 1)
                    && !regex.capture_names().flatten().any(|name| name == group.as_ref())
                {
                    let range = (*start as usize, *end as usize);
                    let message = format!("the regular expression has no group `{group}`");
                    let help = did_you_mean(group, regex.capture_names().flatten());
                    self.error(ExprErrorKind::WrongArguments, range, message).help = help;
                }
                if let Some(Node { kind: Kind::Const(Value::Int(group)), start, end }) = args.positional.get(at + 1)
                    && usize::try_from(*group).map_or(true, |group| group >= regex.captures_len())
                {
                    let range = (*start as usize, *end as usize);
                    let message = match regex.captures_len() - 1 {
                        0 => "the regular expression has no groups".to_owned(),
                        n_groups => format!("the regular expression has {n_groups} groups, and no group {group}"),
                    };
                    self.error(ExprErrorKind::WrongArguments, range, message);
                }
                args.pattern = Some(Arc::new(regex));
            }
        }
    }

    fn count(&mut self, name: &str, n_args: usize, (least, most): (usize, usize), range: (usize, usize)) {
        if n_args < least || n_args > most {
            let wanted = match (least, most) {
                (0, 0) => "no arguments".to_owned(),
                (1, 1) => "1 argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                (least, most) => format!("{least} to {most} arguments"),
            };
            self.wrong_arguments(range, format!("`{name}` takes {wanted}, not {n_args}"));
        }
    }

    pub(super) fn test(&mut self, test: &ast::Test<'_>, span: Span) -> Kind {
        let inner = self.boxed(&test.expr);
        let args = self.args(&test.args, span);
        let Some(entry) = table::test(test.name) else {
            return self.unknown(
                "test",
                test.name,
                name_span(span, test.name),
                tests::ALL.iter().map(|entry| entry.name),
            );
        };
        self.only_positional(entry.name, &args, span);
        self.count(entry.name, args.positional.len(), (entry.args, entry.args), whole_span(span));
        Kind::Test(entry, inner, args.positional.into_iter().next().map(Box::new))
    }

    pub(super) fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Kind {
        let ast::Expr::Var(var) = &call.expr else {
            self.error(ExprErrorKind::NotAllowed, whole_span(span), "values have no methods").help =
                Some("use a filter: `value | filter`".to_owned());
            return Kind::Const(Value::Null);
        };
        let args = self.args(&call.args, span);
        let Some(entry) = table::function(var.id) else {
            let range = whole_span(var.span());
            return self.unknown("function", var.id, range, functions::ALL.iter().map(|entry| entry.name));
        };
        self.only_positional(entry.name, &args, span);
        self.count(entry.name, args.positional.len(), (entry.args, entry.args), whole_span(span));
        Kind::Function(entry, args.positional)
    }

    fn only_positional(&mut self, name: &str, args: &Args, span: Span) {
        if let Some((given, _)) = args.named.first() {
            self.wrong_arguments(whole_span(span), format!("`{name}` has no argument `{given}`"));
        }
    }
}
