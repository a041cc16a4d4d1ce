//! Contributions beside each other lead to what they would lead to one after the other, in the order in which they began.

use std::collections::BTreeMap;

use calipso_model::{Map, ObjectKey, Str, Value};
use calipso_store::ScopeKey;
use proptest::prelude::*;

use super::{Answered, Contribution, Extent, Inventory, Members, Refused, Ticket};

const IDS: [&str; 5] = ["a", "ab", "b", "ba", "c"];

/// One answer of a contributor.
#[derive(Clone, Debug)]
struct Answer {
    scope: usize,
    what: What,
    /// By place among the ids, of which the attribute `n` follows: it is narrowed by what does not change.
    members: Vec<usize>,
    refused: Vec<usize>,
}

#[derive(Clone, Debug)]
enum What {
    Whole,
    Part,
    Below(usize),
    Where(usize),
    Withdraw,
}

/// Somebody begins, or hands over: the one among those under way of this number.
#[derive(Clone, Debug)]
enum Turn {
    Begin(Vec<Answer>),
    HandOver(usize),
}

fn answer() -> impl Strategy<Value = Answer> {
    let what = prop_oneof![
        3 => Just(What::Whole),
        2 => Just(What::Part),
        2 => (0..IDS.len()).prop_map(What::Below),
        2 => (0..3_usize).prop_map(What::Where),
        1 => Just(What::Withdraw),
    ];
    let members = proptest::collection::vec(0..IDS.len(), 0..5);
    let refused = proptest::collection::vec(0..IDS.len(), 0..2);
    (0..2_usize, what, members, refused).prop_map(|(scope, what, members, mut refused)| {
        refused.retain(|id| !members.contains(id));
        Answer { scope, what, members, refused }
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![proptest::collection::vec(answer(), 1..4).prop_map(Turn::Begin), (0..4_usize).prop_map(Turn::HandOver)]
}

fn key(id: &str) -> ObjectKey {
    ObjectKey::new("card", id)
}

fn scope(number: usize) -> ScopeKey {
    ScopeKey {
        fetcher: ["f", "g"][number].into(),
        object_type: "card".into(),
        parent: ObjectKey::new("environment", "e"),
        narrowing: Value::Null,
    }
}

fn is_below(key: &ObjectKey, object: &ObjectKey) -> bool {
    key.id.starts_with(&*object.id)
}

fn only(n: usize) -> Map {
    Map::from_pairs(vec![("n".into(), Value::Int(n as i64))])
}

/// Writes an answer down as a contributor does. Its place in the order shows in every member.
fn write(inventory: &mut Inventory, answer: &Answer, now: &Str) {
    let refused: Refused = answer.refused.iter().map(|id| (key(IDS[*id]), "torn".to_owned())).collect();
    let mut members = Members::new();
    for id in &answer.members {
        let mut attributes = only(id % 3);
        attributes.insert("by", now.clone());
        members.insert(key(IDS[*id]), Contribution { attributes, asserts: true, at: "f:1:1".into() });
    }
    let (scope, order) = (scope(answer.scope), 0);
    let whole = |members| Answered::new(members, refused.clone(), None);
    match &answer.what {
        What::Whole => inventory.apply(scope, order, whole(members), now),
        What::Part => inventory.apply(scope, order, Answered::new(members, refused, Some("cut".into())), now),
        What::Below(id) => {
            let extent = Extent::Below(key(IDS[*id]));
            inventory.apply_within(scope, order, whole(members), &extent, &is_below, now);
        }
        What::Where(n) => {
            inventory.apply_within(scope, order, whole(members), &Extent::Where(only(*n)), &is_below, now);
        }
        What::Withdraw => inventory.withdraw(&scope),
    }
}

/// What each scope says of each object, and whether scopes that say something were read as a whole.
fn said(inventory: &Inventory) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for (key, scope) in &inventory.scopes {
        if !scope.members.is_empty() {
            said.insert(key.fetcher.to_string(), format!("complete: {}", scope.complete));
        }
        for (object, contribution) in scope.members.iter() {
            said.insert(format!("{} {object}", key.fetcher), Value::Map(contribution.attributes.clone()).to_json());
        }
    }
    said
}

/// The existing objects, as the scopes' own bookkeeping and as their members tell.
fn assert_kept_up(inventory: &Inventory) {
    let members = inventory.scopes.values().flat_map(|scope| scope.members.keys());
    let there: std::collections::BTreeSet<ObjectKey> = members.collect();
    let held = inventory.of_type(&"card".into());
    assert_eq!(held.into_iter().collect::<std::collections::BTreeSet<_>>(), there);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whoever_hands_over_first_what_was_asked_for_last_counts(turns in proptest::collection::vec(turn(), 1..10)) {
        let mut shared = Inventory::default();
        let mut under_way: Vec<(Ticket, Inventory)> = Vec::new();
        // By ticket: what was written. A scope that its writer did not know was not withdrawn.
        let mut written: BTreeMap<Ticket, Vec<Answer>> = BTreeMap::new();
        let rest = std::iter::repeat_n(Turn::HandOver(0), turns.len());
        let mut last = 0;
        let moment = |ticket: Ticket| Str::from(format!("2024-01-{ticket:02}T00:00:00Z"));
        for turn in turns.into_iter().chain(rest) {
            match turn {
                Turn::Begin(answers) => {
                    last += 1;
                    let mut view = shared.for_writer(last);
                    let knows = |view: &Inventory, answer: &Answer| view.scopes.contains_key(&scope(answer.scope));
                    for answer in answers {
                        if matches!(answer.what, What::Withdraw) && !knows(&view, &answer) {
                            continue;
                        }
                        write(&mut view, &answer, &moment(last));
                        written.entry(last).or_default().push(answer);
                    }
                    under_way.push((last, view));
                }
                Turn::HandOver(number) if !under_way.is_empty() => {
                    let (_, view) = under_way.remove(number % under_way.len());
                    shared.take_over(&view, &is_below);
                    shared.saved();
                    let oldest = under_way.iter().map(|(ticket, _)| *ticket).min();
                    shared.forget_before(oldest.unwrap_or(Ticket::MAX));
                    assert_kept_up(&shared);
                }
                Turn::HandOver(_) => {}
            }
        }
        let mut alone = Inventory::default();
        for (ticket, answers) in &written {
            for answer in answers {
                write(&mut alone, answer, &moment(*ticket));
            }
        }
        prop_assert_eq!(said(&shared), said(&alone));
        prop_assert!(shared.parts.is_empty(), "nobody is under way any more");
    }
}
