//! From checked specs to the rules of one environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_expr::{Column, Frame, Layout, Slot, Tree, Use};
use calipso_model::{Environment, Str};
use calipso_spec::{
    Specs,
    checked::{At, DeriveRule, JoinEnd, LinkRule, LinkType, ObjectType, TakeRules},
};

use super::{
    Attribute, AttributeRule, End, Join, LinkParts, LinkRules, Own, PathStep, Plan, Rules, RulesError, TypeRules,
    Yield, choose, choose::Here, order,
};
use crate::nodes::{ALL, EXISTENCE, attribute_bit};

pub(super) fn rules(specs: &Specs, environment: &Environment) -> Result<Rules, RulesError> {
    let here = Here::new(specs, environment)?;
    let mut compiler = Compiler { here: &here, types: Types::default(), joins: Vec::new(), own_rules: 0 };
    let derived = derived_names(specs);
    for name in specs.object_types.keys() {
        compiler.types.id(name);
    }
    let (attributes, levels) = compiler.attributes(specs, &derived)?;
    let link_types = compiler.link_types(specs)?;
    let (cliques, constraints) = compiler.cliques(specs, &link_types);
    let Compiler { mut types, mut joins, .. } = compiler;
    number_keys(&mut joins);
    let indexes = share_indexes(&mut joins);
    for (name, attributes) in derived {
        let type_id = types.id(&name);
        let number = |name: Str| (name.clone(), types.number(type_id, &name));
        let numbered = attributes.into_iter().map(number).collect();
        types.list[type_id].derived = numbered;
    }
    let implicit = cliques.iter().any(|plan| plan.implicit);
    Ok(Rules {
        types: types.list,
        type_ids: types.ids,
        joins,
        indexes,
        attributes,
        levels,
        link_types,
        cliques,
        constraints,
        implicit,
    })
}

type Derived = BTreeMap<Str, BTreeSet<Str>>;

fn derived_names(specs: &Specs) -> Derived {
    let mut derived = Derived::new();
    for (name, object_type) in &specs.object_types {
        let attributes = object_type.derive.iter().map(|rule| rule.attribute.clone());
        derived.insert(name.clone(), attributes.collect());
    }
    derived
}

#[derive(Default)]
struct Types {
    list: Vec<TypeRules>,
    ids: BTreeMap<Str, usize>,
}

impl Types {
    fn id(&mut self, name: &Str) -> usize {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.list.len();
        self.list.push(TypeRules { name: name.clone(), numbers: BTreeMap::new(), derived: Vec::new(), whole: false });
        self.ids.insert(name.clone(), id);
        id
    }

    fn number(&mut self, type_id: usize, attribute: &str) -> usize {
        let numbers = &mut self.list[type_id].numbers;
        if let Some(number) = numbers.get(attribute) {
            return *number;
        }
        let number = numbers.len();
        numbers.insert(attribute.into(), number);
        number
    }

    fn bit(&mut self, type_id: usize, attribute: &str) -> u64 {
        attribute_bit(self.number(type_id, attribute))
    }

    /// Gives attributes of the objects at the ends of a rule their numbers in records; record 0 is that of the first end.
    fn columns<'a>(&'a mut self, ends: &'a [(Slot, usize)]) -> impl FnMut(Slot, &Str) -> Option<Column> + 'a {
        move |slot, name| {
            let record = ends.iter().position(|(known, _)| *known == slot)?;
            Some((record, self.number(ends[record].1, name)))
        }
    }
}

/// What expressions read of one object.
#[derive(Default)]
struct Reads {
    names: BTreeSet<Str>,
    whole: bool,
}

impl Reads {
    fn add(&mut self, uses: Vec<Use>, slot: Slot) {
        for used in uses.into_iter().filter(|used| used.slot == slot) {
            match used.path.into_iter().next() {
                Some(name) => {
                    self.names.insert(name);
                }
                None => self.whole = true,
            }
        }
    }

    fn mask(&self, types: &mut Types, type_id: usize) -> u64 {
        // Also when nothing is read, coming and going counts.
        let names = self.names.iter().fold(EXISTENCE, |mask, name| mask | types.bit(type_id, name));
        types.list[type_id].whole |= self.whole;
        if self.whole { ALL } else { names }
    }

    /// Derived attributes that an expression over the whole document must not see: those that it does not name, as
    /// they may be computed later.
    fn hides(&self, derived: Option<&BTreeSet<Str>>) -> Vec<Str> {
        match derived {
            Some(derived) if self.whole => derived.difference(&self.names).cloned().collect(),
            _ => Vec::new(),
        }
    }
}

struct Compiler<'a> {
    here: &'a Here,
    types: Types,
    joins: Vec<Join>,
    own_rules: usize,
}

/// The derived attributes that a rule reads, as (type, attribute).
type Waits = BTreeSet<(Str, Str)>;

impl Compiler<'_> {
    fn frame(&self, layout: &Layout) -> Frame {
        let mut frame = Frame::new(layout.len());
        for (name, value) in [("env", &self.here.env), ("dist", &self.here.dist)] {
            frame.bind(layout, name, value.clone());
        }
        frame
    }

    fn attributes(
        &mut self,
        specs: &Specs,
        derived: &Derived,
    ) -> Result<(Vec<Attribute>, Vec<Vec<usize>>), RulesError> {
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut numbers: BTreeMap<(Str, Str), usize> = BTreeMap::new();
        let mut waits: Vec<Waits> = Vec::new();
        for (type_name, object_type) in &specs.object_types {
            let type_id = self.types.id(type_name);
            for rule in &object_type.derive {
                let name = (type_name.clone(), rule.attribute.clone());
                let number = *numbers.entry(name).or_insert_with(|| {
                    attributes.push(Attribute {
                        type_id,
                        name: rule.attribute.clone(),
                        number: self.types.number(type_id, &rule.attribute),
                        rules: Vec::new(),
                    });
                    waits.push(Waits::new());
                    attributes.len() - 1
                });
                let compiled = self.derive_rule(object_type, rule, derived, &mut waits[number])?;
                attributes[number].rules.push(compiled);
            }
        }
        let reads: Vec<BTreeSet<usize>> =
            waits.iter().map(|waits| waits.iter().filter_map(|name| numbers.get(name).copied()).collect()).collect();
        let levels = order::levels(&reads).map_err(|circle| RulesError::DeriveCircle {
            attributes: circle
                .into_iter()
                .map(|number| &attributes[number])
                .map(|attribute| format!("{}.{}", self.types.list[attribute.type_id].name, attribute.name))
                .collect(),
        })?;
        Ok((attributes, levels))
    }

    fn derive_rule(
        &mut self,
        object_type: &ObjectType,
        rule: &DeriveRule,
        derived: &Derived,
        waits: &mut Waits,
    ) -> Result<AttributeRule, RulesError> {
        let layout = &object_type.layout;
        let type_name = &object_type.head.name;
        let type_id = self.types.id(type_name);
        let own_slot = slot(layout, "self");
        let mut own_reads = Reads::default();
        add_end(&mut own_reads, &rule.own, own_slot);
        let mut own_pair = Reads::default();
        add_pair(&mut own_pair, rule, own_slot);
        let mut note = |reads: &Reads, type_name: &Str| {
            let known = derived.get(type_name);
            let names = reads.names.iter().filter(|name| known.is_some_and(|known| known.contains(*name)));
            waits.extend(names.map(|name| (type_name.clone(), name.clone())));
        };
        note(&own_reads, type_name);
        note(&own_pair, type_name);
        let Some(other_name) = &rule.from else {
            own_reads.names.extend(own_pair.names);
            own_reads.whole |= own_pair.whole;
            let reads = own_reads.mask(&mut self.types, type_id);
            let ends = [(own_slot, type_id)];
            let mut columns = self.types.columns(&ends);
            let each = rule.own.each.as_ref().map(|each| each.bind(&mut columns));
            let when = rule.own.when.iter().chain(&rule.when).map(|when| when.bind(&mut columns)).collect();
            let value = rule.value.bind(&mut columns);
            drop(columns);
            return Ok(AttributeRule::Own(Box::new(Own {
                at: rule.at.clone(),
                slot: own_slot,
                whole: own_reads.whole,
                each,
                number: {
                    self.own_rules += 1;
                    self.own_rules - 1
                },
                name: format!("{type_name}.{}", rule.attribute).into(),
                when,
                value,
                take: rule.take,
                reads,
                hides: own_reads.hides(derived.get(type_name)),
                frame: self.frame(layout),
            })));
        };
        let other_id = self.types.id(other_name);
        let other_slot = slot(layout, "other");
        let mut other_reads = Reads::default();
        add_end(&mut other_reads, &rule.other, other_slot);
        let mut other_pair = Reads::default();
        add_pair(&mut other_pair, rule, other_slot);
        note(&other_reads, other_name);
        note(&other_pair, other_name);
        let name: Str = format!("{type_name}.{}", rule.attribute).into();
        let pair_uses: BTreeSet<Slot> = pair_uses(rule).into_iter().map(|used| used.slot).collect();
        let pair_reads = [own_pair.mask(&mut self.types, type_id), other_pair.mask(&mut self.types, other_id)];
        // Hidden is what neither keys nor pairs name.
        own_reads.whole |= own_pair.whole;
        other_reads.whole |= other_pair.whole;
        let hides = |reads: &Reads, pair: &Reads, type_name: &Str| {
            let mut hides = reads.hides(derived.get(type_name));
            hides.retain(|name| !pair.names.contains(name));
            hides
        };
        let own_hides = hides(&own_reads, &own_pair, type_name);
        let other_hides = hides(&other_reads, &other_pair, other_name);
        let ends = [(own_slot, type_id), (other_slot, other_id)];
        let mut own = self.end(&rule.own, 0, layout, &ends, &own_reads, &pair_uses, &rule.at, &name)?;
        let mut other = self.end(&rule.other, 1, layout, &ends, &other_reads, &pair_uses, &rule.at, &name)?;
        let mut columns = self.types.columns(&ends);
        let when = rule.when.as_ref().map(|when| when.bind(&mut columns));
        let value = rule.value.bind(&mut columns);
        drop(columns);
        own.hides = own_hides;
        other.hides = other_hides;
        self.joins.push(Join {
            at: rule.at.clone(),
            name,
            index: 0,
            ends: [own, other],
            when,
            pair_reads,
            yields: Yield::Value(value, rule.take),
            frame: self.frame(layout),
        });
        Ok(AttributeRule::Join(self.joins.len() - 1))
    }

    #[expect(clippy::too_many_arguments, reason = "one call site per kind of rule; a struct would only rename them")]
    fn end(
        &mut self,
        end: &JoinEnd,
        side: usize,
        layout: &Layout,
        ends: &[(Slot, usize); 2],
        reads: &Reads,
        pair_uses: &BTreeSet<Slot>,
        at: &At,
        rule: &Str,
    ) -> Result<End, RulesError> {
        let no_key = || RulesError::NoKey { at: at.clone(), rule: rule.to_string() };
        let each = end.each.iter().flat_map(|each| &each.generators);
        let generators: Vec<Slot> =
            each.flat_map(|generator| generator.key.into_iter().chain([generator.value])).collect();
        let (slot, type_id) = ends[side];
        let key = end.key.as_ref().ok_or_else(no_key)?;
        let reads_mask = reads.mask(&mut self.types, type_id);
        let mut columns = self.types.columns(ends);
        Ok(End {
            type_id,
            slot,
            whole: reads.whole,
            each: end.each.as_ref().map(|each| each.bind(&mut columns)),
            when: end.when.as_ref().map(|when| when.bind(&mut columns)),
            key: key.bind(&mut columns),
            binds: generators.iter().copied().filter(|slot| pair_uses.contains(slot)).collect(),
            keys: 0,
            signature: signature(end, slot, &generators, layout),
            generators,
            reads: reads_mask,
            hides: Vec::new(),
        })
    }

    fn link_types(&mut self, specs: &Specs) -> Result<Vec<LinkRules>, RulesError> {
        let mut all = Vec::new();
        for link_type in self.here.link_types(specs) {
            let ends = [self.types.id(&link_type.from), self.types.id(&link_type.to)];
            let mut rules = LinkRules {
                at: link_type.head.at.clone(),
                name: link_type.head.name.clone(),
                ends,
                first: link_type.take == TakeRules::First,
                one: [link_type.from_one, link_type.to_one],
                joins: Vec::new(),
                pair_reads: [EXISTENCE; 2],
                reads: [EXISTENCE; 2],
            };
            // Keys are compared without the host in them when what dangles is judged.
            for end in ends {
                self.types.number(end, "host");
            }
            for rule in link_type.rules.iter().filter(|rule| self.here.applies(&rule.environment)) {
                let number = self.link_rule(&link_type, rule, ends)?;
                let join = &self.joins[number];
                for side in 0..2 {
                    rules.pair_reads[side] |= join.pair_reads[side];
                    rules.reads[side] |= join.pair_reads[side] | join.ends[side].reads;
                }
                rules.joins.push(number);
            }
            all.push(rules);
        }
        Ok(all)
    }

    fn link_rule(&mut self, link_type: &LinkType, rule: &LinkRule, ends: [usize; 2]) -> Result<usize, RulesError> {
        let layout = &link_type.layout;
        let slots = [slot(layout, "from"), slot(layout, "to")];
        let mut trees: Vec<Use> = rule.when.as_ref().map(|when| when.uses()).unwrap_or_default();
        for tree in [&rule.link_name, &rule.state, &rule.host, &rule.switch].into_iter().flatten() {
            trees.extend(tree.uses());
        }
        for (_, tree) in &rule.attributes {
            trees.extend(tree.uses());
        }
        let pair_uses: BTreeSet<Slot> = trees.iter().map(|used| used.slot).collect();
        let mut pair_reads = [0; 2];
        let mut pair_whole = [false; 2];
        for side in 0..2 {
            let mut reads = Reads::default();
            reads.add(trees.clone(), slots[side]);
            // Also where the rule says a name: it may come out empty.
            reads.names.extend(["object_name".into(), "name".into()]);
            if rule.host.is_none() {
                reads.names.insert("host".into());
            }
            pair_reads[side] = reads.mask(&mut self.types, ends[side]);
            pair_whole[side] = reads.whole;
        }
        let bound = [(slots[0], ends[0]), (slots[1], ends[1])];
        let mut sides = Vec::new();
        for (side, end) in [&rule.from, &rule.to].into_iter().enumerate() {
            let mut reads = Reads::default();
            add_end(&mut reads, end, slots[side]);
            let mut end = self.end(end, side, layout, &bound, &reads, &pair_uses, &rule.at, &rule.name)?;
            end.whole |= pair_whole[side];
            sides.push(end);
        }
        let (mut names, mut hosts) = ([[0; 2]; 2], [0; 2]);
        for side in 0..2 {
            names[side] = ["object_name", "name"].map(|name| self.types.number(ends[side], name));
            if rule.host.is_none() {
                hosts[side] = self.types.number(ends[side], "host");
            }
        }
        let mut columns = self.types.columns(&bound);
        let mut tree = |tree: &Option<Tree>| tree.as_ref().map(|tree| tree.bind(&mut columns));
        let parts = LinkParts {
            name: tree(&rule.link_name),
            names,
            state: tree(&rule.state),
            host: tree(&rule.host),
            hosts,
            switch: tree(&rule.switch),
            attributes: rule.attributes.iter().map(|(key, tree)| (key.clone(), tree.bind(&mut columns))).collect(),
        };
        let when = rule.when.as_ref().map(|when| when.bind(&mut columns));
        drop(columns);
        let ends = <[End; 2]>::try_from(sides)
            .map_err(|_| RulesError::NoKey { at: rule.at.clone(), rule: rule.name.to_string() })?;
        self.joins.push(Join {
            at: rule.at.clone(),
            name: rule.name.clone(),
            index: 0,
            ends,
            when,
            pair_reads,
            yields: Yield::Link(Box::new(parts)),
            frame: self.frame(layout),
        });
        Ok(self.joins.len() - 1)
    }

    fn cliques(&mut self, specs: &Specs, link_types: &[LinkRules]) -> (Vec<Plan>, Vec<Str>) {
        let mut plans = Vec::new();
        let mut constraints: Vec<Str> = Vec::new();
        for (clique_type, candidates) in choose::cliques(specs, self.here) {
            let focal = self.types.id(&clique_type.focal_point);
            let mut positions = Vec::new();
            let mut reads = EXISTENCE;
            for name in &clique_type.constraints {
                let position = constraints.iter().position(|known| known == name).unwrap_or_else(|| {
                    constraints.push(name.clone());
                    constraints.len() - 1
                });
                positions.push((position, self.types.number(focal, name)));
                reads |= self.types.bit(focal, name);
            }
            let steps = clique_type.path.iter().filter_map(|step| {
                let (source, target) = step.link_type.split_once('-')?;
                let (source, target) = (self.types.id(&source.into()), self.types.id(&target.into()));
                let (from, to) = if step.backwards { (target, source) } else { (source, target) };
                Some(PathStep {
                    written: step.written.clone(),
                    from,
                    to,
                    links: link_types.iter().position(|links| links.name == step.link_type),
                    backwards: step.backwards,
                })
            });
            let steps = steps.collect();
            plans.push(Plan {
                at: clique_type.head.at.clone(),
                name: clique_type.head.name.clone(),
                focal,
                steps,
                constraints: positions,
                reads,
                implicit: clique_type.implicit_links,
                candidates,
            });
        }
        (plans, constraints)
    }
}

/// Gives every join its index: joins of derived attributes that have the same keys at both ends share one.
fn share_indexes(joins: &mut [Join]) -> Vec<usize> {
    let mut makers: Vec<usize> = Vec::new();
    let mut known: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    // By index and side: positions among the names that generators bind, which may be called differently in each join.
    let mut binds: Vec<[BTreeSet<usize>; 2]> = Vec::new();
    for (number, join) in joins.iter_mut().enumerate() {
        let makers = &mut makers;
        let mut make = || {
            makers.push(number);
            makers.len() - 1
        };
        join.index = match join.yields {
            Yield::Value(..) => *known.entry([0, 1].map(|side| join.ends[side].keys)).or_insert_with(make),
            Yield::Link(_) => make(),
        };
        binds.resize_with(makers.len(), Default::default);
        for (all, end) in binds[join.index].iter_mut().zip(&join.ends) {
            all.extend((0..end.generators.len()).filter(|position| end.binds.contains(&end.generators[*position])));
        }
    }
    for join in joins {
        for (end, all) in join.ends.iter_mut().zip(&binds[join.index]) {
            end.binds = all.iter().map(|position| end.generators[*position]).collect();
        }
    }
    makers
}

/// Numbers the keys of all ends: ends that have the same keys get one number.
fn number_keys(joins: &mut [Join]) {
    let mut known: BTreeMap<(usize, String, Vec<Str>), usize> = BTreeMap::new();
    for end in joins.iter_mut().flat_map(|join| &mut join.ends) {
        let next = known.len();
        let same = (end.type_id, end.signature.clone(), end.hides.clone());
        end.keys = *known.entry(same).or_insert(next);
    }
}

/// What the keys of an end are made of, whatever the object and what generators bind are called.
fn signature(end: &JoinEnd, own: Slot, generators: &[Slot], layout: &Layout) -> String {
    let name = |slot: Slot| match generators.iter().position(|bound| *bound == slot) {
        Some(number) => format!("bound {number}"),
        None if slot == own => "object".to_owned(),
        None => format!("name {:?}", layout.name(slot)),
    };
    let each = end.each.iter().flat_map(|each| &each.generators);
    let each: Vec<(bool, String)> =
        each.map(|generator| (generator.key.is_some(), generator.over.signature(&name))).collect();
    let of = |expression: &Option<calipso_expr::Expr>| expression.as_ref().map(|known| known.signature(&name));
    format!("{each:?} {:?} {:?}", of(&end.when), of(&end.key))
}

fn slot(layout: &Arc<Layout>, name: &str) -> Slot {
    layout.find(name).expect("the layout of a rule binds the names of its kind first")
}

fn add_end(reads: &mut Reads, end: &JoinEnd, slot: Slot) {
    for generator in end.each.iter().flat_map(|each| &each.generators) {
        reads.add(generator.over.uses(), slot);
    }
    for expression in [&end.when, &end.key].into_iter().flatten() {
        reads.add(expression.uses(), slot);
    }
}

fn pair_uses(rule: &DeriveRule) -> Vec<Use> {
    let mut uses = rule.value.uses();
    if let Some(when) = &rule.when {
        uses.extend(when.uses());
    }
    uses
}

fn add_pair(reads: &mut Reads, rule: &DeriveRule, slot: Slot) {
    reads.add(pair_uses(rule), slot);
}
