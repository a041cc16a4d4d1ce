//! Anything may come as a cursor, an id or an event id: it is understood or refused, and never our fault.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::{seed::lab, support::Server};

fn shared() -> &'static (Runtime, Server) {
    static SHARED: OnceLock<(Runtime, Server)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(lab());
        (runtime, server)
    })
}

fn sealed(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Texts that look more and more like what the server gives out.
fn tokens() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_-]{0,40}",
        ".{0,20}".prop_map(|text| sealed(&text)),
        (any::<Option<u64>>(), ".{0,20}")
            .prop_map(|(revision, text)| { sealed(&serde_json::to_string(&(revision, text)).unwrap()) }),
        (0_u64..3, 0_u64..3, prop::collection::vec(".{0,8}", 0..6)).prop_map(|(outer, inner, parts)| {
            let inner = serde_json::to_string(&(inner, parts)).unwrap();
            sealed(&serde_json::to_string(&(outer, inner)).unwrap())
        }),
        prop::collection::vec(".{0,8}", 0..6).prop_map(|parts| sealed(&serde_json::to_string(&parts).unwrap())),
        (any::<u64>(), any::<i64>()).prop_map(|seen| {
            sealed(&serde_json::to_string(&std::collections::BTreeMap::from([("lab", seen)])).unwrap())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_token_is_our_fault(token in tokens()) {
        let (runtime, server) = shared();
        for path in [
            "inventory?env_name=lab&cursor=",
            "inventory?env_name=lab&type=host&cursor=",
            "links?env_name=lab&cursor=",
            "links?env_name=lab&id=",
            "cliques?env_name=lab&cursor=",
            "cliques?env_name=lab&id=",
            "cliques?env_name=lab&link_id=",
            "revisions?env_name=lab&cursor=",
            "diff?env_name=lab&cursor=",
            "messages?env_name=lab&cursor=",
            "scans?env_name=lab&cursor=",
            "scans?env_name=lab&id=",
            "scheduled_scans?env_name=lab&cursor=",
        ] {
            let answer = runtime.block_on(server.get(&format!("/api/v1/{path}{token}")));
            let status = answer.status.as_u16();
            prop_assert!([200, 400, 404].contains(&status), "{}{}: {} {}", path, token, status, answer.body);
        }
    }
}
