//! Object types: attributes, forms, derived attributes.

use std::sync::Arc;

use calipso_model::Str;

use crate::{
    checked::{Attribute, AttributeType, DeriveRule, Folder, Form, JoinEnd, ObjectType, Take},
    decode::{Cx, Fields, MOST_ENTRIES, help, list, map, names, not_endless},
    lower::{fetcher::attribute_type, head, report_changed, report_repeated, step::take_word},
    scope::{Scope, each, expr, tree},
    yaml::{Key, Node},
};

const ROOTS: &[&str] = &["env", "dist", "self", "parent", "other"];

pub(crate) fn object_type(cx: &mut Cx<'_>, node: &Node) -> Option<ObjectType> {
    let mut fields = Fields::open(cx, node, "an object type")?;
    let head = head(cx, &mut fields);
    fields.bool(cx, "extends");
    let attributes = attributes(cx, &mut fields).into_iter().map(|(key, found)| (key.name.clone(), found)).collect();
    let other_attributes = allows_other_attributes(cx, &mut fields).unwrap_or(true);
    let search = names(fields.texts(cx, "search"));
    let mut scope = Scope::new(ROOTS);
    scope.show(&["env", "dist", "self"]);
    let newest_by = fields.take("newest_by").and_then(|node| expr(cx, node, "newest_by", &scope));
    let forms_node = fields.need(cx, "forms");
    let forms = forms_node
        .and_then(|node| list(cx, node, "forms"))
        .unwrap_or_default()
        .iter()
        .filter_map(|node| form(cx, node, &mut scope))
        .collect();
    let derive = derived(cx, &mut fields, &mut scope);
    fields.finish(cx);
    Some(ObjectType {
        head: head?,
        attributes,
        other_attributes,
        search,
        newest_by,
        forms,
        derive,
        layout: Arc::new(scope.layout),
    })
}

fn attributes<'n>(cx: &mut Cx<'_>, fields: &mut Fields<'n>) -> Vec<(&'n Key, Attribute)> {
    let nodes = fields.take("attributes").and_then(|node| {
        not_endless(cx, node, "attributes");
        map(cx, node, "attributes")
    });
    let nodes = nodes.unwrap_or_default().iter().take(MOST_ENTRIES);
    nodes.filter_map(|(key, node)| Some((key, attribute(cx, node)?))).collect()
}

/// Whether other attributes are allowed, if stated.
fn allows_other_attributes(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> Option<bool> {
    fields.word(cx, "other_attributes", &["allowed", "rejected"]).map(|word| word.as_ref() == "allowed")
}

fn derived(cx: &mut Cx<'_>, fields: &mut Fields<'_>, scope: &mut Scope) -> Vec<DeriveRule> {
    let nodes = fields.take("derive").and_then(|node| {
        not_endless(cx, node, "derive");
        list(cx, node, "derive")
    });
    nodes.unwrap_or_default().iter().take(MOST_ENTRIES).filter_map(|node| derive(cx, node, scope)).collect()
}

/// An object type with what a later layer adds: attributes, values of `one_of`, forms before those that are there,
/// derived attributes behind.
pub(crate) fn extension(cx: &mut Cx<'_>, node: &Node, base: &ObjectType) -> Option<ObjectType> {
    let mut fields = Fields::open(cx, node, "an object type")?;
    head(cx, &mut fields)?;
    fields.bool(cx, "extends");
    let mut merged = base.clone();
    for (key, more) in attributes(cx, &mut fields) {
        match merged.attributes.get_mut(&key.name) {
            None => {
                merged.attributes.insert(key.name.clone(), more);
            }
            Some(has) => more_values(cx, key, has, more),
        }
    }
    if allows_other_attributes(cx, &mut fields).is_some_and(|given| given != base.other_attributes) {
        let has = if base.other_attributes { "allowed" } else { "rejected" };
        report_changed(cx, node, "other_attributes", has, &base.head.at);
    }
    for more in names(fields.texts(cx, "search")) {
        if !merged.search.contains(&more) {
            merged.search.push(more);
        }
    }
    let mut scope = Scope::over(&base.layout, ROOTS.len());
    scope.show(&["env", "dist", "self"]);
    if let Some(given) = fields.take("newest_by").and_then(|node| expr(cx, node, "newest_by", &scope)) {
        match &base.newest_by {
            Some(has) if has.source() != given.source() => {
                report_changed(cx, node, "newest_by", has.source(), &base.head.at);
            }
            _ => merged.newest_by = Some(given),
        }
    }
    let mut forms: Vec<Form> = Vec::new();
    for node in fields.take("forms").and_then(|node| list(cx, node, "forms")).unwrap_or_default() {
        let Some(form) = form(cx, node, &mut scope) else { continue };
        let range = node.get("form").map_or_else(|| node.range.clone(), |name| name.range.clone());
        if let Some(first) = base.forms.iter().find(|known| known.name == form.name) {
            report_repeated(cx, &range, &format!("the form `{}`", form.name), &first.at, "give it another name");
        } else if form.when.is_none() {
            let message = format!("this form hides the forms of {}", base.head.at.file);
            let diagnostic = cx.report("spec/extends-conflict", &range, message, "asked first, and always holds");
            help(diagnostic, "give it a `when`: the forms of an extension are asked before those that it extends");
        }
        forms.push(form);
    }
    forms.append(&mut merged.forms);
    merged.forms = forms;
    merged.derive.extend(derived(cx, &mut fields, &mut scope));
    fields.finish(cx);
    merged.layout = Arc::new(scope.layout);
    Some(merged)
}

/// An attribute that is declared already: only values of `one_of` may be new.
fn more_values(cx: &mut Cx<'_>, key: &Key, has: &mut Attribute, more: Attribute) {
    let is_new = |value: &Str| !has.one_of.contains(value);
    let differs = more.attribute_type != has.attribute_type
        || more.of.is_some() && more.of != has.of
        || more.unit.is_some() && more.unit != has.unit
        || more.refers_to.is_some() && more.refers_to != has.refers_to
        || more.keyed_by.is_some() && more.keyed_by != has.keyed_by
        || more.merge_union && !has.merge_union;
    if differs || has.one_of.is_empty() || !more.one_of.iter().any(is_new) {
        let advice = "an extension may give it further values of `one_of`, and nothing else; or give it another name";
        report_repeated(cx, &key.range, &format!("the attribute `{}`", key.name), &has.at, advice);
        return;
    }
    let new: Vec<Str> = more.one_of.into_iter().filter(is_new).collect();
    has.one_of.extend(new);
}

fn attribute(cx: &mut Cx<'_>, node: &Node) -> Option<Attribute> {
    let mut fields = Fields::open(cx, node, "an attribute")?;
    let at = cx.at(&node.range);
    let attribute_type_node = fields.need(cx, "type");
    let kind = attribute_type_node.and_then(|node| attribute_type(cx, node));
    let of_node = fields.take("of");
    if let Some(kind) = kind {
        meaningless(cx, node, kind);
    }
    let attribute = Attribute {
        at,
        of: of_node.and_then(|node| attribute_type(cx, node)),
        unit: fields.text(cx, "unit"),
        one_of: names(fields.texts(cx, "one_of")),
        other_values: fields.word(cx, "other", &["allowed", "refused"]).is_some_and(|word| &*word == "allowed"),
        refers_to: fields.text(cx, "refers_to"),
        merge_union: fields.word(cx, "merge", &["union"]).is_some(),
        keyed_by: fields.text(cx, "keyed_by"),
        description: fields.text(cx, "description"),
        attribute_type: kind?,
    };
    fields.finish(cx);
    Some(attribute)
}

/// Keys that have no meaning for this type of attribute.
fn meaningless(cx: &mut Cx<'_>, node: &Node, kind: AttributeType) {
    use AttributeType::{Any, Integer, List, Map, Number, Text};
    let rules: [(&str, &[AttributeType], &str); 6] = [
        ("of", &[List, Map], "a list"),
        ("keyed_by", &[List], "a list"),
        ("merge", &[List], "a list"),
        ("one_of", &[Text, List, Any], "text or a list of texts"),
        ("refers_to", &[Text, List, Any], "text or a list of texts"),
        ("unit", &[Integer, Number, List, Any], "a number"),
    ];
    for (key, kinds, wanted) in rules {
        if let Some((key, _)) = node.entry(key)
            && !kinds.contains(&kind)
        {
            let label = format!("only {wanted} has it");
            let message = format!("`{}` has no meaning for an attribute of this type", key.name);
            help(
                cx.report("type/meaningless-key", &key.range, message, label),
                format!("leave it out, or let the attribute be {wanted}"),
            );
        }
    }
}

fn form(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope) -> Option<Form> {
    let mut fields = Fields::open(cx, node, "a form")?;
    let at = cx.at(&node.range);
    let name = fields.need_text(cx, "form");
    let when = fields.take("when").and_then(|node| expr(cx, node, "when", scope));
    let id = fields.need(cx, "id").and_then(|node| tree(cx, node, scope));
    let display_name = fields.need(cx, "name").and_then(|node| tree(cx, node, scope));
    let object_name = fields.take("object_name").and_then(|node| tree(cx, node, scope));
    let parent = fields.need(cx, "parent").and_then(|node| {
        let mut inner = Fields::open(cx, node, "`parent`")?;
        let parent_type = inner.need_text(cx, "type");
        let parent_id = inner.take("id").and_then(|node| tree(cx, node, scope));
        if parent_type.as_deref().is_some_and(|name| name != "environment") && inner.key("id").is_none() {
            inner.need(cx, "id");
        }
        inner.finish(cx);
        Some((parent_type?, parent_id))
    });
    let folder_nodes = fields.take("folders").and_then(|node| list(cx, node, "folders")).unwrap_or_default();
    let folders = scope.within(&["parent"], |scope| {
        folder_nodes
            .iter()
            .filter_map(|node| {
                let mut inner = Fields::open(cx, node, "a folder")?;
                let folder_type = inner.need_text(cx, "type");
                let id = inner.need(cx, "id").and_then(|node| tree(cx, node, scope));
                let text = inner.need_text(cx, "text");
                let always = inner.bool(cx, "always").unwrap_or(false);
                inner.finish(cx);
                Some(Folder { folder_type: folder_type?, id: id?, text: text?, always })
            })
            .collect()
    });
    fields.finish(cx);
    let (parent_type, parent_id) = parent?;
    Some(Form {
        at,
        name: name?,
        when,
        id: id?,
        display_name: display_name?,
        object_name,
        parent_type,
        parent_id,
        folders,
    })
}

/// One end of a join. Its generators stay visible.
pub(crate) fn end(cx: &mut Cx<'_>, node: Option<&Node>, what: &str, scope: &mut Scope) -> JoinEnd {
    let mut end = JoinEnd::default();
    let Some(node) = node else { return end };
    let Some(mut fields) = Fields::open(cx, node, what) else { return end };
    end.each = fields.take("each").and_then(|node| each(cx, node, scope));
    end.when = fields.take("when").and_then(|node| expr(cx, node, "when", scope));
    let key_node = fields.need(cx, "key");
    end.key = key_node.and_then(|node| expr(cx, node, "key", scope));
    if let (Some(node), Some(key)) = (key_node, &end.key)
        && !key.is_list()
    {
        help(
            cx.report("link/key-no-list", &node.range, "a key is a list of parts", "not written as a list"),
            format!("write `[{}]`", key.source()),
        );
    }
    fields.finish(cx);
    end
}

fn derive(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope) -> Option<DeriveRule> {
    let mut fields = Fields::open(cx, node, "a derived attribute")?;
    let at = cx.at(&node.range);
    let attribute = fields.need_text(cx, "attribute");
    let from: Option<Str> = fields.text(cx, "from");
    let (own_node, other_node) = (fields.take("own"), fields.take("other"));
    let (when_node, value_node, take_node) = (fields.take("when"), fields.need(cx, "value"), fields.take("take"));
    if from.is_some() {
        for (key, node) in [("own", own_node), ("other", other_node)] {
            if node.is_none() {
                fields.need(cx, key);
            }
        }
    }
    fields.finish(cx);
    let joined = from.is_some();
    let (own, other, when, value) = scope.within(&[], |scope| {
        // Each end sees only its own object and its own generators.
        let ends = ["self", "other"];
        let own = if joined {
            scope.end_of(&ends, |scope| end(cx, own_node, "`own`", scope))
        } else {
            end(cx, own_node, "`own`", scope)
        };
        let mut other_scope_names = Vec::new();
        if joined {
            other_scope_names.push("other");
        }
        let other = other_end(cx, other_node, scope, "self", "other");
        scope.show(&other_scope_names);
        let when = when_node.and_then(|node| expr(cx, node, "when", scope));
        let value = value_node.and_then(|node| tree(cx, node, scope));
        (own, other, when, value)
    });
    if let Some(node) = take_node.filter(|_| !joined && own_node.is_none_or(|own| own.get("each").is_none())) {
        help(
            cx.report("take/without-key", &node.range, "`take` has no meaning here", "there is one value only"),
            "it says what happens to several values: it belongs beside `from`, or generators under `own`",
        );
    }
    let take = take_node.and_then(|node| take_word(cx, node)).unwrap_or(Take::First);
    Some(DeriveRule { at, attribute: attribute?, from, own, other, when, value: value?, take })
}

/// The second end of a join: the first end's object is hidden while it is read.
pub(crate) fn other_end(cx: &mut Cx<'_>, node: Option<&Node>, scope: &mut Scope, hidden: &str, shown: &str) -> JoinEnd {
    let what = format!("`{shown}`");
    scope.show(&[shown]);
    scope.hide(hidden, |scope| scope.end_of(&[hidden, shown], |scope| end(cx, node, &what, scope)))
}
