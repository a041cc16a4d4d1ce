//! Names that are visible at one place of a spec, and expressions compiled there.

use std::{collections::BTreeMap, ops::Range};

use calipso_expr::{
    BindNames, Each, Expr, ExprError, ExprErrorKind, Layout, Names, Slot, SqlText, Tree, UrlPath, Words,
};
use calipso_model::{Str, Value};

use crate::{
    decode::{Cx, help, in_scalar},
    yaml::{Node, NodeKind},
};

/// Names that are compared with a misspelt one.
const MOST_COMPARED: usize = 60;

/// The layout of a spec while it is read, and which of its names are visible right now.
pub(crate) struct Scope {
    pub layout: Layout,
    visible: Vec<Str>,
    /// The slots of what is visible.
    slots: BTreeMap<Str, Slot>,
    n_roots: usize,
    /// Names that steps bind somewhere, and where they first do.
    later: BTreeMap<Str, usize>,
    /// Names of the objects of both ends of a join, while one of them is read.
    ends: Vec<Str>,
}

impl Scope {
    /// All of these names have slots, in this order; none of them is visible yet.
    pub fn new(names: &[&str]) -> Self {
        Self {
            layout: Layout::new(names),
            visible: Vec::new(),
            slots: BTreeMap::new(),
            n_roots: names.len(),
            later: BTreeMap::new(),
            ends: Vec::new(),
        }
    }

    /// Continues the layout of a spec that is extended; the first `n_roots` names are those of its kind.
    pub fn over(layout: &Layout, n_roots: usize) -> Self {
        Self {
            layout: layout.clone(),
            visible: Vec::new(),
            slots: BTreeMap::new(),
            n_roots,
            later: BTreeMap::new(),
            ends: Vec::new(),
        }
    }

    /// Makes names visible that the kind has at this place.
    pub fn show(&mut self, names: &[&str]) {
        for name in names {
            if self.resolve(name).is_none() {
                self.add(name);
            }
        }
    }

    fn add(&mut self, name: &str) -> Slot {
        let slot = self.layout.slot(name);
        self.visible.push(Str::from(name));
        self.slots.insert(Str::from(name), slot);
        slot
    }

    /// Makes these names visible during a call, and afterwards forgets all that was bound.
    pub fn within<T>(&mut self, names: &[&str], run: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.visible.len();
        self.show(names);
        let result = run(self);
        for name in self.visible.drain(mark..) {
            self.slots.remove(&name);
        }
        result
    }

    /// Runs while one name is hidden; what is bound meanwhile stays.
    pub fn hide<T>(&mut self, name: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        let hidden = self.slots.remove_entry(name);
        let result = run(self);
        self.slots.extend(hidden);
        result
    }

    /// Runs while an end of a join is read: the other end's object is known, but not visible.
    pub fn end_of<T>(&mut self, ends: &[&str], run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.ends, ends.iter().map(|name| Str::from(*name)).collect());
        let result = run(self);
        self.ends = before;
        result
    }

    /// Why a name that is not visible is known all the same.
    fn hidden(&self, name: &str) -> Option<(&'static str, &'static str, &'static str)> {
        if self.ends.iter().any(|end| end.as_ref() == name) {
            return Some((
                "link/end-reads-other",
                "each end sees its own object only",
                "ask it in the `when` of the rule, which sees both",
            ));
        }
        self.layout.find(name).filter(|slot| *slot >= self.n_roots).map(|_| {
            (
                "expr/unbound-result",
                "bound inside a block or another step only",
                "let the block have a `value`, and name it with `as`",
            )
        })
    }

    /// Remembers what a list of steps is going to bind, so that a name that is read too early can be told from an
    /// unknown one.
    pub fn remember_later(&mut self, steps: &Node) {
        for step in steps.items() {
            for key in ["as", "let", "answer_as"] {
                if let Some(node) = step.get(key)
                    && let Some(name) = node.as_text()
                {
                    self.later.entry(Str::from(name)).or_insert(node.range.start);
                }
            }
        }
    }

    /// Binds a result.
    pub fn bind_result(&mut self, cx: &mut Cx<'_>, name: &Str, range: &Range<usize>) -> Option<Slot> {
        match self.bind(name) {
            Ok(slot) => Some(slot),
            Err(mistake) => {
                report(cx, self, range, Some(range.start), name, mistake);
                None
            }
        }
    }
}

impl Names for Scope {
    fn resolve(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    fn known(&self) -> Vec<Str> {
        // The last ones bound are the likeliest; of thousands, not all are compared.
        self.visible.iter().rev().filter(|name| self.slots.contains_key(*name)).take(MOST_COMPARED).cloned().collect()
    }
}

impl BindNames for Scope {
    fn bind(&mut self, name: &str) -> Result<Slot, ExprError> {
        if self.resolve(name).is_some() {
            return Err(ExprError::new(
                ExprErrorKind::ShadowedName,
                0,
                name.len(),
                format!("the name `{name}` is bound already"),
            )
            .help("choose another name: a name means one thing in a spec"));
        }
        Ok(self.add(name))
    }
}

/// The diagnostic code of a mistake in an expression.
fn code(kind: ExprErrorKind) -> &'static str {
    match kind {
        ExprErrorKind::Syntax | ExprErrorKind::NotAllowed => "expr/syntax",
        ExprErrorKind::UnknownName => "expr/unknown-name",
        ExprErrorKind::UnknownFilter | ExprErrorKind::WrongArguments => "expr/unknown-filter",
        ExprErrorKind::TemplateInExpression => "expr/template-in-constant",
        ExprErrorKind::ShellOperator => "run/shell-operator",
        ExprErrorKind::NotWords => "run/not-words",
        ExprErrorKind::NotASelect => "sql/not-a-select",
        ExprErrorKind::UnknownIdentifier => "sql/unknown-identifier",
        ExprErrorKind::BadPath => "http/bad-request-line",
        ExprErrorKind::BadGenerator => "each/bad-generator",
        ExprErrorKind::ShadowedName => "expr/shadowed-name",
    }
}

/// Reports a mistake of an expression at its bytes, or under the whole scalar where the text does not stand there as it is.
fn report(cx: &mut Cx<'_>, scope: &Scope, whole: &Range<usize>, inside: Option<usize>, text: &str, mistake: ExprError) {
    let part = text.get(mistake.start..mistake.end.max(mistake.start)).unwrap_or_default();
    let range = in_scalar(cx.text, whole, inside.map(|start| start + mistake.start), part);
    if let Some(name) = &mistake.unknown_name {
        if !cx.unknown_names.insert(name.clone()) {
            return;
        }
        if let Some((code, label, advice)) = scope.hidden(name) {
            help(cx.report(code, &range, format!("`{name}` is not known here"), label), advice);
            return;
        }
        if let Some(place) = scope.later.get(name).filter(|place| **place > whole.start) {
            let line = cx.at(&(*place..*place)).line;
            let says = format!("`{name}` is read before it is bound");
            help(
                cx.report("expr/unknown-name", &range, says, format!("bound later, at line {line}")),
                "move this step behind the one that binds it",
            );
            return;
        }
    }
    let label = match mistake.kind {
        ExprErrorKind::UnknownName => "not known here",
        ExprErrorKind::UnknownFilter => "not in the language",
        ExprErrorKind::ShadowedName => "bound again here",
        _ => "",
    };
    let advice = mistake.help;
    let diagnostic = cx.report(code(mistake.kind), &range, mistake.message, label);
    if let Some(advice) = advice {
        help(diagnostic, advice);
    }
}

/// The text of a scalar as it is written, and where it begins.
fn source(cx: &Cx<'_>, node: &Node) -> Option<(String, Option<usize>)> {
    match &node.kind {
        NodeKind::Text { text, inside } => Some((text.to_string(), *inside)),
        NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {
            Some((cx.text.get(node.range.clone())?.to_owned(), Some(node.range.start)))
        }
        _ => None,
    }
}

/// A bare expression.
pub(crate) fn expr(cx: &mut Cx<'_>, node: &Node, key: &str, scope: &Scope) -> Option<Expr> {
    let Some((text, inside)) = source(cx, node) else {
        cx.wrong_type(node, key, "an expression");
        return None;
    };
    match Expr::parse(&text, scope) {
        Ok(expr) => {
            cx.remember(&node.range, inside, vec![&expr]);
            Some(expr)
        }
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| report(cx, scope, &node.range, inside, &text, mistake));
            None
        }
    }
}

/// Generators; their names stay visible in the scope.
pub(crate) fn each(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope) -> Option<Each> {
    let Some((text, inside)) = source(cx, node) else {
        cx.wrong_type(node, "each", "generators");
        return None;
    };
    match Each::parse(&text, scope) {
        Ok(each) => {
            let overs = each.generators.iter().map(|generator| &generator.over).collect();
            cx.remember(&node.range, inside, overs);
            Some(each)
        }
        Err(mistakes) => {
            // What it seems to bind is taken as bound: only the generator itself is wrong.
            for piece in text.split(';') {
                for name in
                    piece.split(" in ").next().unwrap_or_default().split([' ', ',']).filter(|name| !name.is_empty())
                {
                    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                        scope.show(&[name]);
                    }
                }
            }
            mistakes.into_iter().for_each(|mistake| report(cx, scope, &node.range, inside, &text, mistake));
            None
        }
    }
}

/// Whether a text is an expression that reads something below a name which is known here.
fn reads_path(text: &str, scope: &Scope) -> bool {
    let root = text.split(['.', '[', ' ', '|']).next().unwrap_or_default();
    let item = scope.resolve(root).is_some() && text.strip_prefix(root).is_some_and(|rest| rest.starts_with('['));
    text.contains(['.', '['])
        && Expr::parse(text, scope).is_ok_and(|expr| item || expr.uses().iter().any(|used| !used.path.is_empty()))
}

/// Reports a text that was meant as an expression: without braces, with one, or with those of a comment.
fn bare(cx: &mut Cx<'_>, node: &Node, text: &str, scope: &Scope) {
    let inner = text.trim();
    if reads_path(inner, scope) {
        help(
            cx.report("expr/missing-braces", &node.range, "this is text, not an expression", "kept as it is"),
            format!("write \"{{{{ {inner} }}}}\""),
        );
        return;
    }
    if inner.contains("{#") && inner.contains("#}") {
        help(
            cx.report("expr/missing-braces", &node.range, "templates have no comments", "kept as text"),
            "a comment of YAML begins with ` #`, outside of quotes",
        );
        return;
    }
    braced(cx, node, text, scope);
}

/// As [`bare`], for the texts between expressions.
fn half_braces(cx: &mut Cx<'_>, node: &Node, parts: &[calipso_expr::Part], scope: &Scope) {
    for part in parts {
        if let calipso_expr::Part::Literal(text) = part
            && braced(cx, node, text, scope)
        {
            return;
        }
    }
}

/// An expression between single braces.
fn braced(cx: &mut Cx<'_>, node: &Node, text: &str, scope: &Scope) -> bool {
    for piece in text.split('{').skip(1) {
        let Some((inner, _)) = piece.split_once('}') else { continue };
        let inner = inner.trim();
        if !inner.is_empty() && (scope.resolve(inner).is_some() || reads_path(inner, scope)) {
            let message = format!("`{{{inner}}}` is text, not an expression");
            help(
                cx.report("expr/missing-braces", &node.range, message, "kept as it is"),
                format!("write `{{{{ {inner} }}}}`, with two braces"),
            );
            return true;
        }
    }
    false
}

/// A tree whose texts may hold expressions.
pub(crate) fn tree(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Tree> {
    match &node.kind {
        NodeKind::Text { text, inside } => match Tree::parse_text(text, scope) {
            Ok(tree) => {
                if matches!(tree, Tree::Const(_)) {
                    bare(cx, node, text, scope);
                } else if let Tree::Text(parts) = &tree {
                    half_braces(cx, node, parts, scope);
                }
                cx.remember(&node.range, *inside, tree.exprs());
                Some(tree)
            }
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| report(cx, scope, &node.range, *inside, text, mistake));
                None
            }
        },
        NodeKind::List(items) => {
            let trees: Vec<Option<Tree>> = items.iter().map(|item| tree(cx, item, scope)).collect();
            trees.into_iter().collect::<Option<Vec<_>>>().map(Tree::List)
        }
        // Unquoted, `{card.name}` is a map with one key and without a value.
        NodeKind::Map(entries)
            if let [(key, Node { kind: NodeKind::Null, .. })] = entries.as_slice()
                && reads_path(&key.name, scope) =>
        {
            help(
                cx.report(
                    "expr/missing-braces",
                    &node.range,
                    "this is a map without a value, not an expression",
                    "read as `{…: null}`",
                ),
                format!("write \"{{{{ {} }}}}\", with two braces and in quotes", key.name),
            );
            None
        }
        NodeKind::Map(entries) => {
            let trees: Vec<Option<(Str, Tree)>> = entries
                .iter()
                .map(|(key, value)| tree(cx, value, scope).map(|tree| (key.name.clone(), tree)))
                .collect();
            trees.into_iter().collect::<Option<Vec<_>>>().map(Tree::Map)
        }
        _ => Some(Tree::Const(node.value())),
    }
}

/// A map of trees, in file order.
pub(crate) fn trees(cx: &mut Cx<'_>, node: Option<&Node>, key: &str, scope: &Scope) -> Vec<(Str, Tree)> {
    let Some(node) = node else { return Vec::new() };
    let Some(entries) = crate::decode::map(cx, node, key) else { return Vec::new() };
    entries.iter().filter_map(|(key, value)| Some((key.name.clone(), tree(cx, value, scope)?))).collect()
}

macro_rules! in_context {
    ($(#[$doc:meta])* $name:ident, $type:ident, $what:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(cx: &mut Cx<'_>, node: &Node, key: &str, scope: &Scope) -> Option<$type> {
            let NodeKind::Text { text, inside } = &node.kind else {
                cx.wrong_type(node, key, $what);
                return None;
            };
            let parsed = $type::parse(text, scope);
            if let Ok(value) = &parsed {
                cx.remember(&node.range, *inside, value.exprs());
            }
            context(cx, scope, &node.range, *inside, text, parsed)
        }
    };
}

in_context!(words, Words, "a command");
in_context!(sql, SqlText, "a query");

/// A path that stands `offset` bytes behind the beginning of a scalar.
pub(crate) fn path(
    cx: &mut Cx<'_>,
    node: &Node,
    text: &str,
    offset: usize,
    inside: Option<usize>,
    scope: &Scope,
) -> Option<UrlPath> {
    let inside = inside.map(|start| start + offset);
    let parsed = UrlPath::parse(text, scope);
    if let Ok(value) = &parsed {
        cx.remember(&node.range, inside, value.exprs());
    }
    context(cx, scope, &node.range, inside, text, parsed)
}

fn context<T>(
    cx: &mut Cx<'_>,
    scope: &Scope,
    range: &Range<usize>,
    inside: Option<usize>,
    text: &str,
    parsed: Result<T, Vec<ExprError>>,
) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| report(cx, scope, range, inside, text, mistake));
            None
        }
    }
}

/// A constant tree: texts with braces are refused.
pub(crate) fn constant(cx: &mut Cx<'_>, node: &Node) -> Value {
    match &node.kind {
        NodeKind::Text { text, .. } if text.contains("{{") => {
            cx.report("expr/template-in-constant", &node.range, "this key takes no templates", "braces in a constant");
        }
        NodeKind::List(items) => items.iter().for_each(|item| {
            constant(cx, item);
        }),
        NodeKind::Map(entries) => entries.iter().for_each(|(_, value)| {
            constant(cx, value);
        }),
        _ => {}
    }
    node.value()
}
