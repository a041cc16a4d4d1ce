//! The parser `xml`: elements as maps, without DTD and with no entities but the five that XML has.

use calipso_model::{Map, Str, Value};
use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};

use crate::ParseError;

/// How deep elements may nest.
const MAX_DEPTH: usize = 128;

/// Reads one document as `{root: element}`.
pub(crate) fn parse(text: &str) -> Result<Value, ParseError> {
    if text.trim().is_empty() {
        return Err(ParseError::of_text("XML", text));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut document = Document { open: Vec::new(), root: None };
    loop {
        let event = reader.read_event();
        let outcome = match event {
            Ok(Event::Eof) => break,
            Ok(event) => document.take(&event),
            Err(error) => Err(format!("XML ({error})")),
        };
        if let Err(expected) = outcome {
            let position = reader.error_position().max(reader.buffer_position());
            return Err(at(text, position, expected));
        }
    }
    match (document.open.last(), document.root) {
        (None, Some((name, value))) => Ok(Value::Map([(name, value)].into_iter().collect())),
        (Some(open), _) => Err(at(text, reader.buffer_position(), format!("the end of `{}`", open.name))),
        (None, None) => Err(ParseError::of_text("XML", text)),
    }
}

/// An element whose end was not met yet.
struct Open {
    name: Str,
    attributes: Vec<(Str, Value)>,
    children: Vec<(Str, Value)>,
    text: String,
}

struct Document {
    open: Vec<Open>,
    root: Option<(Str, Value)>,
}

impl Document {
    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.begin(start),
            Event::End(_) => self.end(),
            Event::Text(text) => {
                let text = text.xml10_content().map_err(|error| format!("XML ({error})"))?;
                self.text(&text)
            }
            Event::CData(text) => {
                let text = text.xml10_content().map_err(|error| format!("XML ({error})"))?;
                self.text(&text)
            }
            Event::GeneralRef(reference) => {
                if let Some(character) = reference.resolve_char_ref().map_err(|error| format!("XML ({error})"))? {
                    return self.text(character.encode_utf8(&mut [0; 4]));
                }
                let name = reference.decode().map_err(|error| format!("XML ({error})"))?;
                match resolve_xml_entity(&name) {
                    Some(text) => self.text(text),
                    None => Err("no entities but the five that XML has".to_owned()),
                }
            }
            Event::DocType(_) => Err("XML without a document type".to_owned()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.is_empty() && self.root.is_some() {
            return Err("one root element".to_owned());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("XML that nests at most {MAX_DEPTH} deep"));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| format!("XML ({error})"))?;
            let key = name(attribute.key.as_ref())?;
            let value = attribute.unescape_value_with(resolve_xml_entity).map_err(|error| format!("XML ({error})"))?;
            attributes.push((Str::from(format!("@{key}")), Value::text(&value)));
        }
        let open =
            Open { name: name(start.name().as_ref())?.into(), attributes, children: Vec::new(), text: String::new() };
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(open) = self.open.pop() else { return Err("XML (an end without a start)".to_owned()) };
        let name = open.name.clone();
        let value = open.finish()?;
        match self.open.last_mut() {
            Some(around) => around.children.push((name, value)),
            None => self.root = Some((name, value)),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
            None => return Err("no text outside the root element".to_owned()),
        }
        Ok(())
    }
}

impl Open {
    fn finish(mut self) -> Result<Value, String> {
        let is_blank = self.text.trim().is_empty();
        if self.attributes.is_empty() && self.children.is_empty() {
            return Ok(if is_blank { Value::Null } else { Value::from(self.text) });
        }
        let mut pairs = self.attributes;
        if !is_blank {
            let text = if self.children.is_empty() { &self.text } else { self.text.trim() };
            pairs.push((Str::from("#text"), Value::text(text)));
        }
        self.children.sort_by(|a, b| a.0.cmp(&b.0));
        let mut children = self.children.into_iter().peekable();
        while let Some((name, first)) = children.next() {
            let mut all = vec![first];
            while let Some((_, next)) = children.next_if(|(next, _)| *next == name) {
                all.push(next);
            }
            let value = if all.len() == 1 { all.pop().unwrap_or_default() } else { Value::list(all) };
            pairs.push((name, value));
        }
        let map: Result<Map, Str> = Map::from_distinct(pairs);
        map.map(Value::Map).map_err(|key| format!("each attribute once, `{key}` is repeated"))
    }
}

/// The name of an element or attribute, with its prefix.
fn name(bytes: &[u8]) -> Result<&str, String> {
    let name = std::str::from_utf8(bytes).map_err(|error| format!("XML ({error})"))?;
    let begins = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let goes_on = |c: char| begins(c) || c.is_numeric() || c == '-' || c == '.' || c == '\u{b7}';
    if name.starts_with(begins) && name.chars().all(goes_on) {
        Ok(name)
    } else {
        Err("names that XML allows".to_owned())
    }
}

/// An error at a byte of the text.
fn at(text: &str, position: u64, expected: String) -> ParseError {
    let position = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    let before = text.as_bytes().get(..position).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    ParseError::around(line, column, expected, text.lines().nth(line - 1).unwrap_or_default())
}
