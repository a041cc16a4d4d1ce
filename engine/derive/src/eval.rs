//! Evaluation of rules over objects: keys of an end, values and links of a pair.

use std::cmp::Ordering;

use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{LinkState, Map, Str, Value};
use calipso_spec::checked::Take;

use crate::{
    faults::{FaultKey, Part},
    join::{Drafts, Index, KeyHash, opposite},
    nodes::{NIL, Nodes},
    rules::{Attribute, AttributeRule, End, LinkParts, LinkRules, Own, Rules, Yield},
    store::Body,
};

/// What evaluation reads, and the frames it works in. One per thread.
pub(crate) struct Evaluator<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) nodes: &'a [Nodes],
    pub(crate) indexes: &'a [Index],
    frames: Vec<Option<Frame>>,
    parts: Vec<Value>,
    met: Vec<Met>,
    /// What went wrong.
    pub(crate) faults: Vec<(FaultKey, String)>,
}

/// A pair of rows that met.
#[derive(Clone, Copy, Debug)]
struct Met {
    /// The object at the other side than where the search began.
    other: u32,
    join: usize,
    rows: [u32; 2],
    orders: [u32; 2],
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(rules: &'a Rules, nodes: &'a [Nodes], indexes: &'a [Index]) -> Self {
        Self { rules, nodes, indexes, frames: Vec::new(), parts: Vec::new(), met: Vec::new(), faults: Vec::new() }
    }

    fn take_frame(&mut self, join: usize) -> Frame {
        if self.frames.len() <= join {
            self.frames.resize_with(self.rules.joins.len() + self.rules.own_rules, || None);
        }
        self.frames[join].take().unwrap_or_else(|| self.rules.joins[join].frame.clone())
    }

    fn fault(&mut self, rule: usize, part: Part, a: u32, b: u32, message: String) {
        self.faults.push((FaultKey { rule, part, a, b }, message));
    }

    // ------------------------------------------------------------ rows

    /// Adds the keys that an object has at one end of a join; none when it is gone.
    pub(crate) fn rows(&mut self, join: usize, side: usize, object: u32, seed: KeyHash, drafts: &mut Drafts) {
        let rules = self.rules;
        let end = &rules.joins[join].ends[side];
        if !self.nodes[end.type_id].is_live(object) {
            return;
        }
        let mut frame = self.take_frame(join);
        frame.set(end.slot, self.document(end, object));
        let mut problems = Vec::new();
        let parts = &mut self.parts;
        let mut row = |frame: &mut Frame, fuel: &mut Fuel| match key(end, frame, fuel, parts) {
            Ok(true) => {
                let binds = end.binds.iter().map(|slot| frame.get(*slot).cloned().unwrap_or_default());
                drafts.push(seed, parts, binds);
            }
            Ok(false) => {}
            Err(error) => problems.push(error.to_string()),
        };
        let mut fuel = Fuel::default();
        match &end.each {
            None => row(&mut frame, &mut fuel),
            Some(each) => {
                let done = each.for_each(None, &mut frame, &mut fuel, &mut |frame, fuel| {
                    row(frame, fuel);
                    Ok(())
                });
                if let Err(error) = done {
                    problems.push(error.to_string());
                }
            }
        }
        for message in problems {
            self.fault(join, Part::of_side(side), object, NIL, message);
        }
        self.frames[join] = Some(frame);
    }

    fn document(&self, end: &End, object: u32) -> Value {
        Value::Map(without(self.nodes[end.type_id].doc(object), &end.hides))
    }

    // ------------------------------------------------------------ pairs

    /// Brings the two objects and the generators of a pair into the frame, and asks the rule's `when`.
    fn pair_holds(&mut self, join: usize, frame: &mut Frame, rows: [u32; 2]) -> Result<bool, EvalError> {
        let rule = &self.rules.joins[join];
        for (side, end) in rule.ends.iter().enumerate() {
            let row = self.indexes[rule.index].row(side, rows[side]);
            frame.set(end.slot, self.document(end, row.object));
            for (slot, value) in end.binds.iter().zip(row.binds.iter()) {
                frame.set(*slot, value.clone());
            }
        }
        rule.when.as_ref().map_or(Ok(true), |when| when.holds(frame, &mut Fuel::default()))
    }

    /// Whether two rows that have one key meet.
    pub(crate) fn meets(&mut self, join: usize, rows: [u32; 2]) -> bool {
        let mut frame = self.take_frame(join);
        self.pair_holds(join, &mut frame, rows).unwrap_or(false)
    }

    /// Pairs of one object in one join, unsorted.
    fn meetings(&self, join: usize, side: usize, object: u32, into: &mut Vec<Met>) {
        let index = &self.indexes[self.rules.joins[join].index];
        let across = opposite(side);
        for row in index.rows_of(side, object) {
            let here = index.row(side, row);
            for other_row in index.rows_with(across, here.key) {
                let there = index.row(across, other_row);
                let (rows, orders) = if side == 0 {
                    ([row, other_row], [here.order, there.order])
                } else {
                    ([other_row, row], [there.order, here.order])
                };
                into.push(Met { other: there.object, join, rows, orders });
            }
        }
    }

    fn sort(&self, type_id: usize, met: &mut [Met]) {
        let nodes = &self.nodes[type_id];
        if met.len() > 1 {
            met.sort_unstable_by(|a, b| {
                nodes.order(a.other, b.other).then(a.join.cmp(&b.join)).then(a.orders.cmp(&b.orders))
            });
        }
    }

    // ------------------------------------------------------------ derived attributes

    /// The value of a derived attribute; null when no rule gives one.
    pub(crate) fn attribute(&mut self, attribute: &Attribute, object: u32) -> Value {
        let mut found = Value::Null;
        for rule in &attribute.rules {
            let value = match rule {
                AttributeRule::Own(own) => self.own_value(own, attribute.type_id, object),
                AttributeRule::Join(join) => self.join_value(*join, object),
            };
            match value {
                Value::Null => {}
                Value::List(items) if items.is_empty() => found = Value::List(items),
                value => return value,
            }
        }
        found
    }

    fn own_value(&mut self, own: &Own, type_id: usize, object: u32) -> Value {
        let rule = self.rules.joins.len() + own.number;
        if self.frames.len() <= rule {
            self.frames.resize_with(self.rules.joins.len() + self.rules.own_rules, || None);
        }
        let mut frame = self.frames[rule].take().unwrap_or_else(|| own.frame.clone());
        frame.set(own.slot, Value::Map(without(self.nodes[type_id].doc(object), &own.hides)));
        let mut values = Values::new(own.take);
        let mut problems = Vec::new();
        let mut element = |frame: &mut Frame, fuel: &mut Fuel| {
            if values.full() {
                return;
            }
            for when in &own.when {
                match when.holds(frame, fuel) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => return problems.push(error.to_string()),
                }
            }
            match own.value.eval(frame, fuel) {
                Ok(value) => values.push(value),
                Err(error) => problems.push(error.to_string()),
            }
        };
        let mut fuel = Fuel::default();
        match &own.each {
            None => element(&mut frame, &mut fuel),
            Some(each) => {
                let done = each.for_each(None, &mut frame, &mut fuel, &mut |frame, fuel| {
                    element(frame, fuel);
                    Ok(())
                });
                if let Err(error) = done {
                    problems.push(error.to_string());
                }
            }
        }
        self.frames[rule] = Some(frame);
        let value = values.finish().unwrap_or_else(|message| {
            problems.push(message);
            Value::Null
        });
        for message in problems {
            self.fault(rule, Part::Own, object, NIL, message);
        }
        value
    }

    fn join_value(&mut self, join: usize, object: u32) -> Value {
        let rules = self.rules;
        let rule = &rules.joins[join];
        let Yield::Value(tree, take) = &rule.yields else {
            return Value::Null;
        };
        let mut met = std::mem::take(&mut self.met);
        met.clear();
        self.meetings(join, 0, object, &mut met);
        if met.is_empty() {
            self.met = met;
            return if matches!(take, Take::All | Take::Distinct) { Value::list(Vec::new()) } else { Value::Null };
        }
        // Distinct values are sorted anyway.
        if *take != Take::Distinct {
            self.sort(rule.ends[1].type_id, &mut met);
        }
        let mut values = Values::new(*take);
        let mut frame = self.take_frame(join);
        for pair in &met {
            if values.full() {
                break;
            }
            let value = match self.pair_holds(join, &mut frame, pair.rows) {
                Ok(true) => tree.eval(&frame, &mut Fuel::default()),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            match value {
                Ok(value) => values.push(value),
                Err(error) => self.fault(join, Part::Pair, object, pair.other, error.to_string()),
            }
        }
        self.frames[join] = Some(frame);
        self.met = met;
        values.finish().unwrap_or_else(|message| {
            self.fault(join, Part::Own, object, NIL, message);
            Value::Null
        })
    }

    // ------------------------------------------------------------ links

    /// All links of one object at one side of a link type, in the order of the other objects' ids; the others that
    /// `skip` names are left out. Of side 1 only where all rules contribute.
    pub(crate) fn links(
        &mut self,
        links: &LinkRules,
        side: usize,
        object: u32,
        skip: &dyn Fn(u32) -> bool,
        found: &mut Vec<(u32, Body)>,
    ) {
        let mut met = Vec::new();
        let across = links.ends[opposite(side)];
        for (number, join) in links.joins.iter().enumerate() {
            self.meetings(*join, side, object, &mut met);
            let last = number + 1 == links.joins.len();
            if !links.first && !last {
                continue;
            }
            self.sort(across, &mut met);
            self.first_that_holds(links, side, object, &met, skip, found);
            if links.first && !found.is_empty() {
                return;
            }
            met.clear();
        }
    }

    /// The link of one pair, by the first rule that makes it. Only where all rules contribute.
    pub(crate) fn link(&mut self, links: &LinkRules, from: u32, to: u32) -> Option<Body> {
        let mut met = Vec::new();
        for join in &links.joins {
            let index = &self.indexes[self.rules.joins[*join].index];
            // From the side with fewer keys.
            let side = usize::from(fewer(index.rows_of(1, to), index.rows_of(0, from)));
            let (here, there) = if side == 0 { (from, to) } else { (to, from) };
            for row in index.rows_of(side, here) {
                for other in index.rows_with(opposite(side), index.row(side, row).key) {
                    if index.row(opposite(side), other).object == there {
                        let rows = if side == 0 { [row, other] } else { [other, row] };
                        let orders = [index.row(0, rows[0]).order, index.row(1, rows[1]).order];
                        met.push(Met { other: to, join: *join, rows, orders });
                    }
                }
            }
        }
        self.sort(links.ends[1], &mut met);
        let mut found = Vec::new();
        self.first_that_holds(links, 0, from, &met, &|_| false, &mut found);
        found.pop().map(|(_, body)| body)
    }

    fn first_that_holds(
        &mut self,
        links: &LinkRules,
        side: usize,
        object: u32,
        met: &[Met],
        skip: &dyn Fn(u32) -> bool,
        found: &mut Vec<(u32, Body)>,
    ) {
        let mut done = NIL;
        for pair in met {
            if pair.other == done || skip(pair.other) {
                continue;
            }
            let mut frame = self.take_frame(pair.join);
            let (from, to) = if side == 0 { (object, pair.other) } else { (pair.other, object) };
            match self.pair_holds(pair.join, &mut frame, pair.rows) {
                Ok(true) => {
                    let body = self.body(links, pair.join, &frame, [from, to]);
                    found.push((pair.other, body));
                    done = pair.other;
                }
                Ok(false) => {}
                Err(error) => self.fault(pair.join, Part::Pair, from, to, error.to_string()),
            }
            self.frames[pair.join] = Some(frame);
        }
    }

    /// What the rule says of the link; a part that cannot be evaluated is reported and takes its default.
    fn body(&mut self, links: &LinkRules, join: usize, frame: &Frame, ends: [u32; 2]) -> Body {
        let rules = self.rules;
        let Yield::Link(parts) = &rules.joins[join].yields else {
            return Body::default();
        };
        let parts: &LinkParts = parts;
        let docs = [0, 1].map(|side| self.nodes[links.ends[side]].doc(ends[side]));
        let mut problems = Vec::new();
        let mut text = |tree: &Option<Tree>, what: &str| match tree.as_ref()?.eval(frame, &mut Fuel::default()) {
            Ok(value) => match plain(&value) {
                Some(text) => text,
                None => {
                    problems.push(format!("{what} is a {}, not a text", value.kind()));
                    None
                }
            },
            Err(error) => {
                problems.push(format!("{what}: {error}"));
                None
            }
        };
        let name = text(&parts.name, "name");
        let state = text(&parts.state, "state");
        let host = text(&parts.host, "host");
        let switch = text(&parts.switch, "switch");
        let state = match state.as_deref() {
            None | Some("up") => LinkState::Up,
            Some("down") => LinkState::Down,
            Some(other) => {
                problems.push(format!("state is `{other}`, neither `up` nor `down`"));
                LinkState::Up
            }
        };
        let name = name.unwrap_or_else(|| {
            let [from, to] = [0, 1].map(|side| {
                let id = &self.nodes[links.ends[side]].slot(ends[side]).id;
                [docs[side].text("object_name"), docs[side].text("name")].into_iter().flatten().next().unwrap_or(id)
            });
            format!("{from}-{to}").into()
        });
        let host = match &parts.host {
            Some(_) => host,
            None => docs.iter().filter_map(|doc| doc.text("host")).find(|host| !host.is_empty()).cloned(),
        };
        let mut attributes = Vec::with_capacity(parts.attributes.len());
        for (key, tree) in &parts.attributes {
            match tree.eval(frame, &mut Fuel::default()) {
                Ok(Value::Null) => {}
                Ok(value) => attributes.push((key.clone(), value)),
                Err(error) => problems.push(format!("{key}: {error}")),
            }
        }
        if !problems.is_empty() {
            self.fault(join, Part::Pair, ends[0], ends[1], problems.join("; "));
        }
        Body { name, state, host, switch, attributes: Map::from_pairs(attributes), rule: Some(join as u32) }
    }
}

fn key(end: &End, frame: &Frame, fuel: &mut Fuel, parts: &mut Vec<Value>) -> Result<bool, EvalError> {
    if let Some(when) = &end.when
        && !when.holds(frame, fuel)?
    {
        return Ok(false);
    }
    end.key.eval_key_into(frame, fuel, parts)
}

fn without(doc: &Map, hidden: &[Str]) -> Map {
    let mut doc = doc.clone();
    for name in hidden {
        if doc.contains_key(name) {
            doc.remove(name);
        }
    }
    doc
}

/// Text of a scalar; nothing for null and empty text; `None` for lists and maps.
#[expect(clippy::option_option, reason = "not a text, or no text: two different things")]
fn plain(value: &Value) -> Option<Option<Str>> {
    match value {
        Value::Null => Some(None),
        Value::Str(text) => Some(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(Some(value.to_json().into())),
        Value::List(_) | Value::Map(_) => None,
    }
}

/// Whether the first iterator ends before the second.
fn fewer(mut a: impl Iterator<Item = u32>, mut b: impl Iterator<Item = u32>) -> bool {
    loop {
        match (a.next(), b.next()) {
            (None, Some(_)) => return true,
            (_, None) => return false,
            (Some(_), Some(_)) => {}
        }
    }
}

/// Collects values as `take` says. Nulls count as no value.
struct Values {
    take: Take,
    list: Vec<Value>,
}

impl Values {
    fn new(take: Take) -> Self {
        Self { take, list: Vec::new() }
    }

    /// Whether further values would change nothing.
    fn full(&self) -> bool {
        self.take == Take::First && !self.list.is_empty()
    }

    fn push(&mut self, value: Value) {
        if value.is_null() {
            return;
        }
        if self.take == Take::Last {
            self.list.clear();
        }
        self.list.push(value);
    }

    /// The value, or what is wrong with several.
    fn finish(mut self) -> Result<Value, String> {
        match self.take {
            Take::First => Ok(self.list.into_iter().next().unwrap_or_default()),
            Take::Last => Ok(self.list.pop().unwrap_or_default()),
            Take::One => {
                self.list.sort_by(|a, b| a.total_cmp(b).then_with(|| a.kind().cmp(b.kind())));
                self.list.dedup();
                if self.list.len() > 1 {
                    let values: Vec<String> = self.list.iter().map(Value::to_json).collect();
                    return Err(format!("{} values where one is expected: {}", values.len(), values.join(", ")));
                }
                Ok(self.list.pop().unwrap_or_default())
            }
            Take::All => Ok(Value::list(self.list)),
            Take::Distinct => {
                // Equal numbers of two kinds: the whole one stays.
                self.list.sort_by(|a, b| a.total_cmp(b).then_with(|| a.kind().cmp(b.kind())));
                self.list.dedup_by(|a, b| a.total_cmp(b) == Ordering::Equal || a == b);
                Ok(Value::list(self.list))
            }
        }
    }
}
