//! What a scan or a test tells operators.

use calipso_model::{Map, ObjectKey, Str};
use calipso_store::work::{Level, Message, message};
use calipso_transport::Scrubber;

use crate::work::Shared;

/// Says things on behalf of one request.
pub(super) struct Voice<'a> {
    pub(super) shared: &'a Shared,
    pub(super) scrubber: &'a Scrubber,
    pub(super) environment: Str,
    /// What matters less is not said.
    pub(super) least: Level,
    pub(super) origin_id: Str,
    pub(super) origin_type: &'static str,
}

impl Voice<'_> {
    /// Keeps a message. A store that does not take it is no reason to stop.
    pub(super) async fn say(&self, level: Level, sentence: &str, about: Option<&ObjectKey>, details: Map) {
        if level < self.least {
            return;
        }
        let message = Message {
            environment: self.environment.clone(),
            level,
            message: self.scrubber.text(sentence).into(),
            related_object: about.map(|key| key.id.clone()),
            related_object_type: about.map(|key| key.object_type.clone()),
            origin_id: Some(self.origin_id.clone()),
            origin_type: Some(self.origin_type.into()),
            details,
            ..Message::default()
        };
        if let Err(error) = message::say(self.shared.store(), message, self.shared.now()).await {
            tracing::warn!(%error, sentence, "A message could not be kept.");
        }
    }
}
