//! The parser `blocks`: nested groups of lines, each begun by a line that matches.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use calipso_model::{Map, Str, Value};
use regex::Regex;

use crate::{
    Conversion, LineOptions, ParseError, ParseSpecErrorKind, ParsedField, ParsedShape,
    key_values::{PairPattern, Pairs, typed_fields},
    pattern::{Faults, Pattern, check_types, compile_optional},
    text::{Line, LineReader},
};

/// `blocks`: a list of maps, one per match of `start`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlocksSpec {
    pub options: LineOptions,
    /// The outermost block.
    pub block: BlockSpec,
}

/// One kind of block; blocks nest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockSpec {
    /// The first line; its groups become keys.
    pub start: String,
    /// The line before which the block ends.
    pub end: Option<String>,
    /// Groups become keys; of several lines that have a group, the first counts.
    pub fields: Option<String>,
    /// By key: a list of the groups of every line that matches.
    pub lists: BTreeMap<Str, String>,
    /// Groups `key` and `value`, merged into the block; keys of `start` and `fields` win.
    pub pairs: Option<String>,
    /// The key under which all lines behind the first are kept as they are.
    pub lines: Option<Str>,
    /// By key: blocks inside this one.
    pub blocks: BTreeMap<Str, BlockSpec>,
    /// By group of `start`, `fields` or `lists`, or key of `pairs`.
    pub types: BTreeMap<Str, Conversion>,
}

#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    reader: LineReader,
    block: Block,
}

#[derive(Clone, Debug)]
struct Block {
    start: Pattern,
    end: Option<Regex>,
    fields: Option<Pattern>,
    lists: Vec<(Str, Pattern)>,
    pairs: Option<PairPattern>,
    lines: Option<Str>,
    children: Vec<(Str, Block)>,
    types: BTreeMap<Str, Conversion>,
}

impl Blocks {
    pub(crate) fn compile(spec: &BlocksSpec, faults: &mut Faults) -> Option<Self> {
        let reader = LineReader::compile(&spec.options, faults);
        let block = Block::compile(&spec.block, faults)?;
        Some(Self { reader, block })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut reading = Reading { root: &self.block, found: Vec::new(), open: Vec::new() };
        for line in self.reader.read(text) {
            reading.take(&line)?;
        }
        reading.close_down_to(0)?;
        Ok(Value::list(reading.found))
    }

    pub(crate) fn shape(&self) -> ParsedShape {
        self.block.shape()
    }
}

impl Block {
    fn compile(spec: &BlockSpec, faults: &mut Faults) -> Option<Self> {
        let start = Pattern::compile("start", &spec.start, false, &spec.types, faults);
        let end = compile_optional("end", spec.end.as_ref(), faults);
        let fields =
            spec.fields.as_ref().map(|fields| Pattern::compile_with_groups("fields", fields, &spec.types, faults));
        let lists: Vec<Option<(Str, Pattern)>> = faults.below("lists", |faults| {
            let compile = |(name, list): (&Str, &String)| {
                Some((name.clone(), Pattern::compile_with_groups(name, list, &spec.types, faults)?))
            };
            spec.lists.iter().map(compile).collect()
        });
        let pairs = spec.pairs.as_ref().map(|pairs| PairPattern::compile("pairs", pairs, &["key", "value"], faults));
        let children: Vec<Option<(Str, Self)>> = faults.below("blocks", |faults| {
            let compile = |(name, child): (&Str, &BlockSpec)| {
                Some((name.clone(), faults.below(name, |faults| Self::compile(child, faults))?))
            };
            spec.blocks.iter().map(compile).collect()
        });
        let block = Self {
            start: start?,
            end,
            fields: fields.map_or(Some(None), |fields| fields.map(Some))?,
            lists: lists.into_iter().collect::<Option<_>>()?,
            pairs: pairs.map_or(Some(None), |pairs| pairs.map(Some))?,
            lines: spec.lines.clone(),
            children: children.into_iter().collect::<Option<_>>()?,
            types: spec.types.clone(),
        };
        block.check(faults);
        Some(block)
    }

    fn check(&self, faults: &mut Faults) {
        let groups = || self.start.names().chain(self.fields.iter().flat_map(Pattern::names));
        if self.pairs.is_none() {
            let of_lists = self.lists.iter().flat_map(|(_, list)| list.names());
            check_types(&self.types, groups().chain(of_lists), "group", faults);
        }
        let mut taken: BTreeSet<&Str> = groups().collect();
        let named = self.lists.iter().map(|(name, _)| name);
        for name in named.chain(&self.lines).chain(self.children.iter().map(|(name, _)| name)) {
            if !taken.insert(name) {
                faults.add(ParseSpecErrorKind::BadKeys, format!("the key `{name}` of a block is given twice"));
            }
        }
    }

    fn shape(&self) -> ParsedShape {
        let list = |shape: ParsedShape| ParsedField { shape: ParsedShape::List(Box::new(shape)), optional: false };
        let mut known = self.start.fields();
        for (name, field) in self.fields.iter().flat_map(Pattern::fields) {
            known.entry(name).or_insert(ParsedField { optional: true, ..field });
        }
        known.extend(self.lists.iter().map(|(name, pattern)| (name.clone(), list(pattern.shape()))));
        known.extend(self.lines.iter().map(|name| (name.clone(), list(ParsedShape::Text))));
        known.extend(
            self.children
                .iter()
                .map(|(name, child)| (name.clone(), ParsedField { shape: child.shape(), optional: false })),
        );
        let mut others = None;
        if self.pairs.is_some() {
            others = Some(Box::new(ParsedShape::Text));
            for (name, field) in typed_fields(&self.types, |shape| shape) {
                known.entry(name).or_insert(field);
            }
        }
        ParsedShape::List(Box::new(ParsedShape::Map { known, others }))
    }
}

/// A block whose end was not met yet.
struct Open<'p> {
    block: &'p Block,
    fields: Vec<(Str, Value)>,
    lists: Vec<Vec<Value>>,
    pairs: Pairs,
    lines: Vec<Value>,
    children: Vec<Vec<Value>>,
    /// Which child of the block around it this is.
    index: usize,
    has_child: bool,
}

impl<'p> Open<'p> {
    fn new(block: &'p Block, index: usize, start: Vec<(Str, Value)>) -> Self {
        Self {
            block,
            fields: start,
            lists: vec![Vec::new(); block.lists.len()],
            pairs: Pairs::default(),
            lines: Vec::new(),
            children: vec![Vec::new(); block.children.len()],
            index,
            has_child: false,
        }
    }

    fn read(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        if let Some(pattern) = &self.block.fields {
            for (name, value) in pattern.read(&line.text, Some(line.number))?.unwrap_or_default() {
                if !self.fields.iter().any(|(known, _)| *known == name) {
                    self.fields.push((name, value));
                }
            }
        }
        for ((_, pattern), found) in self.block.lists.iter().zip(&mut self.lists) {
            if let Some(pairs) = pattern.read(&line.text, Some(line.number))? {
                found.push(Value::Map(Map::from_pairs(pairs)));
            }
        }
        if let Some((key, value)) = self.block.pairs.as_ref().and_then(|pairs| pairs.read(&line.text)) {
            self.pairs.add(key, value, false, line)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Value, ParseError> {
        // Of equal keys the last counts, so the weakest come first.
        let mut pairs = self.pairs.into_values(&self.block.types)?;
        pairs.extend(self.fields);
        let lists = self.block.lists.iter().zip(self.lists);
        pairs.extend(lists.map(|((name, _), found)| (name.clone(), Value::list(found))));
        if let Some(name) = &self.block.lines {
            pairs.push((name.clone(), Value::list(self.lines)));
        }
        let children = self.block.children.iter().zip(self.children);
        pairs.extend(children.map(|((name, _), found)| (name.clone(), Value::list(found))));
        Ok(Value::Map(Map::from_pairs(pairs)))
    }
}

/// The state between two lines.
struct Reading<'p> {
    root: &'p Block,
    found: Vec<Value>,
    /// From the outside in.
    open: Vec<Open<'p>>,
}

impl<'p> Reading<'p> {
    fn take(&mut self, line: &Line<'_>) -> Result<(), ParseError> {
        let text: &Cow<'_, str> = &line.text;
        let mut restart = None;
        for level in 0..self.open.len() {
            let Some(open) = self.open.get(level) else { break };
            if open.block.start.is_match(text) {
                restart = Some((open.block, open.index));
            } else if !open.block.end.as_ref().is_some_and(|end| end.is_match(text)) {
                continue;
            }
            self.close_down_to(level)?;
            break;
        }
        if restart.is_none() && self.open.is_empty() {
            restart = Some((self.root, 0));
        }
        for open in &mut self.open {
            if open.block.lines.is_some() {
                open.lines.push(Value::text(text));
            }
        }
        if let Some((block, index)) = restart {
            self.open(block, index, line)?;
            return Ok(());
        }
        let Some(innermost) = self.open.last() else { return Ok(()) };
        let block = innermost.block;
        for (index, (_, child)) in block.children.iter().enumerate() {
            if self.open(child, index, line)? {
                return Ok(());
            }
        }
        match self.open.last_mut() {
            Some(innermost) if !innermost.has_child => innermost.read(line),
            _ => Ok(()),
        }
    }

    /// Opens a block if the line starts it.
    fn open(&mut self, block: &'p Block, index: usize, line: &Line<'_>) -> Result<bool, ParseError> {
        let Some(start) = block.start.read(&line.text, Some(line.number))? else { return Ok(false) };
        if let Some(around) = self.open.last_mut() {
            around.has_child = true;
        }
        self.open.push(Open::new(block, index, start));
        Ok(true)
    }

    fn close_down_to(&mut self, level: usize) -> Result<(), ParseError> {
        while self.open.len() > level {
            let Some(closed) = self.open.pop() else { break };
            let index = closed.index;
            let value = closed.finish()?;
            match self.open.last_mut() {
                None => self.found.push(value),
                Some(around) => {
                    if let Some(list) = around.children.get_mut(index) {
                        list.push(value);
                    }
                }
            }
        }
        Ok(())
    }
}
