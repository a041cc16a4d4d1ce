//! Values as JSON, in both directions.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _},
};

use super::{Map, Str, Value};

/// A value from a text in which no map has a key twice; [`Value`] itself takes the last of equal keys.
#[derive(Clone, Debug)]
pub struct DistinctKeys(pub Value);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(flag) => out.serialize_bool(*flag),
            Self::Int(number) => out.serialize_i64(*number),
            Self::Float(number) => out.serialize_f64(*number),
            Self::Str(text) => out.serialize_str(text),
            Self::List(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(map) => map.serialize(out),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.len()))?;
        for (key, value) in self {
            map.serialize_entry(key.as_ref(), value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyValue::<false>).map(|Read(value)| value)
    }
}

impl<'de> Deserialize<'de> for DistinctKeys {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyValue::<true>).map(|Read(value)| Self(value))
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Value::deserialize(input)? {
            Value::Map(map) => Ok(map),
            other => Err(D::Error::custom(format!("expected a map, found {}", other.kind()))),
        }
    }
}

/// A value that was read; with `DISTINCT`, none of its maps had a key twice.
struct Read<const DISTINCT: bool>(Value);

impl<'de, const DISTINCT: bool> Deserialize<'de> for Read<DISTINCT> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyValue::<DISTINCT>)
    }
}

struct AnyValue<const DISTINCT: bool>;

impl<'de, const DISTINCT: bool> Visitor<'de> for AnyValue<DISTINCT> {
    type Value = Read<DISTINCT>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Read(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Read(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Read(Value::Bool(flag)))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Read(Value::Int(number)))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Read(Value::from_u64(number)))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Read(Value::Float(number)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Read(Value::text(text)))
    }
    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Read(Value::Str(text.into())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(1024));
        while let Some(Read(item)) = items.next_element::<Read<DISTINCT>>()? {
            list.push(item);
        }
        Ok(Read(Value::list(list)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(Str, Value)> = Vec::new();
        while let Some((key, Read(value))) = entries.next_entry::<String, Read<DISTINCT>>()? {
            pairs.push((key.into(), value));
        }
        let map = if DISTINCT {
            Map::from_distinct(pairs).map_err(|key| A::Error::custom(format_args!("the key `{key}` is repeated")))?
        } else {
            Map::from_pairs(pairs)
        };
        Ok(Read(Value::Map(map)))
    }
}
