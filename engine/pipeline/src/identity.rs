//! Turns emitted attributes into objects: form, id, name, parent, folders, paths.

mod check;
mod place;
mod places;

use std::{collections::BTreeMap, sync::Arc};

use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{Map, ObjectKey, Str, Value};
use calipso_spec::checked::{Form, ObjectType, Specs};

use crate::{
    answer::{FailureKind, StepError},
    coverage::Coverage,
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
#[derive(Clone, Default)]
pub(crate) struct Identities {
    pub(crate) types: BTreeMap<Str, Arc<ObjectType>>,
    pub(crate) values: ScopeValues,
    pub(crate) environment: Str,
    pub(crate) coverage: Option<Arc<Coverage>>,
    fields: Arc<FieldNames>,
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
    pub(crate) parent: ObjectKey,
}

impl Identities {
    pub(crate) fn new(specs: &Specs, values: ScopeValues, environment: &Str) -> Self {
        Self {
            types: specs.object_types.clone(),
            values,
            environment: environment.clone(),
            coverage: None,
            fields: Arc::default(),
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
    pub(crate) fn key(&self, type_name: &Str, attributes: &Map) -> Result<ObjectKey, StepError> {
        let object_type = self.object_type(type_name)?;
        let frame = self.frame(object_type, attributes);
        let (_, form) = self.form(object_type, &frame)?;
        let id = text(&form.id, &frame).map_err(|error| wrong(type_name, "id", &error))?;
        if id.is_empty() {
            return Err(StepError::new(FailureKind::Identity, format!("the id of a {type_name} would be empty")));
        }
        Ok(ObjectKey { object_type: type_name.clone(), id })
    }

    /// Everything that its form says of an object, over all that is known of it.
    ///
    /// # Errors
    /// A part cannot be computed.
    pub(crate) fn identity(&self, key: &ObjectKey, attributes: &Map) -> Result<Identity, StepError> {
        let (identity, doubts) = self.presumed(key, attributes)?;
        doubts.into_iter().next().map_or(Ok(identity), Err)
    }

    /// The same of an object that is there in any case: where a part cannot be computed its id is its name, and it is below the
    /// root. With it, what could not be computed.
    ///
    /// # Errors
    /// There is no such type.
    fn presumed(&self, key: &ObjectKey, attributes: &Map) -> Result<(Identity, Vec<StepError>), StepError> {
        let object_type = self.object_type(&key.object_type)?;
        let frame = self.frame(object_type, attributes);
        let (number, form) = match self.form(object_type, &frame) {
            Ok(form) => form,
            Err(why) => {
                let (name, parent) = (key.id.clone(), self.root());
                return Ok((Identity { form: None, name, parent }, vec![why]));
            }
        };
        let mut doubts = Vec::new();
        let (name, _) = names_by(form, key, &frame, &mut doubts);
        let parent = self.parent_by(form, key, &frame, &mut doubts);
        Ok((Identity { form: Some(number), name, parent }, doubts))
    }

    /// The number of the form of an object that is there in any case, and its parent; nothing when there is no such type.
    pub(crate) fn seat(&self, key: &ObjectKey, attributes: &Map) -> Option<(Option<usize>, ObjectKey)> {
        let object_type = self.object_type(&key.object_type).ok()?;
        let frame = self.frame(object_type, attributes);
        Some(match self.form(object_type, &frame) {
            Ok((number, form)) => (Some(number), self.parent_by(form, key, &frame, &mut Vec::new())),
            Err(_) => (None, self.root()),
        })
    }

    /// The display name and the object name of an object of this form.
    pub(crate) fn names(&self, key: &ObjectKey, attributes: &Map, form: Option<usize>) -> (Str, Str) {
        let declared = self.types.get(&key.object_type).zip(form);
        let Some((object_type, form)) = declared.and_then(|(known, form)| Some((known, known.forms.get(form)?))) else {
            return (key.id.clone(), key.id.clone());
        };
        names_by(form, key, &self.frame(object_type, attributes), &mut Vec::new())
    }

    fn parent_by(&self, form: &Form, key: &ObjectKey, frame: &Frame, doubts: &mut Vec<StepError>) -> ObjectKey {
        let parent = form.parent_id.as_ref().and_then(|tree| part(key, "parent", tree, frame, doubts));
        parent.map_or_else(|| self.root(), |id| ObjectKey { object_type: form.parent_type.clone(), id })
    }

    /// What is seen of an object of which this is known, and which has these names.
    pub(crate) fn document(&self, key: &ObjectKey, attributes: Map, (name, object_name): &(Str, Str)) -> Map {
        let mut document = attributes;
        let of = |text: &Str| Value::Str(text.clone());
        let (environment, id, object_type) = (of(&self.environment), of(&key.id), of(&key.object_type));
        let (name, object_name, names) = (of(name), of(object_name), &self.fields);
        let fields = [
            (&names.environment, Some(&environment)),
            (&names.id, Some(&id)),
            (&names.name, Some(&name)),
            (&names.object_name, Some(&object_name)),
            (&names.object_type, Some(&object_type)),
        ];
        document.merge(fields.into_iter());
        document
    }

    /// What is seen of an object whose type is not known.
    pub(crate) fn untyped(&self, key: &ObjectKey, attributes: Map) -> Map {
        let mut document = attributes;
        let (id, object_type) = (Value::Str(key.id.clone()), Value::Str(key.object_type.clone()));
        document.merge([(&self.fields.id, Some(&id)), (&self.fields.object_type, Some(&object_type))].into_iter());
        document
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

    fn object_type(&self, name: &Str) -> Result<&Arc<ObjectType>, StepError> {
        self.types
            .get(name)
            .ok_or_else(|| StepError::new(FailureKind::Identity, format!("there is no object type {name}")))
    }

    fn form<'a>(&self, object_type: &'a ObjectType, frame: &Frame) -> Result<(usize, &'a Form), StepError> {
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
        Err(StepError::new(FailureKind::Identity, sentence))
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

/// One part of what a form says; where it has no value, that is among the doubts.
fn part(key: &ObjectKey, what: &str, tree: &Tree, frame: &Frame, doubts: &mut Vec<StepError>) -> Option<Str> {
    text(tree, frame).map_err(|error| doubts.push(wrong(&key.object_type, what, &error))).ok()
}

/// The display name and the object name that a form gives; the id where it gives none.
fn names_by(form: &Form, key: &ObjectKey, frame: &Frame, doubts: &mut Vec<StepError>) -> (Str, Str) {
    let said = |name: &Str| !name.is_empty();
    let name = part(key, "name", &form.display_name, frame, doubts).filter(said).unwrap_or_else(|| key.id.clone());
    let object_name = form.object_name.as_ref().and_then(|tree| part(key, "object_name", tree, frame, doubts));
    let object_name = object_name.filter(said).unwrap_or_else(|| name.clone());
    (name, object_name)
}

fn wrong(type_name: &str, what: &str, error: &EvalError) -> StepError {
    StepError::new(FailureKind::Identity, format!("the {what} of a {type_name} has no value: {error}"))
}
