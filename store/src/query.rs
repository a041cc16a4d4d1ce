//! Questions to a store, and how their answers come page by page.

use calipso_model::{LinkRef, LinkState, ObjectKey, Revision, Str, Value};

/// Where the next page starts, at which revision. Opaque: what one store made only that kind of store understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Takes a cursor that a user handed back. It is checked where it is used.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that clients send back.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much to answer, and after what.
///
/// # Shape
/// A cursor goes on at the revision of the page before it, so that pages fit together while scans run; it is an error
/// to name another revision beside it.
/// # Units
/// `limit` in answers; 0 counts as 1, and a store may answer fewer than asked while more follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where to go on.
    pub after: Option<Cursor>,
    /// Number of items to skip. For pages by number instead of by cursor, which may overlap or miss items after a commit.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

impl Page {
    /// The first page.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self { after: None, skip: 0, limit }
    }

    /// The page after a cursor.
    #[must_use]
    pub fn after(cursor: Cursor, limit: usize) -> Self {
        Self { after: Some(cursor), skip: 0, limit }
    }
}

/// One page of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Paged<T> {
    /// The revision that was read.
    pub revision: Revision,
    /// What was found, in the order of the question.
    pub items: Vec<T>,
    /// Where the next page starts; nothing when this was the last.
    pub next: Option<Cursor>,
}

/// Which objects; every part that is given must hold. Answers are ordered by type, then id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Of one of these types; any when empty.
    pub types: Vec<Str>,
    /// With this id, of whatever type.
    pub id: Option<Str>,
    /// Only direct children of this parent.
    pub parent: Option<ObjectKey>,
    /// Below a parent of this id, of whatever type.
    pub parent_id: Option<Str>,
    /// Whose `id_path` goes on after this path and a slash: all that is below an object, its children's children too.
    /// Paths follow parents: the path of an object is that of its parent, a slash, and its id.
    pub below: Option<Str>,
    /// With this `host`.
    pub host: Option<Str>,
    /// With fields that have these values: a field of the document, or a path into it with dots. A field that is not there
    /// equals null.
    pub equals: Vec<(Str, Value)>,
    /// With fields that have one of these values each, named as in `equals`.
    pub one_of: Vec<(Str, Vec<Value>)>,
    /// Whose `name` or `object_name` contains this text, in whatever case; of one or two characters: starts with it.
    pub text: Option<Str>,
    /// Only these fields of the documents are of interest; a store may leave out all others. Everything when not given.
    pub fields: Option<Vec<Str>>,
}

/// Which links; every part that is given must hold. Answers are ordered by source, link type, target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkQuery {
    /// Of one of these types; any when empty.
    pub types: Vec<Str>,
    /// Starting or ending here.
    pub touching: Option<ObjectKey>,
    /// Only links that start at this object.
    pub source: Option<ObjectKey>,
    /// Only links that end at this object.
    pub target: Option<ObjectKey>,
    /// With this `host`.
    pub host: Option<Str>,
    /// With this name.
    pub name: Option<Str>,
    /// In this state.
    pub state: Option<LinkState>,
    /// Standing for a chain of others, or not.
    pub implicit: Option<bool>,
    /// With attributes that have one of these values each: an attribute, or a path into it with dots. One that is not there
    /// equals null.
    pub one_of: Vec<(Str, Vec<Value>)>,
    /// Only ends, type, name and host are of interest; a store may leave out all else.
    pub brief: bool,
}

impl LinkQuery {
    /// All links of one object.
    #[must_use]
    pub fn touching(key: ObjectKey) -> Self {
        Self { touching: Some(key), ..Self::default() }
    }
}

/// Which cliques; every part that is given must hold. Answers are ordered by focal point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CliqueQuery {
    /// Whose focal point is of one of these types; any when empty.
    pub types: Vec<Str>,
    /// Of one of these clique types; any when empty.
    pub clique_types: Vec<Str>,
    /// That hold this object.
    pub containing: Option<ObjectKey>,
    /// That hold this link.
    pub containing_link: Option<LinkRef>,
    /// Only focal point and clique type are of interest; a store may leave out constraints, nodes and links.
    pub brief: bool,
}
