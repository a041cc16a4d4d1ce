//! Documents beside the inventory: requests, schedules, messages, users, tokens. Each changes alone, by compare-and-set.
//!
//! Everything that several processes agree on (who runs a scan, when a schedule runs next) is such a document, so that a
//! backend needs no more than these few operations, and what is built on them ([`crate::work`]) behaves the same on all.

use async_trait::async_trait;
use calipso_model::{Map, Str, Value};

use crate::{error::StoreError, query::Cursor, store::Store};

/// The collections, named as operators of the original know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Requests for scans, and their history.
    Scans,
    /// Scans that are requested again and again.
    ScheduledScans,
    /// Requests to try the connections of an environment.
    ConnectionTests,
    /// What happened, for operators.
    Messages,
    /// Who may log in.
    Users,
    /// Logins that last.
    ApiTokens,
    /// Who changed what.
    Audit,
    /// Specs of single environments.
    Specs,
    /// The processes that work on this store, and other single documents.
    Settings,
}

impl Collection {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Scans,
        Self::ScheduledScans,
        Self::ConnectionTests,
        Self::Messages,
        Self::Users,
        Self::ApiTokens,
        Self::Audit,
        Self::Specs,
        Self::Settings,
    ];

    /// Its name in every backend.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scans => "scans",
            Self::ScheduledScans => "scheduled_scans",
            Self::ConnectionTests => "connection_tests",
            Self::Messages => "messages",
            Self::Users => "users",
            Self::ApiTokens => "api_tokens",
            Self::Audit => "audit",
            Self::Specs => "specs",
            Self::Settings => "settings",
        }
    }

    /// The indexed fields: only these can be queried or ordered by.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Scans => {
                &["environment", "status", "submit_timestamp", "end_timestamp", "object_id", "updated_millis"]
            }
            Self::ScheduledScans => &["environment", "status", "recurrence", "scheduled_timestamp"],
            Self::ConnectionTests => &["environment", "status", "submit_timestamp"],
            Self::Messages => &[
                "environment",
                "level",
                "source_system",
                "related_object",
                "related_object_type",
                "timestamp",
                "origin_id",
            ],
            Self::Users => &["name"],
            Self::ApiTokens => &["user", "expires_at"],
            Self::Audit => &["environment", "user", "timestamp"],
            Self::Specs => &["environment", "kind", "name"],
            Self::Settings => &["kind"],
        }
    }
}

/// One document.
///
/// # Shape
/// `doc` does not repeat the id. Times in it are RFC 3339 in UTC with exactly three digits of a second, so that text order is
/// time order.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id, unique in its collection.
    pub id: Str,
    /// Grows with each change, and is never used again: neither is that of a document that is removed and made again under
    /// its id.
    pub version: u64,
    /// All fields but the id and the version.
    pub doc: Map,
}

/// What one field must be.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldTest {
    /// This value; null also when the field is not there.
    Equals(Value),
    /// One of these values.
    AnyOf(Vec<Value>),
    /// This text or number, or a greater one of the same kind.
    AtLeast(Value),
    /// A text or number of the same kind that is less.
    Below(Value),
}

/// Which documents; every test must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordQuery {
    /// Indexed fields and what they must be.
    pub tests: Vec<(&'static str, FieldTest)>,
    /// Ordered by this indexed field (documents without it first), then by id; by id alone where none is given.
    pub order_by: Option<&'static str>,
    /// Reverses the order: greatest values first.
    pub descending: bool,
}

impl RecordQuery {
    /// Finds all documents of a collection.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Also: the field has this value.
    #[must_use]
    pub fn equals(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        self.tests.push((field, FieldTest::Equals(value.into())));
        self
    }

    /// Also: the field passes this test.
    #[must_use]
    pub fn and(mut self, field: &'static str, test: FieldTest) -> Self {
        self.tests.push((field, test));
        self
    }

    /// Ordered by a field, least first.
    #[must_use]
    pub fn ordered(mut self, field: &'static str) -> Self {
        self.order_by = Some(field);
        self
    }

    /// Ordered by a field, greatest values first.
    #[must_use]
    pub fn newest_first(mut self, field: &'static str) -> Self {
        self.order_by = Some(field);
        self.descending = true;
        self
    }
}

/// One page of documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordPage {
    /// What was found.
    pub items: Vec<Record>,
    /// Where the next page starts; nothing when this was the last.
    pub next: Option<Cursor>,
}

/// Documents beside the inventory.
///
/// # Errors
/// A question or an order that names a field which [`Collection::fields`] does not list is [`StoreError::Invalid`].
#[async_trait]
pub trait Records: Send + Sync {
    /// Adds a document; its version is one that nothing ever had.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one of that id.
    async fn insert(&self, collection: Collection, id: &str, doc: &Map) -> Result<Record, StoreError>;

    /// The document of an id; nothing when there is none.
    async fn record(&self, collection: Collection, id: &str) -> Result<Option<Record>, StoreError>;

    /// Replaces a document if its version is still this one; its version grows.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it was changed or removed in between.
    async fn replace(&self, collection: Collection, id: &str, version: u64, doc: &Map) -> Result<Record, StoreError>;

    /// Removes a document, if its version is still this one where one is given. Tells whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it is there in another version.
    async fn remove(&self, collection: Collection, id: &str, version: Option<u64>) -> Result<bool, StoreError>;

    /// Removes all documents that a question finds. Returns how many.
    async fn remove_all(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError>;

    /// Documents, page by page. A page is read at one moment; documents that change between two pages may be met twice or
    /// not at all.
    async fn records(
        &self,
        collection: Collection,
        query: &RecordQuery,
        page: &crate::query::Page,
    ) -> Result<RecordPage, StoreError>;

    /// How many documents a question finds.
    async fn count(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError>;
}

/// A whole backend.
pub trait Backend: Store + Records {}

impl<T: Store + Records> Backend for T {}
