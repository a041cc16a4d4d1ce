//! Places that are kept up are those that everything placed at once has.

use calipso_model::{Environment, Map, Object};
use calipso_spec::{Layer, checked::Distribution};
use proptest::prelude::*;

use super::*;
use crate::{identity::place, scope_values::ScopeValues};

const BOX: &str = "schema: object_type/v1
name: box
description: A box that may lie in another one.
source: made up
attributes:
  number: {type: integer}
  label: {type: text}
  around: {type: integer}
  group: {type: text}
other_attributes: allowed
forms:
  - form: grouped
    when: self.group is defined
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: box, id: \"{{ self.around }}\"}
    folders:
      - {type: box_folder, id: \"{{ parent.label }}-boxes\", text: Boxes, always: true}
      - {type: box_folder, id: \"{{ parent.label }}-more\", text: More}
  - form: inside
    when: self.around is defined
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: box, id: \"{{ self.around }}\"}
  - form: alone
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: environment}
";

fn identities() -> Arc<Identities> {
    let files = vec![("object_types/box.yaml".into(), BOX.into())];
    let loaded = calipso_spec::load(&[Layer { name: "test".into(), files }]);
    let wrong: Vec<_> =
        loaded.diagnostics.iter().filter(|found| found.severity == calipso_spec::Severity::Error).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let environment = Environment { name: "e".into(), ..Environment::default() };
    let values = ScopeValues::new(&environment, &Distribution::none(""));
    Arc::new(Identities::new(&loaded.specs, values, &environment.name))
}

/// One box, or that it is gone.
#[derive(Clone, Debug)]
enum Step {
    Put { number: i64, label: Option<u8>, around: Option<i64>, is_grouped: bool },
    Remove(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..6_i64;
    let put = (number.clone(), proptest::option::weighted(0.9, 0..3_u8), proptest::option::of(0..6_i64), any::<bool>());
    prop_oneof![
        4 => put.prop_map(|(number, label, around, is_grouped)| Step::Put { number, label, around, is_grouped }),
        1 => number.prop_map(Step::Remove),
    ]
}

fn box_of(number: i64, label: Option<u8>, around: Option<i64>, is_grouped: bool) -> Map {
    let mut attributes = Map::new();
    attributes.insert("number", number);
    if let Some(label) = label {
        attributes.insert("label", format!("l{label}"));
    }
    if let Some(around) = around {
        attributes.insert("around", around);
        if is_grouped {
            attributes.insert("group", "g");
        }
    }
    attributes
}

fn key(number: i64) -> ObjectKey {
    ObjectKey::new("box", number.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn many_changes_lead_where_one_leads(rounds in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..10)) {
        let ids = identities();
        let emitted = BTreeSet::from([Str::from("box")]);
        let mut known = Known::new(Arc::clone(&ids), Arc::default());
        let mut merged: BTreeMap<ObjectKey, Map> = BTreeMap::new();
        let mut places = Places::new(emitted.clone(), known.tables());
        let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
        for round in rounds {
            let mut changed = BTreeSet::new();
            for step in round {
                match step {
                    Step::Put { number, label, around, is_grouped } => {
                        let attributes = box_of(number, label, around, is_grouped);
                        merged.insert(key(number), attributes.clone());
                        if known.put(&key(number), &attributes) {
                            changed.insert(key(number));
                        }
                    }
                    Step::Remove(number) => {
                        merged.remove(&key(number));
                        if known.remove(&key(number)) {
                            changed.insert(key(number));
                        }
                    }
                }
            }
            let changes = places.apply(&ids, &known, &changed);
            for gone in changes.remove {
                objects.remove(&gone);
            }
            objects.extend(changes.upsert.into_iter().map(|object| (object.key.clone(), object)));
            let scratch = place(&ids, merged.clone(), &emitted, &BTreeMap::new());
            prop_assert_eq!(&objects, &scratch.objects);
            prop_assert_eq!(places.misplaced(), scratch.misplaced);
        }
    }
}

#[test]
fn a_circle_of_parents_is_cut_at_its_smallest_member_and_heals() {
    let ids = identities();
    let mut known = Known::new(Arc::clone(&ids), Arc::default());
    let mut places = Places::new(BTreeSet::new(), known.tables());
    let mut put = |number: i64, around: Option<i64>| {
        known.put(&key(number), &box_of(number, Some(0), around, false));
        let changes = places.apply(&ids, &known, &BTreeSet::from([key(number)]));
        let misplaced: Vec<ObjectKey> = places.misplaced().into_iter().map(|found| found.key).collect();
        let paths: Vec<String> =
            changes.upsert.iter().map(|object| object.doc.text("id_path").unwrap().to_string()).collect();
        (misplaced, paths)
    };
    put(3, Some(1));
    put(1, Some(2));
    put(4, Some(3));
    let (misplaced, paths) = put(2, Some(3));
    assert_eq!(misplaced, [key(1)]);
    assert_eq!(paths, ["/e/1", "/e/1/3/2", "/e/1/3", "/e/1/3/4"]);
    let (misplaced, paths) = put(1, None);
    assert!(misplaced.is_empty());
    assert_eq!(paths, ["/e/1", "/e/1/3/2", "/e/1/3", "/e/1/3/4"]);
}

#[test]
fn what_changes_alone_is_told_alone() {
    let ids = identities();
    let mut known = Known::new(Arc::clone(&ids), Arc::default());
    for number in 0..4 {
        let around = (number > 0).then(|| number - 1);
        known.put(&key(number), &box_of(number, Some(1), around, false));
    }
    let mut places = Places::new(BTreeSet::new(), known.tables());
    places.apply(&ids, &known, &(0..4).map(key).collect());
    let mut attributes = box_of(1, Some(1), Some(0), false);
    attributes.insert("colour", "red");
    known.put(&key(1), &attributes);
    let changes = places.apply(&ids, &known, &BTreeSet::from([key(1)]));
    let told: Vec<&ObjectKey> = changes.upsert.iter().map(|object| &object.key).collect();
    assert_eq!((told, changes.remove.len()), (vec![&key(1)], 0));
}
