//! Turns emitted attributes into objects: form, id, name, parent, folders, paths.

mod check;
mod place;
mod places;

use std::{collections::BTreeMap, sync::Arc};

use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{Map, ObjectKey, Str, Value};
use calipso_spec::checked::{Folder, Form, ObjectType, Specs};

use crate::{
    answer::{FailureKind, Why},
    coverage::Coverage,
    known::{Row, Standing},
    scope_values::ScopeValues,
};

pub(crate) use self::{
    check::{checked, shown},
    place::{Placement, place},
    places::Places,
};

/// Type name of the root, which is no object itself.
pub(crate) const ROOT: &str = "environment";

/// What is needed to give objects their identity in one environment.
#[derive(Clone)]
pub(crate) struct Identities {
    pub(crate) types: BTreeMap<Str, Arc<ObjectType>>,
    pub(crate) values: ScopeValues,
    pub(crate) environment: Str,
    pub(crate) coverage: Option<Arc<Coverage>>,
    names: Arc<FieldNames>,
}

/// Names of the fields that every object has; shared by all documents.
struct FieldNames {
    environment: Str,
    id: Str,
    id_path: Str,
    name: Str,
    name_path: Str,
    object_name: Str,
    object_type: Str,
    parent_id: Str,
    parent_text: Str,
    parent_type: Str,
    show_in_tree: Str,
    text: Str,
}

impl Default for FieldNames {
    fn default() -> Self {
        Self {
            environment: "environment".into(),
            id: "id".into(),
            id_path: "id_path".into(),
            name: "name".into(),
            name_path: "name_path".into(),
            object_name: "object_name".into(),
            object_type: "type".into(),
            parent_id: "parent_id".into(),
            parent_text: "parent_text".into(),
            parent_type: "parent_type".into(),
            show_in_tree: "show_in_tree".into(),
            text: "text".into(),
        }
    }
}

/// What its form says of one object.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Number of the form among those of the type; none when no form can be chosen.
    form: Option<usize>,
    pub(crate) name: Str,
    pub(crate) object_name: Str,
    pub(crate) parent: ObjectKey,
}

impl Identities {
    pub(crate) fn new(specs: &Specs, values: ScopeValues, environment: &Str) -> Self {
        Self {
            types: specs.object_types.clone(),
            values,
            environment: environment.clone(),
            coverage: None,
            names: Arc::default(),
        }
    }

    /// The key of the root.
    pub(crate) fn root(&self) -> ObjectKey {
        ObjectKey::new(ROOT, self.environment.clone())
    }

    /// The names that forms of a type see; `attributes` as `self`.
    pub(crate) fn frame(&self, object_type: &ObjectType, attributes: &Map) -> Frame {
        let mut frame = Frame::new(object_type.layout.len());
        self.values.set(&object_type.layout, &mut frame);
        frame.bind(&object_type.layout, "self", Value::Map(attributes.clone()));
        frame
    }

    /// The key of what was emitted.
    ///
    /// # Errors
    /// No form holds, or the id is not a text.
    pub(crate) fn key(&self, type_name: &Str, attributes: &Map) -> Result<ObjectKey, Why> {
        let object_type = self.object_type(type_name)?;
        let frame = self.frame(object_type, attributes);
        let (_, form) = self.form(object_type, &frame)?;
        let id = text(&form.id, &frame).map_err(|error| wrong(type_name, "id", &error))?;
        if id.is_empty() {
            return Err(Why::new(FailureKind::Identity, format!("the id of a {type_name} would be empty")));
        }
        Ok(ObjectKey { object_type: type_name.clone(), id })
    }

    /// Everything that its form says of an object, over all that is known of it.
    ///
    /// # Errors
    /// A part cannot be computed.
    pub(crate) fn identity(&self, key: &ObjectKey, attributes: &Map) -> Result<Identity, Why> {
        let (identity, doubts) = self.presumed(key, attributes)?;
        doubts.into_iter().next().map_or(Ok(identity), Err)
    }

    /// The same of an object that is there in any case: where a part cannot be computed its id is its name, and it is below the
    /// root. With it, what could not be computed.
    ///
    /// # Errors
    /// There is no such type.
    fn presumed(&self, key: &ObjectKey, attributes: &Map) -> Result<(Identity, Vec<Why>), Why> {
        let type_name = &key.object_type;
        let object_type = self.object_type(type_name)?;
        let frame = self.frame(object_type, attributes);
        let mut doubts = Vec::new();
        let mut part = |what: &str, tree: &Tree| {
            text(tree, &frame).map_err(|error| doubts.push(wrong(type_name, what, &error))).ok()
        };
        let (number, form) = match self.form(object_type, &frame) {
            Ok(form) => form,
            Err(why) => {
                let (name, parent) = (key.id.clone(), self.root());
                return Ok((Identity { form: None, object_name: name.clone(), name, parent }, vec![why]));
            }
        };
        let said = |name: &Str| !name.is_empty();
        let name = part("name", &form.display_name).filter(said).unwrap_or_else(|| key.id.clone());
        let object_name = form.object_name.as_ref().and_then(|tree| part("object_name", tree));
        let object_name = object_name.filter(said).unwrap_or_else(|| name.clone());
        let parent = form.parent_id.as_ref().and_then(|tree| part("parent", tree));
        let parent = parent.map_or_else(|| self.root(), |id| ObjectKey { object_type: form.parent_type.clone(), id });
        Ok((Identity { form: Some(number), name, object_name, parent }, doubts))
    }

    /// What is seen of an object of which this is known.
    pub(crate) fn row(&self, key: &ObjectKey, attributes: Map) -> Row {
        let mut document = attributes;
        let id = Value::Str(key.id.clone());
        let object_type = Value::Str(key.object_type.clone());
        let names = &self.names;
        match self.presumed(key, &document) {
            Ok((identity, doubts)) => {
                let environment = Value::Str(self.environment.clone());
                let name = Value::Str(identity.name.clone());
                let object_name = Value::Str(identity.object_name.clone());
                let fields = [
                    (&names.environment, Some(&environment)),
                    (&names.id, Some(&id)),
                    (&names.name, Some(&name)),
                    (&names.object_name, Some(&object_name)),
                    (&names.object_type, Some(&object_type)),
                ];
                document.merge(fields.into_iter());
                let doubts = doubts.into_iter().map(|why| why.sentence).collect();
                Row { document, standing: Standing::Known(identity, doubts) }
            }
            Err(why) => {
                document.merge([(&names.id, Some(&id)), (&names.object_type, Some(&object_type))].into_iter());
                Row { document, standing: Standing::Unknown(why.sentence) }
            }
        }
    }

    /// What is seen of the root.
    pub(crate) fn root_document(&self) -> Map {
        let name = || Value::Str(self.environment.clone());
        let fields = [("environment", name()), ("id", name()), ("name", name()), ("type", Value::text(ROOT))];
        Map::from_pairs(fields.into_iter().map(|(field, value)| (field.into(), value)).collect())
    }

    /// What says how new an object is, where its type has that.
    pub(crate) fn version(&self, type_name: &Str, attributes: &Map) -> Option<Value> {
        let object_type = self.types.get(type_name)?;
        let frame = self.frame(object_type, attributes);
        let version = object_type.newest_by.as_ref()?.eval(&frame, &mut Fuel::default()).ok()?;
        (!version.is_null()).then_some(version)
    }

    /// Whether a document is older than another one of the same object, as far as its type can tell.
    pub(crate) fn is_older(&self, type_name: &Str, attributes: &Map, former: &Map) -> bool {
        let version = |attributes| self.version(type_name, attributes);
        let (Some(new), Some(old)) = (version(attributes), version(former)) else { return false };
        old.kind() == new.kind() && new.total_cmp(&old) == std::cmp::Ordering::Less
    }

    /// The folders of a form of a type, from the outside in.
    fn folders(&self, type_name: &str, form: Option<usize>) -> &[Folder] {
        let form = self.types.get(type_name).zip(form).and_then(|(object_type, form)| object_type.forms.get(form));
        form.map(|form| form.folders.as_slice()).unwrap_or_default()
    }

    fn object_type(&self, name: &Str) -> Result<&Arc<ObjectType>, Why> {
        self.types.get(name).ok_or_else(|| Why::new(FailureKind::Identity, format!("there is no object type {name}")))
    }

    fn form<'a>(&self, object_type: &'a ObjectType, frame: &Frame) -> Result<(usize, &'a Form), Why> {
        for (number, form) in object_type.forms.iter().enumerate() {
            match form.when.as_ref().map_or(Ok(true), |when| when.holds(frame, &mut Fuel::default())) {
                Ok(true) => {
                    if let Some(coverage) = &self.coverage {
                        coverage.reach(&form.at, "form");
                    }
                    return Ok((number, form));
                }
                Ok(false) => {}
                Err(error) => return Err(wrong(&object_type.head.name, "form", &error)),
            }
        }
        let sentence = format!("no form of {} holds for what was emitted", object_type.head.name);
        Err(Why::new(FailureKind::Identity, sentence))
    }
}

/// Whether one version is newer than another; of different kinds none is.
pub(crate) fn is_newer(version: &Value, than: &Value) -> bool {
    version.kind() == than.kind() && version.total_cmp(than) == std::cmp::Ordering::Greater
}

/// A text, or a number in its text form.
pub(crate) fn text(tree: &Tree, frame: &Frame) -> Result<Str, EvalError> {
    match tree.eval(frame, &mut Fuel::default())? {
        Value::Str(text) => Ok(text),
        number @ (Value::Int(_) | Value::Float(_) | Value::Bool(_)) => Ok(number.to_json().into()),
        other => Err(crate::step::fault(format!("found {} instead of text", other.kind()))),
    }
}

fn wrong(type_name: &str, what: &str, error: &EvalError) -> Why {
    Why::new(FailureKind::Identity, format!("the {what} of a {type_name} has no value: {error}"))
}
