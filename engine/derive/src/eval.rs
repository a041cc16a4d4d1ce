//! Evaluation of rules over objects: keys of an end, values and links of a pair.

mod values;

use std::cell::{Cell, OnceCell};

use calipso_expr::{AttributeRow, Bound, EvalError, Frame, Fuel, KeyPart, Scope, Slot, Tree};
use calipso_model::{LinkState, Map, Str, Value};
use calipso_spec::checked::Take;

use self::values::Values;
use crate::{
    bounds::{self, Meter},
    faults::{FaultKey, Part},
    hash::Bytes,
    join::{Drafts, Index, opposite},
    nodes::{NIL, Nodes},
    rules::{Attribute, AttributeRule, End, LinkParts, LinkRules, Own, Rules, Yield},
    store::Body,
};

/// Work, or bytes, of one rule that are counted apart.
const TALLY: u64 = 1 << 16;
/// Number of pairs of one object after which the meter is asked.
const MANY_PAIRS: usize = 1 << 16;
/// Work and bytes of one rule that the meter was not told of yet.
#[derive(Clone, Copy, Default)]
struct Tally {
    rule: usize,
    work: u64,
    bytes: u64,
}

/// What evaluation reads. One per thread.
pub(crate) struct Evaluator<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) nodes: &'a [Nodes],
    pub(crate) indexes: &'a [Index],
    met: Vec<Met>,
    values: Vec<Value>,
    /// By join: copies of the names of link attributes, where other threads work, too: counting references to one name
    /// from two threads is slow.
    names: Vec<OnceCell<Vec<Str>>>,
    meter: &'a Meter,
    /// What the meter was not told of yet: counting together from several threads is slow.
    tally: Cell<Tally>,
    /// The faults that it found.
    pub(crate) faults: Vec<(FaultKey, String)>,
}

/// A pair of rows that met.
#[derive(Clone, Copy, Debug)]
struct Met {
    /// The object at the other side than where the search began.
    other: u32,
    join: u32,
    rows: [u32; 2],
    orders: [u32; 2],
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        rules: &'a Rules,
        nodes: &'a [Nodes],
        indexes: &'a [Index],
        threads: usize,
        meter: &'a Meter,
    ) -> Self {
        let mut names = Vec::new();
        if threads > 1 {
            names.resize_with(rules.joins.len(), OnceCell::new);
        }
        let tally = Cell::default();
        Self { rules, nodes, indexes, met: Vec::new(), values: Vec::new(), names, meter, tally, faults: Vec::new() }
    }

    /// Counts the work of a rule.
    #[inline]
    fn work(&self, rule: usize, units: u64) {
        self.count(rule, units, 0);
    }

    /// Counts what a rule does and what it leaves behind.
    #[inline]
    fn count(&self, rule: usize, work: u64, bytes: u64) {
        if self.tally.get().rule != rule {
            self.settle();
        }
        let Tally { work: before, bytes: kept, .. } = self.tally.get();
        self.tally.set(Tally { rule, work: before + work, bytes: kept + bytes });
        if before + work >= TALLY || kept + bytes >= TALLY {
            self.settle();
        }
    }

    /// Tells the meter what was counted apart.
    pub(crate) fn settle(&self) {
        let Tally { rule, work, bytes } = self.tally.take();
        if work > 0 {
            self.meter.work(rule, work);
        }
        if bytes > 0 {
            self.meter.keep(rule, bytes);
        }
    }

    fn fault(&mut self, rule: usize, part: Part, a: u32, b: u32, message: String) {
        self.work(rule, bounds::FAULT);
        self.faults.push((FaultKey { rule, part, a, b }, message));
    }

    /// The document of an object as rules see it: with the derived attributes as they are now, without hidden ones.
    fn document(&self, type_id: usize, object: u32, hides: &[Str]) -> Value {
        let mut document = self.nodes[type_id].whole(&self.rules.types[type_id], object);
        for name in hides {
            if document.contains_key(name) {
                document.remove(name);
            }
        }
        Value::Map(document)
    }

    // ------------------------------------------------------------ rows

    /// Adds the keys that an object has at one end of a join, with the values of some names; none when it is gone. Gives
    /// back what failed.
    pub(crate) fn rows(
        &self,
        (join, side): (usize, usize),
        object: u32,
        bytes: &mut Bytes,
        binds: &[Slot],
        drafts: &mut Drafts,
    ) -> Vec<String> {
        let end = &self.rules.joins[join].ends[side];
        if self.meter.is_over(join) {
            return Vec::new();
        }
        self.each_key(join, side, object, &mut |scope, fuel| {
            bytes.clear();
            let mut length = 0;
            let has_key = end.key.key_in(scope, fuel, &mut |part| {
                if let KeyPart::Text(text) = part {
                    length += text.len();
                }
                bytes.key_part(part);
            })?;
            if length > bounds::MAX_KEY {
                return Err(EvalError::new(format!("the key has more than {} bytes", bounds::MAX_KEY)));
            }
            if has_key {
                fuel.pay(bounds::KEY)?;
                drafts.keys.push(bytes.key());
                drafts.binds.extend(binds.iter().map(|slot| scope.get(*slot).cloned().unwrap_or_default()));
            }
            Ok(())
        })
    }

    /// The parts of the keys that an object has at one end of a join, in the order of its rows.
    pub(crate) fn keys(&self, join: usize, side: usize, object: u32) -> Vec<Vec<Value>> {
        let end = &self.rules.joins[join].ends[side];
        let mut keys = Vec::new();
        self.each_key(join, side, object, &mut |scope, fuel| {
            let mut parts = Vec::new();
            if end.key.key_in(scope, fuel, &mut |part| parts.push(part.to_value()))? {
                keys.push(parts);
            }
            Ok(())
        });
        keys
    }

    /// Hands on the scope of every key of an object at one end that its `when` lets through; gives back what failed.
    fn each_key(
        &self,
        join: usize,
        side: usize,
        object: u32,
        key: &mut dyn FnMut(Scope<'_>, &mut Fuel) -> Result<(), EvalError>,
    ) -> Vec<String> {
        let rule = &self.rules.joins[join];
        let end = &rule.ends[side];
        let nodes = &self.nodes[end.type_id];
        let mut problems = Vec::new();
        if !nodes.is_live(object) {
            return problems;
        }
        let mut records = [AttributeRow::none(); 2];
        records[side] = nodes.record(object);
        let own_frame = end.whole.then(|| self.frame(&rule.frame, end, object));
        let scope = Scope::new(own_frame.as_ref().unwrap_or(&rule.frame), &records);
        let mut fuel = Fuel::default();
        let mut row = |scope: Scope<'_>, fuel: &mut Fuel| {
            let holds = end.when.as_ref().map_or(Ok(true), |when| when.holds_in(scope, fuel));
            let done = holds.and_then(|holds| if holds { key(scope, fuel) } else { Ok(()) });
            match done {
                // Without fuel nothing comes of the others either.
                Err(error) if error.is_limit() && fuel.left() == 0 => Err(error),
                Err(error) => {
                    problems.push(error.to_string());
                    fuel.pay(bounds::FAULT)
                }
                Ok(()) => Ok(()),
            }
        };
        let done = match &end.each {
            None => row(scope, &mut fuel),
            Some(each) => each.run_in(scope, &mut fuel, &mut |scope, fuel| row(scope, fuel)),
        };
        if let Err(error) = done {
            problems.push(error.to_string());
        }
        self.work(join, Fuel::default().left() - fuel.left());
        problems
    }

    /// A frame with the whole document of an object.
    fn frame(&self, frame: &Frame, end: &End, object: u32) -> Frame {
        let mut frame = frame.clone();
        frame.set(end.slot, self.document(end.type_id, object, &end.hides));
        frame
    }

    // ------------------------------------------------------------ pairs

    /// Brings the two objects and the generators of a pair into scope, and, where the rule's `when` holds, evaluates.
    fn pair<T>(
        &self,
        join: usize,
        rows: [u32; 2],
        evaluate: impl FnOnce(Scope<'_>, &mut Fuel) -> Result<T, EvalError>,
    ) -> Result<Option<T>, EvalError> {
        let rule = &self.rules.joins[join];
        let index = &self.indexes[rule.index];
        let [near, far] = &rule.ends;
        let objects = [0, 1].map(|side| index.row(side, rows[side]).object);
        let records = [self.nodes[near.type_id].record(objects[0]), self.nodes[far.type_id].record(objects[1])];
        let mut own_frame: Option<Frame> = None;
        for (end, object) in rule.ends.iter().zip(objects).filter(|(end, _)| end.whole) {
            own_frame = Some(self.frame(own_frame.as_ref().unwrap_or(&rule.frame), end, object));
        }
        let scope = Scope::new(own_frame.as_ref().unwrap_or(&rule.frame), &records);
        let of_near = Bound::new(&near.binds, index.binds(0, rows[0]), scope);
        let scope = if near.binds.is_empty() { scope } else { scope.with(&of_near) };
        let of_far = Bound::new(&far.binds, index.binds(1, rows[1]), scope);
        let scope = if far.binds.is_empty() { scope } else { scope.with(&of_far) };
        let mut fuel = Fuel::new(bounds::EVALUATION);
        let holds = rule.when.as_ref().map_or(Ok(true), |when| when.holds_in(scope, &mut fuel));
        let made = holds.and_then(|holds| if holds { evaluate(scope, &mut fuel).map(Some) } else { Ok(None) });
        self.work(join, bounds::EVALUATION - fuel.left());
        made
    }

    /// Whether two rows that have one key meet.
    pub(crate) fn meets(&self, join: usize, rows: [u32; 2]) -> bool {
        matches!(self.pair(join, rows, |_, _| Ok(())), Ok(Some(())))
    }

    /// Pairs of one object in one join, unsorted.
    fn meetings(&self, join: usize, side: usize, object: u32, into: &mut Vec<Met>) {
        let index = &self.indexes[self.rules.joins[join].index];
        let across = opposite(side);
        let before = into.len();
        for row in index.rows_of(side, object) {
            let here = index.row(side, row);
            // Between two keys: one object meets no more than there are rows at the other end.
            if into.len() - before > MANY_PAIRS && self.meter.is_over(join) {
                break;
            }
            for other_row in index.rows_with(across, here.key) {
                let there = index.row(across, other_row);
                let (rows, orders) = if side == 0 {
                    ([row, other_row], [here.order, there.order])
                } else {
                    ([other_row, row], [there.order, here.order])
                };
                into.push(Met { other: there.object, join: join as u32, rows, orders });
            }
        }
        self.work(join, (into.len() - before) as u64 * bounds::PAIR);
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
        if attribute.is_over(self.rules, self.meter) {
            return found;
        }
        for rule in &attribute.rules {
            let value = match rule {
                AttributeRule::Own(own) => self.own_value(own, attribute.type_id, object),
                AttributeRule::Join(join) => self.join_value(*join, object),
            };
            match value {
                Value::Null => {}
                Value::List(items) if items.is_empty() => found = Value::List(items),
                value => {
                    let (number, bytes) = (rule.number(self.rules), bounds::size(&value));
                    if bytes > bounds::MAX_VALUE {
                        let message = format!("the value has more than {} bytes", bounds::MAX_VALUE);
                        self.fault(number, Part::Own, object, NIL, message);
                        return Value::Null;
                    }
                    self.count(number, 0, bytes);
                    return value;
                }
            }
        }
        found
    }

    fn own_value(&mut self, own: &Own, type_id: usize, object: u32) -> Value {
        let rule = self.rules.joins.len() + own.number;
        let own_frame = own.whole.then(|| {
            let mut frame = own.frame.clone();
            frame.set(own.slot, self.document(type_id, object, &own.hides));
            frame
        });
        let records = [self.nodes[type_id].record(object)];
        let scope = Scope::new(own_frame.as_ref().unwrap_or(&own.frame), &records);
        let mut values = Values::new(own.take, &mut self.values);
        let mut problems = Vec::new();
        let mut element = |scope: Scope<'_>, fuel: &mut Fuel| {
            if values.full() {
                return Ok(());
            }
            let mut made = Ok(());
            for when in &own.when {
                match when.holds_in(scope, fuel) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => made = Err(error),
                }
                if made.is_err() {
                    break;
                }
            }
            match made.and_then(|()| own.value.eval_in(scope, fuel)) {
                Ok(value) => values.push(value),
                // Without fuel nothing comes of the others either.
                Err(error) if error.is_limit() && fuel.left() == 0 => return Err(error),
                Err(error) => {
                    problems.push(error.to_string());
                    fuel.pay(bounds::FAULT)?;
                }
            }
            Ok(())
        };
        let mut fuel = Fuel::default();
        let done = match &own.each {
            None => element(scope, &mut fuel),
            Some(each) => each.run_in(scope, &mut fuel, &mut element),
        };
        if let Err(error) = done {
            problems.push(error.to_string());
        }
        let units = Fuel::default().left() - fuel.left();
        let value = values.finish().unwrap_or_else(|message| {
            problems.push(message);
            Value::Null
        });
        self.work(rule, units);
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
        let mut room = std::mem::take(&mut self.values);
        let mut values = Values::new(*take, &mut room);
        for pair in &met {
            if values.full() || self.meter.is_over(join) {
                break;
            }
            match self.pair(join, pair.rows, |scope, fuel| tree.eval_in(scope, fuel)) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => {}
                Err(error) => self.fault(join, Part::Pair, object, pair.other, error.to_string()),
            }
        }
        self.met = met;
        let value = values.finish();
        self.values = room;
        value.unwrap_or_else(|message| {
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
        if links.is_over(self.meter) {
            return;
        }
        let mut met = std::mem::take(&mut self.met);
        met.clear();
        let across = links.ends[opposite(side)];
        let start = found.len();
        for (number, join) in links.joins.iter().enumerate() {
            self.meetings(*join, side, object, &mut met);
            let last = number + 1 == links.joins.len();
            if !links.first && !last {
                continue;
            }
            self.sort(across, &mut met);
            self.first_that_holds(links, side, object, &met, skip, found);
            if links.first && found.len() > start {
                break;
            }
            met.clear();
        }
        self.met = met;
    }

    /// The link of one pair, by the first rule that makes it. Only where all rules contribute.
    pub(crate) fn link(&mut self, links: &LinkRules, from: u32, to: u32) -> Option<Body> {
        self.link_by(links, &links.joins, [from, to])
    }

    /// The link that a rule makes of two objects, evaluated again.
    pub(crate) fn body_of(&mut self, join: usize, ends: [u32; 2]) -> Option<Body> {
        let rules = self.rules;
        let links = rules.link_types.iter().find(|links| links.joins.contains(&join))?;
        self.link_by(links, &[join], ends)
    }

    fn link_by(&mut self, links: &LinkRules, joins: &[usize], [from, to]: [u32; 2]) -> Option<Body> {
        let mut met = Vec::new();
        for join in joins {
            let index = &self.indexes[self.rules.joins[*join].index];
            // From the side with fewer keys.
            let side = usize::from(fewer(index.rows_of(1, to), index.rows_of(0, from)));
            let (here, there) = if side == 0 { (from, to) } else { (to, from) };
            for row in index.rows_of(side, here) {
                for other in index.rows_with(opposite(side), index.row(side, row).key) {
                    if index.row(opposite(side), other).object == there {
                        let rows = if side == 0 { [row, other] } else { [other, row] };
                        let orders = [index.row(0, rows[0]).order, index.row(1, rows[1]).order];
                        met.push(Met { other: to, join: *join as u32, rows, orders });
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
            if self.meter.is_over(pair.join as usize) {
                return;
            }
            if pair.other == done || skip(pair.other) {
                continue;
            }
            let join = pair.join as usize;
            let ends = if side == 0 { [object, pair.other] } else { [pair.other, object] };
            let mut problems = Vec::new();
            match self.pair(join, pair.rows, |scope, fuel| Ok(self.body(links, join, scope, fuel, ends, &mut problems)))
            {
                Ok(Some(body)) => {
                    self.count(join, 0, body.bytes() + bounds::LINK_BYTES);
                    found.push((pair.other, body));
                    done = pair.other;
                }
                Ok(None) => {}
                Err(error) => problems.push(error.to_string()),
            }
            if !problems.is_empty() {
                self.fault(join, Part::Pair, ends[0], ends[1], problems.join("; "));
            }
        }
    }

    /// What the rule says of the link; a part that cannot be evaluated is reported and takes its default.
    fn body(
        &self,
        links: &LinkRules,
        join: usize,
        scope: Scope<'_>,
        fuel: &mut Fuel,
        ends: [u32; 2],
        problems: &mut Vec<String>,
    ) -> Body {
        let Yield::Link(parts) = &self.rules.joins[join].yields else {
            return Body::default();
        };
        let parts: &LinkParts = parts;
        let mut text = |tree: &Option<Tree>, what: &str| match tree.as_ref()?.eval_in(scope, fuel) {
            Ok(Value::Str(text)) if text.len() > bounds::MAX_TEXT => {
                problems.push(format!("{what} has more than {} bytes", bounds::MAX_TEXT));
                None
            }
            Ok(Value::Str(text)) => Some(text).filter(|text| !text.is_empty()),
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
        let attribute = |side: usize, number: usize| match self.nodes[links.ends[side]].record(ends[side]).get(number) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        };
        let name = name.unwrap_or_else(|| {
            let [from, to] = [0, 1].map(|side| parts.names[side].iter().find_map(|number| attribute(side, *number)));
            let id = |side: usize| self.nodes[links.ends[side]].id(ends[side]);
            format!("{}-{}", from.unwrap_or_else(|| id(0)), to.unwrap_or_else(|| id(1))).into()
        });
        let host = match &parts.host {
            Some(_) => host,
            None => [0, 1]
                .into_iter()
                .filter_map(|side| attribute(side, parts.hosts[side]))
                .find(|host| !host.is_empty())
                .cloned(),
        };
        let mut attributes = Vec::with_capacity(parts.attributes.len());
        let names = self
            .names
            .get(join)
            .map(|names| names.get_or_init(|| parts.attributes.iter().map(|(name, _)| Str::from(&**name)).collect()));
        for (position, (key, tree)) in parts.attributes.iter().enumerate() {
            let key = names.map_or(key, |names| &names[position]);
            match tree.eval_in(scope, fuel) {
                Ok(Value::Null) => {}
                Ok(value) if bounds::size(&value) > bounds::MAX_VALUE => {
                    problems.push(format!("{key} has more than {} bytes", bounds::MAX_VALUE));
                }
                Ok(value) => attributes.push((key.clone(), value)),
                Err(error) => problems.push(format!("{key}: {error}")),
            }
        }
        Body { name, state, host, switch, attributes: Map::from_pairs(attributes), rule: Some(join as u32) }
    }
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
