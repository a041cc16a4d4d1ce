//! The trait for documents beside the inventory, each call on the server.

use async_trait::async_trait;
use calipso_model::Map;

use crate::{
    error::StoreError,
    mongo::{Mongo, record},
    query::Page,
    records::{Collection, Record, RecordPage, RecordQuery, Records},
};

#[async_trait]
impl Records for Mongo {
    async fn insert(&self, collection: Collection, id: &str, doc: &Map) -> Result<Record, StoreError> {
        let done = self.db.within(record::insert(&self.db, collection, id, doc)).await;
        self.db.watch.note(&done, true);
        done
    }

    async fn record(&self, collection: Collection, id: &str) -> Result<Option<Record>, StoreError> {
        self.db.within(record::get(&self.db, collection, id)).await
    }

    async fn replace(&self, collection: Collection, id: &str, version: u64, doc: &Map) -> Result<Record, StoreError> {
        let done = self.db.within(record::replace(&self.db, collection, id, version, doc)).await;
        self.db.watch.note(&done, true);
        done
    }

    async fn remove(&self, collection: Collection, id: &str, version: Option<u64>) -> Result<bool, StoreError> {
        self.db.within(record::remove(&self.db, collection, id, version)).await
    }

    async fn remove_all(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
        self.db.within(record::remove_all(&self.db, collection, query)).await
    }

    async fn records(
        &self,
        collection: Collection,
        query: &RecordQuery,
        page: &Page,
    ) -> Result<RecordPage, StoreError> {
        self.db.within(record::page(&self.db, collection, query, page)).await
    }

    async fn count(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
        self.db.within(record::count(&self.db, collection, query)).await
    }
}
