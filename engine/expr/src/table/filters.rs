//! The table of filters.

use super::{Filter, Given, Takes, Yields, encodings, lists, network, texts, time, values};
use crate::{error::OpError, fuel::Fuel};
use calipso_model::Value;

type Run = fn(&Value, &Given<'_>, &mut Fuel) -> Result<Value, OpError>;

const fn entry(
    (name, usage): (&'static str, &'static str),
    does: &'static str,
    (takes, yields): (Takes, Yields),
    args: (usize, usize),
    run: Run,
) -> Filter {
    Filter {
        name,
        usage,
        does,
        takes,
        yields,
        args,
        named: &[],
        takes_filter: false,
        test_at: None,
        open_arg: false,
        run,
    }
}

/// Every filter, in the order of the reference.
pub static ALL: &[Filter] = &[
    entry(
        ("default", "x | default(y)"),
        "x where its path does not break off, else y; y is null when left out. Null stays null. Also written `d`",
        (Takes::Any, Yields::Default),
        (0, 1),
        |value, _, _| Ok(value.clone()),
    ),
    // Lists.
    entry(
        ("as_list", "x | as_list"),
        "null as the empty list, a list as it is, anything else as a list of one",
        (Takes::Any, Yields::AsList),
        (0, 0),
        lists::as_list,
    ),
    entry(
        ("list", "x | list"),
        "the elements of a list, the keys of a map, the characters of a text",
        (Takes::List, Yields::Elements),
        (0, 0),
        lists::list,
    ),
    entry(("first", "x | first"), "the first element, or null", (Takes::List, Yields::Element), (0, 0), lists::first),
    entry(("last", "x | last"), "the last element, or null", (Takes::List, Yields::Element), (0, 0), lists::last),
    entry(
        ("length", "x | length"),
        "how many elements, keys or characters",
        (Takes::List, Yields::Int),
        (0, 0),
        lists::length,
    ),
    entry(("count", "x | count"), "the same as `length`", (Takes::List, Yields::Int), (0, 0), lists::length),
    Filter {
        named: &["attribute", "default"],
        takes_filter: true,
        ..entry(
            ("map", "x | map(attribute='a.b', default=y)  or  x | map('filter', argument)"),
            "each element's attribute, or each element through a filter; an attribute that breaks off is a fault unless `default=` is given",
            (Takes::List, Yields::Mapped),
            (0, 4),
            lists::map,
        )
    },
    Filter {
        test_at: Some(0),
        ..entry(
            ("select", "x | select('test', argument)"),
            "the elements that pass the test; without a test those that count as true",
            (Takes::List, Yields::Elements),
            (0, 2),
            lists::select,
        )
    },
    Filter {
        test_at: Some(0),
        ..entry(
            ("reject", "x | reject('test', argument)"),
            "the elements that do not pass the test",
            (Takes::List, Yields::Elements),
            (0, 2),
            lists::reject,
        )
    },
    Filter {
        test_at: Some(1),
        ..entry(
            ("selectattr", "x | selectattr('a.b', 'test', argument)"),
            "the elements whose attribute passes the test; without a test those whose attribute counts as true",
            (Takes::Maps, Yields::Elements),
            (1, 3),
            lists::selectattr,
        )
    },
    Filter {
        test_at: Some(1),
        ..entry(
            ("rejectattr", "x | rejectattr('a.b', 'test', argument)"),
            "the elements whose attribute does not pass the test; one without the attribute stays",
            (Takes::Maps, Yields::Elements),
            (1, 3),
            lists::rejectattr,
        )
    },
    Filter {
        named: &["attribute", "reverse", "case_sensitive"],
        ..entry(
            ("sort", "x | sort(attribute='a', reverse=true, case_sensitive=false)"),
            "sorted by kind, then value; equal elements keep their order; an element without the attribute sorts as null",
            (Takes::List, Yields::Elements),
            (0, 0),
            lists::sort,
        )
    },
    entry(("reverse", "x | reverse"), "the other way round", (Takes::List, Yields::Elements), (0, 0), lists::reverse),
    entry(
        ("distinct", "x | distinct"),
        "without repetitions, in order",
        (Takes::List, Yields::Elements),
        (0, 0),
        lists::distinct,
    ),
    entry(("unique", "x | unique"), "the same as `distinct`", (Takes::List, Yields::Elements), (0, 0), lists::distinct),
    entry(
        ("flatten", "x | flatten"),
        "a list of lists as one list; elements that are no lists stay",
        (Takes::List, Yields::Flattened),
        (0, 0),
        lists::flatten,
    ),
    entry(
        ("merged", "x | merged"),
        "a list of maps as one map; of equal keys the last one counts; null elements are left out",
        (Takes::Maps, Yields::Map),
        (0, 0),
        lists::merged,
    ),
    entry(("min", "x | min"), "the least element, or null", (Takes::List, Yields::Element), (0, 0), lists::min),
    entry(("max", "x | max"), "the greatest element, or null", (Takes::List, Yields::Element), (0, 0), lists::max),
    Filter {
        named: &["attribute"],
        ..entry(
            ("sum", "x | sum(attribute='a')"),
            "the sum of the numbers",
            (Takes::List, Yields::Number),
            (0, 0),
            lists::sum,
        )
    },
    Filter {
        named: &["attribute"],
        ..entry(
            ("join", "x | join(', ', attribute='a')"),
            "the elements joined as text",
            (Takes::List, Yields::Text),
            (0, 1),
            lists::join,
        )
    },
    // Maps.
    entry(
        ("pick", "x | pick(['a', 'b'])"),
        "the map with only these keys, as far as it has them",
        (Takes::Map, Yields::Map),
        (1, 1),
        values::pick,
    ),
    entry(
        ("without", "x | without(['a', 'b'])"),
        "the map without these keys",
        (Takes::Map, Yields::Map),
        (1, 1),
        values::without,
    ),
    entry(
        ("lookup_in", "key | lookup_in(map)"),
        "the value of the key in the map, or null",
        (Takes::Any, Yields::Any),
        (1, 1),
        values::lookup_in,
    ),
    entry(("items", "x | items"), "a list of [key, value]", (Takes::Map, Yields::List), (0, 0), values::items),
    entry(("keys", "x | keys"), "the keys, in order", (Takes::Map, Yields::Texts), (0, 0), values::keys),
    entry(
        ("values", "x | values"),
        "the values, in the order of the keys",
        (Takes::Map, Yields::List),
        (0, 0),
        values::values,
    ),
    entry(
        ("snake_keys", "x | snake_keys"),
        "all keys, at any depth, from camelCase to snake_case",
        (Takes::Any, Yields::Same),
        (0, 0),
        values::snake_keys,
    ),
    // From one type to another.
    entry(
        ("string", "x | string"),
        "the text form of a scalar, the JSON text of a list or map; null stays null",
        (Takes::Any, Yields::Text),
        (0, 0),
        values::string,
    ),
    Filter {
        named: &["base"],
        ..entry(
            ("int", "x | int(y, base=16)"),
            "the whole number of a text or number, cut towards zero; y where the text is no number, else that is a fault; null stays null. `base` (2 to 36) reads digits of that base, with or without 0x, 0o, 0b; base=0 goes by that prefix",
            (Takes::Scalar, Yields::Int),
            (0, 1),
            values::int,
        )
    },
    entry(
        ("float", "x | float(y)"),
        "the number of a text or number; y where the text is no number, else that is a fault; null stays null",
        (Takes::Scalar, Yields::Number),
        (0, 1),
        values::float,
    ),
    entry(
        ("bool", "x | bool"),
        "whether the value counts as true; of texts also `false`, `no`, `off`, `0`, `none` and `null` count as false",
        (Takes::Any, Yields::Bool),
        (0, 0),
        values::boolean,
    ),
    entry(("abs", "x | abs"), "without its sign", (Takes::Number, Yields::Same), (0, 0), values::abs),
    entry(
        ("round", "x | round(n)"),
        "to the nearest whole number, or to n decimals",
        (Takes::Number, Yields::Number),
        (0, 1),
        values::round,
    ),
    entry(
        ("from_json", "x | from_json"),
        "the value of a JSON text; null stays null",
        (Takes::TextOrNull, Yields::Any),
        (0, 0),
        values::from_json,
    ),
    entry(
        ("tojson", "x | tojson"),
        "the JSON text of a value, keys in order",
        (Takes::Any, Yields::Text),
        (0, 0),
        values::tojson,
    ),
    // Encodings.
    entry(
        ("base64_encode", "x | base64_encode"),
        "the base64 of a text, with padding",
        (Takes::Text, Yields::Text),
        (0, 0),
        encodings::base64_encode,
    ),
    entry(
        ("base64_decode", "x | base64_decode"),
        "the text of a base64 (ordinary or URL alphabet, padding and line breaks optional); a fault where it is none, or no UTF-8",
        (Takes::Text, Yields::Text),
        (0, 0),
        encodings::base64_decode,
    ),
    entry(
        ("hex", "x | hex(n)"),
        "a whole number in hexadecimal digits, lower case, without prefix, with leading zeros up to n digits",
        (Takes::Number, Yields::Text),
        (0, 1),
        encodings::hex,
    ),
    entry(
        ("hex_encode", "x | hex_encode"),
        "the bytes of a text (UTF-8), two hexadecimal digits each",
        (Takes::Text, Yields::Text),
        (0, 0),
        encodings::hex_encode,
    ),
    entry(
        ("hex_decode", "x | hex_decode"),
        "the text whose bytes (UTF-8) the hexadecimal digits are; colons, spaces and 0x are passed over",
        (Takes::Text, Yields::Text),
        (0, 0),
        encodings::hex_decode,
    ),
    entry(
        ("pad", "x | pad(n, '0')"),
        "the text form, at least n characters long, filled from the left with zeros or the given character; the sign of a number stays in front",
        (Takes::Scalar, Yields::Text),
        (1, 2),
        encodings::pad,
    ),
    entry(
        ("link_relations", "x | link_relations"),
        "the map from relation to URL of a `Link` header (RFC 8288), such as `{next: …, last: …}`; null and empty text give the empty map",
        (Takes::TextOrNull, Yields::Map),
        (0, 0),
        encodings::link_relations,
    ),
    // Text.
    entry(("lower", "x | lower"), "in lower case", (Takes::Text, Yields::Text), (0, 0), texts::lower),
    entry(("upper", "x | upper"), "in upper case", (Takes::Text, Yields::Text), (0, 0), texts::upper),
    entry(("trim", "x | trim"), "without white space at the ends", (Takes::Text, Yields::Text), (0, 0), texts::trim),
    entry(("replace", "x | replace('a', 'b')"), "every a as b", (Takes::Text, Yields::Text), (2, 2), texts::replace),
    entry(
        ("split", "x | split(',', n)"),
        "the parts between separators, at most n cuts; without a separator the words",
        (Takes::Text, Yields::Texts),
        (0, 2),
        texts::split,
    ),
    entry(("lines", "x | lines"), "the lines of a text", (Takes::Text, Yields::Texts), (0, 0), texts::lines),
    entry(
        ("strip_prefix", "x | strip_prefix('a')"),
        "without the prefix; as it is where it has none",
        (Takes::Text, Yields::Text),
        (1, 1),
        texts::strip_prefix,
    ),
    entry(
        ("strip_suffix", "x | strip_suffix('a')"),
        "without the suffix; as it is where it has none",
        (Takes::Text, Yields::Text),
        (1, 1),
        texts::strip_suffix,
    ),
    entry(
        ("regex_get", "x | regex_get('^(?<a>[a-z]+)', 'a')"),
        "what a group (name or number) of the first match holds, or null; without a group the whole match; null stays null. No look-around",
        (Takes::TextOrNull, Yields::Any),
        (1, 2),
        texts::regex_get,
    ),
    entry(
        ("key_values", "x | key_values(',', '=')"),
        "the map of `a=1, b=\"2\"`: parts at the first separator, equals at the second, neither inside quotes; quotes and white space around keys and values go; of equal keys the last one counts",
        (Takes::Text, Yields::Map),
        (2, 2),
        texts::key_values,
    ),
    // Addresses.
    entry(
        ("cidr_of", "x | cidr_of"),
        "the network, as text with prefix length, of `a.b.c.d/n` or of a map with `local` and `prefixlen`; IPv6 likewise",
        (Takes::Address, Yields::Text),
        (0, 0),
        network::cidr_of,
    ),
    entry(
        ("netmask", "x | netmask"),
        "the dotted mask of an IPv4 prefix length or network",
        (Takes::Prefix, Yields::Text),
        (0, 0),
        network::netmask,
    ),
    entry(
        ("ip_in", "x | ip_in('10.0.0.0/8')"),
        "whether the address lies in the network",
        (Takes::Text, Yields::Bool),
        (1, 1),
        network::ip_in,
    ),
    Filter {
        open_arg: true,
        ..entry(
            ("with_host", "url | with_host(h)"),
            "the URL with another host, port and path kept; as it is when h is null or undefined",
            (Takes::Text, Yields::Text),
            (1, 1),
            network::with_host,
        )
    },
    // Time.
    entry(
        ("timestamp", "x | timestamp"),
        "seconds since 1970 of an RFC 3339 text, or of `YYYY-MM-DD HH:MM:SS` in UTC",
        (Takes::Time, Yields::Number),
        (0, 0),
        time::timestamp,
    ),
    entry(
        ("plus_secs", "x | plus_secs(n)"),
        "the time n seconds later, in seconds since 1970; x is such a number or a text as for `timestamp`",
        (Takes::Time, Yields::Number),
        (1, 1),
        time::plus_secs,
    ),
];
