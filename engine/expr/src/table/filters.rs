//! The filters about texts, lists and maps.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use calipso_model::{Map, Str, Value};
use regex::Regex;

use super::{Filter, Given, Trouble, filter, look, network, test};
use crate::{
    eval::{Fuel, MAX_LIST, join_text, path, text_of, truth},
    failed,
};

type Run = fn(&Value, &Given<'_>, &mut Fuel) -> Result<Value, Trouble>;

const fn entry(
    name: &'static str,
    usage: &'static str,
    does: &'static str,
    yields: &'static str,
    args: (usize, usize),
    run: Run,
) -> Filter {
    Filter { name, usage, does, yields, args, named: &[], takes_filter: false, test_at: None, open_args: false, run }
}

/// Every filter, in the order of the reference.
pub static FILTERS: &[Filter] = &[
    entry(
        "default",
        "x | default(y)",
        "x where its path does not break off, else y; y is null when left out. Null stays null",
        "any",
        (0, 1),
        |value, _, _| Ok(value.clone()),
    ),
    entry(
        "as_list",
        "x | as_list",
        "null as [], a list as it is, anything else as a list of one",
        "list",
        (0, 0),
        |value, _, _| {
            Ok(match value {
                Value::Null => Value::list(Vec::new()),
                Value::List(_) => value.clone(),
                other => Value::list(vec![other.clone()]),
            })
        },
    ),
    entry(
        "list",
        "x | list",
        "the elements of a list, the keys of a map, the characters of a text",
        "list",
        (0, 0),
        |value, _, fuel| Ok(Value::list(elements(value, fuel)?)),
    ),
    entry("first", "x | first", "the first element, or null", "any", (0, 0), |value, _, fuel| {
        Ok(elements(value, fuel)?.first().cloned().unwrap_or_default())
    }),
    entry("last", "x | last", "the last element, or null", "any", (0, 0), |value, _, fuel| {
        Ok(elements(value, fuel)?.last().cloned().unwrap_or_default())
    }),
    entry("length", "x | length", "how many elements, keys or characters", "integer", (0, 0), length),
    entry("count", "x | count", "the same as length", "integer", (0, 0), length),
    Filter {
        named: &["attribute", "default"],
        takes_filter: true,
        ..entry(
            "map",
            "x | map(attribute='a.b')  or  x | map('filter')",
            "each element's attribute, or each element through a filter; an attribute that breaks off is a fault unless default= is given",
            "list",
            (0, 8),
            map,
        )
    },
    Filter {
        test_at: Some(0),
        ..entry(
            "select",
            "x | select('test', argument)",
            "the elements that pass the test; without a test those that count as true",
            "list",
            (0, 2),
            |value, given, fuel| choose(value, given, fuel, true),
        )
    },
    Filter {
        test_at: Some(0),
        ..entry(
            "reject",
            "x | reject('test', argument)",
            "the elements that do not pass",
            "list",
            (0, 2),
            |value, given, fuel| choose(value, given, fuel, false),
        )
    },
    Filter {
        test_at: Some(1),
        ..entry(
            "selectattr",
            "x | selectattr('a.b', 'test', argument)",
            "the elements whose attribute passes the test; without a test those whose attribute counts as true",
            "list",
            (1, 3),
            |value, given, fuel| choose_attribute(value, given, fuel, true),
        )
    },
    Filter {
        test_at: Some(1),
        ..entry(
            "rejectattr",
            "x | rejectattr('a.b', 'test', argument)",
            "the elements whose attribute does not pass",
            "list",
            (1, 3),
            |value, given, fuel| choose_attribute(value, given, fuel, false),
        )
    },
    Filter {
        named: &["attribute", "reverse"],
        ..entry(
            "sort",
            "x | sort(attribute='a', reverse=true)",
            "sorted; equal elements keep their order",
            "list",
            (0, 0),
            sort,
        )
    },
    entry("reverse", "x | reverse", "the other way round", "list", (0, 0), |value, _, fuel| {
        let mut items = elements(value, fuel)?;
        items.reverse();
        Ok(Value::list(items))
    }),
    entry("distinct", "x | distinct", "without repetitions, in order", "list", (0, 0), distinct),
    entry("unique", "x | unique", "the same as distinct", "list", (0, 0), distinct),
    entry(
        "flatten",
        "x | flatten",
        "a list of lists as one list; elements that are no lists stay",
        "list",
        (0, 0),
        |value, _, fuel| {
            let mut flat = Vec::new();
            for item in elements(value, fuel)? {
                match look(&item)? {
                    Value::List(inner) => flat.extend(inner.iter().cloned()),
                    _ => flat.push(item),
                }
            }
            bounded(flat, fuel)
        },
    ),
    entry(
        "merged",
        "x | merged",
        "a list of maps as one map; of equal keys the last one counts",
        "map",
        (0, 0),
        |value, _, fuel| {
            let mut pairs = Vec::new();
            for item in elements(value, fuel)? {
                match look(&item)? {
                    Value::Map(map) => pairs.extend(map.iter().cloned()),
                    Value::Null => {}
                    other => return Err(Trouble::says(format!("merges maps, not {}", other.kind()))),
                }
            }
            Ok(Value::Map(Map::from_pairs(pairs)))
        },
    ),
    entry("pick", "x | pick(['a', 'b'])", "the map with only these keys", "map", (1, 1), |value, given, fuel| {
        keep(value, given, fuel, true)
    }),
    entry("without", "x | without(['a', 'b'])", "the map without these keys", "map", (1, 1), |value, given, fuel| {
        keep(value, given, fuel, false)
    }),
    entry(
        "lookup_in",
        "key | lookup_in(map)",
        "the value of the key in the map, or null",
        "any",
        (1, 1),
        |value, given, _| match (given.at(0), value) {
            (Some(Value::Map(map)), Value::Str(key)) => Ok(map.get(key).cloned().unwrap_or_default()),
            (Some(Value::Map(map)), Value::Int(key)) => Ok(map.get(&key.to_string()).cloned().unwrap_or_default()),
            (Some(Value::Map(_)), _) => Ok(Value::Null),
            _ => Err(Trouble::says("looks up in a map")),
        },
    ),
    entry("items", "x | items", "a list of [key, value]", "list", (0, 0), |value, _, fuel| {
        let map = a_map(value)?;
        fuel.burn(map.len() as u64)?;
        Ok(Value::list(
            map.iter().map(|(key, value)| Value::list(vec![Value::Str(key.clone()), value.clone()])).collect(),
        ))
    }),
    entry("keys", "x | keys", "the keys of a map", "list", (0, 0), |value, _, _| {
        Ok(Value::list(a_map(value)?.keys().cloned().map(Value::Str).collect()))
    }),
    entry("values", "x | values", "the values of a map, by key", "list", (0, 0), |value, _, _| {
        Ok(Value::list(a_map(value)?.iter().map(|(_, value)| value.clone()).collect()))
    }),
    Filter {
        named: &["attribute"],
        ..entry("sum", "x | sum(attribute='a')", "the sum of numbers", "number", (0, 0), sum)
    },
    entry("min", "x | min", "the least element, or null", "any", (0, 0), |value, _, fuel| {
        Ok(looked(value, fuel)?.into_iter().min_by(Value::total_cmp).unwrap_or_default())
    }),
    entry("max", "x | max", "the greatest element, or null", "any", (0, 0), |value, _, fuel| {
        Ok(looked(value, fuel)?.into_iter().max_by(Value::total_cmp).unwrap_or_default())
    }),
    Filter {
        named: &["attribute"],
        ..entry("join", "x | join(', ', attribute='a')", "the elements joined as text", "text", (0, 1), join)
    },
    entry(
        "int",
        "x | int",
        "a whole number of a text or number; null stays null",
        "integer",
        (0, 1),
        |value, given, _| {
            Ok(match value {
                Value::Null => Value::Null,
                Value::Bool(flag) => Value::Int(i64::from(*flag)),
                Value::Int(_) => value.clone(),
                Value::Float(number) => Value::Int(*number as i64),
                Value::Str(text) => match (text.trim().parse::<i64>(), given.at(0)) {
                    (Ok(number), _) => Value::Int(number),
                    (Err(_), Some(other)) => other.clone(),
                    (Err(_), None) => return Err(Trouble::says(format!("`{text}` is no whole number"))),
                },
                other => {
                    return Err(Trouble::says(format!("makes whole numbers of text and numbers, not {}", other.kind())));
                }
            })
        },
    ),
    entry("float", "x | float", "a number of a text or number; null stays null", "number", (0, 0), |value, _, _| {
        Ok(match value {
            Value::Null => Value::Null,
            Value::Int(number) => Value::Float(*number as f64),
            Value::Float(_) => value.clone(),
            Value::Str(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return Err(Trouble::says(format!("`{text}` is no number"))),
            },
            other => return Err(Trouble::says(format!("makes numbers of text and numbers, not {}", other.kind()))),
        })
    }),
    entry(
        "string",
        "x | string",
        "the text form of a scalar, JSON of a list or map; null stays null",
        "text",
        (0, 0),
        |value, _, fuel| {
            Ok(match value {
                Value::Null => Value::Null,
                Value::List(_) | Value::Map(_) => {
                    let text = value.to_json();
                    fuel.burn(text.len() as u64 / 16)?;
                    Value::from(text)
                }
                scalar => Value::Str(text_of(scalar).ok_or_else(|| Trouble::says("has no text form"))?),
            })
        },
    ),
    entry(
        "bool",
        "x | bool",
        "whether the value counts as true; the texts `false`, `no`, `off`, `0` count as false",
        "bool",
        (0, 0),
        |value, _, _| {
            Ok(Value::Bool(match value {
                Value::Str(text) => {
                    !["", "false", "no", "off", "0", "none", "null"].contains(&text.to_ascii_lowercase().as_str())
                }
                other => truth(other),
            }))
        },
    ),
    entry("lower", "x | lower", "in lower case", "text", (0, 0), |value, _, _| {
        Ok(Value::from(a_text(value)?.to_lowercase()))
    }),
    entry("upper", "x | upper", "in upper case", "text", (0, 0), |value, _, _| {
        Ok(Value::from(a_text(value)?.to_uppercase()))
    }),
    entry("trim", "x | trim", "without white space at the ends", "text", (0, 0), |value, _, _| {
        Ok(Value::text(a_text(value)?.trim()))
    }),
    entry("replace", "x | replace('a', 'b')", "every a as b", "text", (2, 2), |value, given, fuel| {
        let text = a_text(value)?;
        let (from, to) = (given.text(0, "what is replaced")?, given.text(1, "the replacement")?);
        fuel.burn(text.len() as u64 * (1 + to.len() as u64) / 16)?;
        Ok(Value::from(text.replace(from, to)))
    }),
    entry(
        "split",
        "x | split(',')",
        "the parts between separators; without a separator the words",
        "list",
        (0, 1),
        |value, given, fuel| {
            let text = a_text(value)?;
            let parts: Vec<Value> = match given.at(0) {
                None => text.split_whitespace().map(Value::text).collect(),
                Some(_) => {
                    let separator = given.text(0, "the separator")?;
                    if separator.is_empty() {
                        return Err(Trouble::says("the separator is empty"));
                    }
                    text.split(separator).map(Value::text).collect()
                }
            };
            bounded(parts, fuel)
        },
    ),
    entry("lines", "x | lines", "the lines of a text", "list", (0, 0), |value, _, fuel| {
        bounded(a_text(value)?.lines().map(Value::text).collect(), fuel)
    }),
    entry(
        "strip_prefix",
        "x | strip_prefix('a')",
        "without the prefix; as it is where it has none",
        "text",
        (1, 1),
        |value, given, _| {
            let text = a_text(value)?;
            Ok(Value::text(text.strip_prefix(given.text(0, "the prefix")?).unwrap_or(text)))
        },
    ),
    entry(
        "strip_suffix",
        "x | strip_suffix('a')",
        "without the suffix; as it is where it has none",
        "text",
        (1, 1),
        |value, given, _| {
            let text = a_text(value)?;
            Ok(Value::text(text.strip_suffix(given.text(0, "the suffix")?).unwrap_or(text)))
        },
    ),
    entry(
        "regex_get",
        "x | regex_get('^(?<a>…)', 'a')",
        "what a group of the first match holds, or null; without a group the whole match",
        "text",
        (1, 2),
        regex_get,
    ),
    entry(
        "key_values",
        "x | key_values(',', '=')",
        "a map of `a=1, b=\"2\"`; quotes and white space around keys and values go",
        "map",
        (2, 2),
        |value, given, fuel| {
            let text = a_text(value)?;
            let (separator, equals) =
                (given.text(0, "the separator")?, given.text(1, "the sign between key and value")?);
            if separator.is_empty() || equals.is_empty() {
                return Err(Trouble::says("separators are not empty"));
            }
            fuel.burn(text.len() as u64)?;
            let bare = |part: &str| {
                let part = part.trim();
                let inner = part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                Value::text(inner.unwrap_or(part))
            };
            let pairs = text.split(separator).filter(|part| !part.trim().is_empty()).map(|part| {
                let (key, value) = part.split_once(equals).unwrap_or((part, ""));
                (Str::from(bare(key).as_str().unwrap_or_default()), bare(value))
            });
            Ok(Value::Map(Map::from_pairs(pairs.collect())))
        },
    ),
    entry(
        "snake_keys",
        "x | snake_keys",
        "all keys, at any depth, from camelCase to snake_case",
        "same",
        (0, 0),
        |value, _, fuel| snake_keys(value, fuel, 0),
    ),
    entry(
        "from_json",
        "x | from_json",
        "the value of a JSON text; null stays null",
        "any",
        (0, 0),
        |value, _, fuel| match value {
            Value::Null => Ok(Value::Null),
            Value::Str(text) => {
                fuel.burn(text.len() as u64 / 4)?;
                Value::from_json(text).map_err(|error| Trouble::says(format!("this is no JSON: {error}")))
            }
            other => Err(Trouble::says(format!("JSON is text, not {}", other.kind()))),
        },
    ),
    entry("tojson", "x | tojson", "the JSON text of a value, keys in order", "text", (0, 0), |value, _, fuel| {
        let text = value.to_json();
        fuel.burn(text.len() as u64 / 4)?;
        Ok(Value::from(text))
    }),
    entry("abs", "x | abs", "without its sign", "same", (0, 0), |value, _, _| match value {
        Value::Int(number) => {
            number.checked_abs().map(Value::Int).ok_or_else(|| Trouble::says("the number is too large"))
        }
        Value::Float(number) => Ok(Value::Float(number.abs())),
        other => Err(Trouble::says(format!("takes a number, not {}", other.kind()))),
    }),
    entry("round", "x | round", "to the nearest whole number", "integer", (0, 0), |value, _, _| match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Float(number) => Ok(Value::Int(number.round() as i64)),
        other => Err(Trouble::says(format!("takes a number, not {}", other.kind()))),
    }),
    entry(
        "cidr_of",
        "x | cidr_of",
        "the network `a.b.c.d/n` of an address with prefix length, or of a map with local and prefixlen",
        "text",
        (0, 0),
        network::cidr_of,
    ),
    entry("netmask", "x | netmask", "the dotted mask of a prefix length or network", "text", (0, 0), network::netmask),
    entry(
        "ip_in",
        "x | ip_in('10.0.0.0/8')",
        "whether the address lies in the network",
        "bool",
        (1, 1),
        network::ip_in,
    ),
    Filter {
        open_args: true,
        ..entry(
            "with_host",
            "url | with_host(h)",
            "the URL with another host, port kept; as it is when h is null or undefined",
            "text",
            (1, 1),
            network::with_host,
        )
    },
    entry(
        "timestamp",
        "x | timestamp",
        "seconds since 1970 of an RFC 3339 text or `YYYY-MM-DD HH:MM:SS` (UTC)",
        "number",
        (0, 0),
        network::timestamp,
    ),
    entry(
        "plus_secs",
        "x | plus_secs(n)",
        "the time, in seconds since 1970, n seconds later",
        "number",
        (1, 1),
        network::plus_secs,
    ),
];

fn elements(value: &Value, fuel: &mut Fuel) -> Result<Vec<Value>, Trouble> {
    let items = match value {
        Value::List(items) => {
            fuel.burn(items.len() as u64)?;
            return Ok(items.to_vec());
        }
        Value::Map(map) => map.keys().cloned().map(Value::Str).collect(),
        Value::Str(text) => text.chars().map(|character| Value::from(character.to_string())).collect(),
        Value::Null => return Err(Trouble::says("takes a list, not null; use `| default([])` or `| as_list`")),
        other => return Err(Trouble::says(format!("takes a list, not {}", other.kind()))),
    };
    fuel.burn(Vec::len(&items) as u64)?;
    Ok(items)
}

/// Elements that will be looked at: a failed one is a failure.
fn looked(value: &Value, fuel: &mut Fuel) -> Result<Vec<Value>, Trouble> {
    let items = elements(value, fuel)?;
    if items.iter().any(failed::is_marker) { Err(Trouble::Failed) } else { Ok(items) }
}

fn bounded(items: Vec<Value>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    if items.len() > MAX_LIST {
        return Err(Trouble::says("the list would be too long"));
    }
    fuel.burn(items.len() as u64)?;
    Ok(Value::list(items))
}

fn a_text(value: &Value) -> Result<&str, Trouble> {
    value.as_str().ok_or_else(|| Trouble::says(format!("takes a text, not {}", value.kind())))
}

fn a_map(value: &Value) -> Result<&Map, Trouble> {
    value.as_map().ok_or_else(|| Trouble::says(format!("takes a map, not {}", value.kind())))
}

fn length(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let n_elements = match value {
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        Value::Str(text) => text.chars().count(),
        other => return Err(Trouble::says(format!("{} has no length", other.kind()))),
    };
    Ok(Value::Int(n_elements as i64))
}

fn map(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let items = looked(value, fuel)?;
    if let Some(attribute) = given.named("attribute") {
        let attribute = a_text(attribute)?;
        let other = given.named("default");
        return items
            .iter()
            .map(|item| {
                path(item, attribute)
                    .or_else(|| other.cloned())
                    .ok_or_else(|| Trouble::says(format!("an element has no `{attribute}`; give default=")))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Value::list);
    }
    let entry = filter(given.text(0, "the filter")?).ok_or_else(|| Trouble::says("the filter is not known"))?;
    let rest = Given { positional: given.positional.get(1..).unwrap_or_default(), named: &[] };
    items.iter().map(|item| (entry.run)(item, &rest, fuel)).collect::<Result<Vec<_>, _>>().map(Value::list)
}

fn passes(value: Option<&Value>, name: &str, args: &[Value]) -> Result<bool, Trouble> {
    let entry = test(name).ok_or_else(|| Trouble::says(format!("no test is named `{name}`")))?;
    if value.is_none() && !entry.open {
        return Ok(false);
    }
    Ok((entry.run)(value, &args.iter().collect::<Vec<_>>())?)
}

fn choose(value: &Value, given: &Given<'_>, fuel: &mut Fuel, wanted: bool) -> Result<Value, Trouble> {
    let mut chosen = Vec::new();
    for item in elements(value, fuel)? {
        // Dropping nulls looks at no element: what is not known stays in the list.
        let opaque = failed::is_marker(&item);
        let holds = match given.at(0) {
            Some(Value::Str(name)) if opaque && !wanted && name.as_ref() == "none" => false,
            _ if opaque => return Err(Trouble::Failed),
            None => truth(&item),
            Some(_) => passes(Some(&item), given.text(0, "the test")?, given.positional.get(1..).unwrap_or_default())?,
        };
        if holds == wanted {
            chosen.push(item);
        }
    }
    Ok(Value::list(chosen))
}

fn choose_attribute(value: &Value, given: &Given<'_>, fuel: &mut Fuel, wanted: bool) -> Result<Value, Trouble> {
    let attribute = given.text(0, "the attribute")?;
    let mut chosen = Vec::new();
    for item in looked(value, fuel)? {
        let found = path(&item, attribute);
        let holds = match given.at(1) {
            None => found.as_ref().is_some_and(truth),
            Some(_) => {
                passes(found.as_ref(), given.text(1, "the test")?, given.positional.get(2..).unwrap_or_default())?
            }
        };
        if holds == wanted {
            chosen.push(item);
        }
    }
    Ok(Value::list(chosen))
}

fn sort(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let mut items = looked(value, fuel)?;
    fuel.burn(items.len() as u64 * 4)?;
    match given.named("attribute") {
        Some(attribute) => {
            let attribute = a_text(attribute)?;
            items.sort_by_cached_key(|item| Ordered(path(item, attribute).unwrap_or_default()));
        }
        None => items.sort_by(Value::total_cmp),
    }
    if given.named("reverse").is_some_and(truth) {
        items.reverse();
    }
    Ok(Value::list(items))
}

#[derive(PartialEq)]
struct Ordered(Value);
impl Eq for Ordered {}
impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn distinct(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let mut seen = std::collections::BTreeSet::new();
    let items = looked(value, fuel)?;
    Ok(Value::list(items.into_iter().filter(|item| seen.insert(Ordered(item.clone()))).collect()))
}

fn keep(value: &Value, given: &Given<'_>, _: &mut Fuel, wanted: bool) -> Result<Value, Trouble> {
    let keys = given.at(0).and_then(Value::as_list).ok_or_else(|| Trouble::says("takes a list of keys"))?;
    let named = |key: &Str| keys.iter().any(|wanted| wanted.as_str() == Some(key.as_ref()));
    Ok(Value::Map(Map::from_pairs(a_map(value)?.iter().filter(|(key, _)| named(key) == wanted).cloned().collect())))
}

fn sum(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let (mut whole, mut real, mut exact) = (0i64, 0f64, true);
    for item in looked(value, fuel)? {
        let number = match given.named("attribute") {
            Some(attribute) => path(&item, a_text(attribute)?).unwrap_or_default(),
            None => item,
        };
        match number {
            Value::Int(number) => {
                whole = whole.checked_add(number).ok_or_else(|| Trouble::says("the sum is too large"))?;
                real += number as f64;
            }
            Value::Float(number) => {
                exact = false;
                real += number;
            }
            other => return Err(Trouble::says(format!("adds numbers, not {}", other.kind()))),
        }
    }
    Ok(if exact { Value::Int(whole) } else { Value::Float(real) })
}

fn join(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let separator = if given.at(0).is_some() { given.text(0, "the separator")? } else { "" };
    let mut text = String::new();
    for (number, item) in looked(value, fuel)?.into_iter().enumerate() {
        if number > 0 {
            text.push_str(separator);
        }
        let item = match given.named("attribute") {
            Some(attribute) => path(&item, a_text(attribute)?).unwrap_or_default(),
            None => item,
        };
        join_text(&mut text, &item)?;
    }
    fuel.burn(text.len() as u64 / 16)?;
    Ok(Value::from(text))
}

static PATTERNS: LazyLock<Mutex<BTreeMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);

fn regex_get(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Result<Value, Trouble> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        other => a_text(other)?,
    };
    let pattern = given.text(0, "the pattern")?;
    fuel.burn(text.len() as u64 / 4)?;
    let known = PATTERNS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(pattern).cloned();
    let regex = match known {
        Some(regex) => regex,
        None => {
            let regex = Arc::new(Regex::new(pattern).map_err(|_| Trouble::says(format!("`{pattern}` is no pattern")))?);
            let mut patterns = PATTERNS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if patterns.len() >= 1000 {
                patterns.clear();
            }
            patterns.insert(pattern.to_owned(), Arc::clone(&regex));
            regex
        }
    };
    let Some(found) = regex.captures(text) else { return Ok(Value::Null) };
    let part = match given.at(1) {
        None => found.get(0),
        Some(Value::Int(group)) => usize::try_from(*group).ok().and_then(|group| found.get(group)),
        Some(Value::Str(group)) => found.name(group),
        Some(other) => return Err(Trouble::says(format!("a group is a name or a number, not {}", other.kind()))),
    };
    Ok(part.map_or(Value::Null, |part| Value::text(part.as_str())))
}

fn snake_keys(value: &Value, fuel: &mut Fuel, depth: usize) -> Result<Value, Trouble> {
    fuel.burn(1)?;
    if depth > 128 {
        return Err(Trouble::says("the value is nested too deeply"));
    }
    Ok(match value {
        Value::Map(map) => Value::Map(Map::from_pairs(
            map.iter()
                .map(|(key, value)| Ok((snake(key), snake_keys(value, fuel, depth + 1)?)))
                .collect::<Result<Vec<_>, Trouble>>()?,
        )),
        Value::List(items) => Value::list(
            items.iter().map(|item| snake_keys(item, fuel, depth + 1)).collect::<Result<Vec<_>, Trouble>>()?,
        ),
        other => other.clone(),
    })
}

fn snake(key: &str) -> Str {
    let characters: Vec<char> = key.chars().collect();
    let mut out = String::new();
    for (place, character) in characters.iter().enumerate() {
        if character.is_uppercase() {
            let after_small = place > 0
                && characters.get(place - 1).is_some_and(|before| before.is_lowercase() || before.is_numeric());
            let before_small = place > 0
                && characters.get(place - 1).is_some_and(|before| before.is_uppercase())
                && characters.get(place + 1).is_some_and(|after| after.is_lowercase());
            if after_small || before_small {
                out.push('_');
            }
            out.extend(character.to_lowercase());
        } else {
            out.push(*character);
        }
    }
    out.into()
}
