//! What each filter, test and function does, and that the table of them is complete.

use crate::common::check;
use calipso_expr::{filters, functions, tests};

const VARS: &str = r#"{"a": 5, "t": "tap12", "n": null, "l": [3, 1, 2, 3], "words": ["b", "A", "c"], "url": "http://1.2.3.4:5000/v3",
  "m": {"x": {"y": "deep"}, "b c": 1, "list": [{"k": "v", "n": 1, "in": {"z": "p"}}, {"k": "w", "n": 2, "in": {"z": "q"}}]},
  "net": {"local": "10.1.2.3", "prefixlen": 24}, "net6": {"local": "fe80::1:2", "prefixlen": "64"}}"#;

#[test]
fn encodings() {
    check(
        VARS,
        &[
            ("'user:pass word' | base64_encode", "\"dXNlcjpwYXNzIHdvcmQ=\""),
            ("'äö' | base64_encode", "\"w6TDtg==\""),
            ("'' | base64_encode", "\"\""),
            ("a | base64_encode", "! `base64_encode`: takes text, not integer"),
            ("'dXNlcjpwYXNzIHdvcmQ=' | base64_decode", "\"user:pass word\""),
            ("'w6TDtg' | base64_decode", "\"äö\""),
            ("'Pz8_Pj4-' | base64_decode", "\"???>>>\""),
            ("'dXNl\\ncjpw' | base64_decode", "\"user:p\""),
            ("'se cret!' | base64_decode", "! `base64_decode`: the text is no base64"),
            ("'/w==' | base64_decode", "! `base64_decode`: what the base64 holds is no UTF-8 text"),
            ("255 | hex", "\"ff\""),
            ("255 | hex(4)", "\"00ff\""),
            ("-255 | hex", "\"-ff\""),
            ("'12' | int | hex(8)", "\"0000000c\""),
            ("t | hex", "! `hex`: takes a whole number, not text; use `| int` before"),
            ("a | hex(99999)", "! `hex`: the width is a whole number from 0 to 1000"),
            ("'aä' | hex_encode", "\"61c3a4\""),
            ("'61:C3 a4' | hex_decode", "\"aä\""),
            ("'0x61' | hex_decode", "\"a\""),
            ("'abc' | hex_decode", "! `hex_decode`: the text is no pairs of hexadecimal digits"),
            ("'ff' | hex_decode", "! `hex_decode`: what the digits hold is no UTF-8 text"),
            ("'0x1f' | int(base=16)", "31"),
            ("'1f' | int(base=16)", "31"),
            ("'-0X1F' | int(base=0)", "-31"),
            ("'0b101' | int(base=0)", "5"),
            ("'0o17' | int(base=0)", "15"),
            ("'17' | int(base=0)", "17"),
            ("'zz' | int(7, base=16)", "7"),
            ("'--1' | int(base=16)", "! `int`: `--1` is no whole number of this base"),
            ("'1' | int(base=1)", "! `int`: `base` is 0 or a whole number from 2 to 36"),
            ("n | int(base=16)", "null"),
            ("a | pad(3)", "\"005\""),
            ("-5 | pad(3)", "\"-05\""),
            ("t | pad(7, '.')", "\"..tap12\""),
            ("t | pad(2)", "\"tap12\""),
            ("n | pad(2)", "null"),
            ("t | pad(9, 'ab')", "! `pad`: what is filled with is one character"),
            (
                "'<http://a/x?p=2,3>; rel=\"next last\"; title=\"a, b; c\", </y>;rel=prev' | link_relations",
                r#"{"last":"http://a/x?p=2,3","next":"http://a/x?p=2,3","prev":"/y"}"#,
            ),
            ("n | link_relations", "{}"),
            ("'nothing' | link_relations", "{}"),
        ],
    );
}

#[test]
fn lists() {
    check(
        VARS,
        &[
            ("n | as_list", "[]"),
            ("a | as_list", "[5]"),
            ("l | as_list", "[3,1,2,3]"),
            ("m.x | as_list", r#"[{"y":"deep"}]"#),
            ("t | list", r#"["t","a","p","1","2"]"#),
            ("m | list", r#"["b c","list","x"]"#),
            ("n | list", "! `list`: takes a list, not null; use `| default([])` or `| as_list`"),
            ("a | list", "! `list`: takes a list, not integer"),
            ("l | first", "3"),
            ("l | last", "3"),
            ("[] | first", "null"),
            ("[] | last", "null"),
            ("m | first", "\"b c\""),
            ("'äb' | first", "\"ä\""),
            ("l | length", "4"),
            ("'äb' | count", "2"),
            ("m | length", "3"),
            ("n | length", "! `length`: null has no length"),
            ("m.list | map(attribute='k')", r#"["v","w"]"#),
            ("m.list | map(attribute='in.z')", r#"["p","q"]"#),
            ("[[1, 2], [3, 4]] | map(attribute='1')", "[2,4]"),
            ("m.list | map(attribute='z')", "! `map`: an element has no `z`; give `default=` if that may be"),
            ("m.list | map(attribute='z', default=0)", "[0,0]"),
            ("['1', '2'] | map('int')", "[1,2]"),
            ("['ab', 'cb'] | map('replace', 'b', 'x')", r#"["ax","cx"]"#),
            ("['x', 'q'] | map('lookup_in', m)", r#"[{"y":"deep"},null]"#),
            ("['p1', 'x'] | map('regex_get', '[0-9]')", "[\"1\",null]"),
            ("[n] | map('default', 1)", "[null]"),
            ("[1, 0, n, ''] | select", "[1]"),
            ("[1, 0, n, ''] | reject", "[0,null,\"\"]"),
            ("[1, n] | reject('none')", "[1]"),
            ("l | select('gt', 1)", "[3,2,3]"),
            ("l | reject('in', [3])", "[1,2]"),
            ("l | select('odd')", "[3,1,3]"),
            ("m.list | selectattr('n', 'gt', 1) | map(attribute='k')", "[\"w\"]"),
            ("m.list | selectattr('in.z', 'equalto', 'p') | length", "1"),
            ("m.list | selectattr('zz') | length", "0"),
            ("m.list | selectattr('zz', 'eq', 1) | length", "0"),
            ("m.list | selectattr('zz', 'undefined') | length", "2"),
            ("m.list | rejectattr('zz', 'eq', 1) | length", "2"),
            ("m.list | rejectattr('k', 'startingwith', 'v') | length", "1"),
            ("l | sort", "[1,2,3,3]"),
            ("l | sort(reverse=true)", "[3,3,2,1]"),
            ("words | sort", r#"["A","b","c"]"#),
            ("['b', 'A', 'B', 'a'] | sort(case_sensitive=false)", r#"["A","a","b","B"]"#),
            ("[2, 'x', n, [1]] | sort", "[null,2,\"x\",[1]]"),
            ("m.list | sort(attribute='n', reverse=true) | map(attribute='n')", "[2,1]"),
            ("[{'a': 1, 'b': 1}, {'a': 1, 'b': 2}] | sort(attribute='a', reverse=true) | map(attribute='b')", "[1,2]"),
            ("m.list | sort(attribute='zz') | map(attribute='k')", r#"["v","w"]"#),
            ("l | sort(reverse=1)", "! `sort`: `reverse` must be true or false, not integer"),
            ("l | reverse", "[3,2,1,3]"),
            ("l | distinct", "[3,1,2]"),
            ("[1, 1.0, '1', [2], [2]] | unique", "[1,\"1\",[2]]"),
            ("[[1], [2, 3], 4, []] | flatten", "[1,2,3,4]"),
            ("[{'a': 1}, n, {'a': 2, 'b': 3}] | merged", r#"{"a":2,"b":3}"#),
            ("[] | merged", "{}"),
            ("[1] | merged", "! `merged`: merges maps, not integer"),
            ("l | min", "1"),
            ("l | max", "3"),
            ("[] | min", "null"),
            ("l | sum", "9"),
            ("[1, 0.5] | sum", "1.5"),
            ("m.list | sum(attribute='n')", "3"),
            ("['x'] | sum", "! `sum`: adds numbers, not text"),
            ("words | join(', ')", "\"b, A, c\""),
            ("l | join", "\"3123\""),
            ("m.list | join('+', attribute='k')", "\"v+w\""),
            ("[n] | join", "! `join`: null cannot be joined…"),
        ],
    );
}

#[test]
fn maps_and_types() {
    check(
        VARS,
        &[
            ("m | pick(['x', 'zz'])", r#"{"x":{"y":"deep"}}"#),
            ("m | without(['x', 'list'])", r#"{"b c":1}"#),
            ("m | pick('x')", "! `pick`: takes a list of keys"),
            ("a | without([])", "! `without`: takes a map, not integer"),
            ("'x' | lookup_in(m)", r#"{"y":"deep"}"#),
            ("'zz' | lookup_in(m)", "null"),
            ("n | lookup_in(m)", "null"),
            ("7 | lookup_in({'7': 'x'})", "\"x\""),
            ("'x' | lookup_in(l)", "! `lookup_in`: looks up in a map, not list"),
            ("m.x | items", r#"[["y","deep"]]"#),
            ("m | keys", r#"["b c","list","x"]"#),
            ("m.x | values", "[\"deep\"]"),
            (
                "{'fooBar': {'HTTPPort': [{'aB1C': 1}]}, 'x_y': 2} | snake_keys",
                r#"{"foo_bar":{"http_port":[{"a_b1_c":1}]},"x_y":2}"#,
            ),
            ("5 | string", "\"5\""),
            ("0.5 | string", "\"0.5\""),
            ("true | string", "\"true\""),
            ("n | string", "null"),
            ("[1, {'a': n}] | string", r#""[1,{\"a\":null}]""#),
            ("' 12 ' | int", "12"),
            ("'1.9' | int", "1"),
            ("-1.9 | int", "-1"),
            ("true | int", "1"),
            ("n | int", "null"),
            ("'x' | int", "! `int`: `x` is no whole number"),
            ("'x' | int(0)", "0"),
            ("1e300 | int", "! `int`: the number is too large"),
            ("[] | int", "! `int`: takes text or a number, not list"),
            ("'2.5' | float", "2.5"),
            ("2 | float", "2.0"),
            ("'inf' | float", "! `float`: `inf` is no number"),
            ("'x' | float(none)", "null"),
            ("'No' | bool", "false"),
            ("'yes' | bool", "true"),
            ("l | bool", "true"),
            ("-3 | abs", "3"),
            ("-2.5 | abs", "2.5"),
            ("t | abs", "! `abs`: takes a number, not text"),
            ("2.5 | round", "3"),
            ("2.345 | round(2)", "2.35"),
            ("2 | round", "2"),
            ("'[1, {\"a\": null}]' | from_json", r#"[1,{"a":null}]"#),
            ("n | from_json", "null"),
            ("'{' | from_json", "! `from_json`: this is no JSON: …"),
            ("{'b': [1], 'a': 'x'} | tojson", r#""{\"a\":\"x\",\"b\":[1]}""#),
        ],
    );
}

#[test]
fn texts() {
    check(
        VARS,
        &[
            ("'ÄB' | lower", "\"äb\""),
            ("'ab' | upper", "\"AB\""),
            ("'  x\n' | trim", "\"x\""),
            ("a | lower", "! `lower`: takes text, not integer"),
            ("t | replace('a', 'oo')", "\"toop12\""),
            ("t | replace('', 'x')", "! `replace`: what is replaced is not empty"),
            ("'a,b,,c' | split(',')", r#"["a","b","","c"]"#),
            ("'a,b,c' | split(',', 1)", r#"["a","b,c"]"#),
            ("' a  b ' | split", r#"["a","b"]"#),
            ("t | split('')", "! `split`: the separator is not empty"),
            ("'a\nb' | lines", r#"["a","b"]"#),
            ("t | strip_prefix('tap')", "\"12\""),
            ("t | strip_prefix('x')", "\"tap12\""),
            ("t | strip_suffix('12')", "\"tap\""),
            ("t | strip_prefix(a)", "! `strip_prefix`: the prefix must be text, not integer"),
            ("t | regex_get('^(?<p>[a-z]+)', 'p')", "\"tap\""),
            ("t | regex_get('^(?P<p>[a-z]+)([0-9])', 2)", "\"1\""),
            ("t | regex_get('[0-9]+')", "\"12\""),
            ("t | regex_get('zz', 0)", "null"),
            ("t | regex_get('(?<q>z)?', 'q')", "null"),
            ("n | regex_get('x')", "null"),
            ("t | regex_get('[0-' ~ '9]')", "\"1\""),
            ("t | regex_get('(' ~ '')", "! `regex_get`: `(` is no regular expression"),
            ("'a=1, b=\"x y\", c' | key_values(',', '=')", r#"{"a":"1","b":"x y","c":""}"#),
            ("'a=\"1,2\",b=\\'x=y\\'' | key_values(',', '=')", r#"{"a":"1,2","b":"x=y"}"#),
            ("'a=it\\'s,b=that\\'s' | key_values(',', '=')", r#"{"a":"it's","b":"that's"}"#),
            ("'a=\"open,b=2' | key_values(',', '=')", r#"{"a":"\"open","b":"2"}"#),
            ("'a: 1; b: 2; ' | key_values(';', ':')", r#"{"a":"1","b":"2"}"#),
            ("'a=b=c' | key_values(',', '=')", r#"{"a":"b=c"}"#),
            ("'' | key_values(',', '=')", "{}"),
            ("t | key_values('', '=')", "! `key_values`: the separators are not empty"),
        ],
    );
}

#[test]
fn addresses_and_times() {
    check(
        VARS,
        &[
            ("net | cidr_of", "\"10.1.2.0/24\""),
            ("net6 | cidr_of", "\"fe80::/64\""),
            ("'10.9.8.7/0' | cidr_of", "\"0.0.0.0/0\""),
            ("'10.9.8.7/32' | cidr_of", "\"10.9.8.7/32\""),
            ("'fe80::1/128' | cidr_of", "\"fe80::1/128\""),
            ("'10.9.8.7' | cidr_of", "! `cidr_of`: `10.9.8.7` is no address with a prefix length"),
            ("'10.9.8.7/33' | cidr_of", "! `cidr_of`: the prefix length is no number in range"),
            ("'10.9.8/8' | cidr_of", "! `cidr_of`: `10.9.8` is no IP address"),
            ("20 | netmask", "\"255.255.240.0\""),
            ("'0' | netmask", "\"0.0.0.0\""),
            ("'10.0.0.0/24' | netmask", "\"255.255.255.0\""),
            ("net | netmask", "\"255.255.255.0\""),
            ("33 | netmask", "! `netmask`: a netmask is made of an IPv4 prefix length"),
            ("'fe80::/64' | netmask", "! `netmask`: a netmask is made of an IPv4 prefix length"),
            ("'10.1.2.9' | ip_in('10.1.2.0/24')", "true"),
            ("'10.1.3.9' | ip_in('10.1.2.0/24')", "false"),
            ("'fe80::9' | ip_in('fe80::/64')", "true"),
            ("'::1' | ip_in('0.0.0.0/0')", "false"),
            ("url | with_host('h.example')", "\"http://h.example:5000/v3\""),
            ("url | with_host(n)", "\"http://1.2.3.4:5000/v3\""),
            ("url | with_host(m.nothing)", "\"http://1.2.3.4:5000/v3\""),
            ("url | with_host('fd00::1')", "\"http://[fd00::1]:5000/v3\""),
            ("'https://u:p@[::1]:8/x?y=1' | with_host('h')", "\"https://h:8/x?y=1\""),
            ("'https://a/x' | with_host('h')", "\"https://h/x\""),
            ("url | with_host('h/x')", "! `with_host`: `h/x` is no host"),
            ("url | with_host('')", "! `with_host`: `` is no host"),
            ("'1970-01-02T00:00:00Z' | timestamp", "86400"),
            ("'1970-01-02 00:00:00' | timestamp", "86400"),
            ("'2026-11-22T16:51:09.000000Z' | timestamp", "1795366269"),
            ("'2024-02-29T12:00:00' | timestamp", "1709208000"),
            ("'1969-12-31T23:59:59.5Z' | timestamp", "-0.5"),
            ("'2023-02-29T12:00:00' | timestamp", "! `timestamp`: `2023-02-29T12:00:00` is no time"),
            ("'2023-13-01T12:00:00' | timestamp", "! `timestamp`: `2023-13-01T12:00:00` is no time"),
            ("'2023-01-01' | timestamp", "! `timestamp`: `2023-01-01` is no time"),
            ("'2023-01-01T00:00:00+2' | timestamp", "! `timestamp`: `2023-01-01T00:00:00+2` is no time"),
            ("7 | timestamp", "7"),
            ("'1970-01-01T01:00:00+01:00' | plus_secs(5)", "5"),
            ("'1970-01-01T00:00:00-0130' | plus_secs(0)", "5400"),
            ("'1970-01-01T00:00:10Z' | timestamp | plus_secs(0.5)", "10.5"),
            ("7 | plus_secs('5')", "! `plus_secs`: the seconds are a number"),
        ],
    );
}

#[test]
fn tests_and_functions() {
    check(
        VARS,
        &[
            ("t is startingwith('tap')", "true"),
            ("t is startingwith(t[:1] ~ 'x')", "false"),
            ("a is startingwith('5')", "false"),
            ("t is endingwith('12')", "true"),
            ("t is containing('ap')", "true"),
            ("l is containing(2)", "true"),
            ("m is containing('x')", "true"),
            ("2 is in(l)", "true"),
            ("2 is in l", "true"),
            ("2 is not in l", "false"),
            ("a is eq(5)", "true"),
            ("a is equalto 5", "true"),
            ("a is ne '5'", "true"),
            ("a is lt 6", "true"),
            ("a is le 5", "true"),
            ("a is gt 'x'", "false"),
            ("a is ge 5", "true"),
            ("a is odd", "true"),
            ("a is even", "false"),
            ("2.0 is even", "false"),
            ("true is true", "true"),
            ("1 is true", "false"),
            ("false is false", "true"),
            ("false is boolean", "true"),
            ("t is string", "true"),
            ("a is number", "true"),
            ("2.5 is integer", "false"),
            ("m is mapping", "true"),
            ("t is sequence", "false"),
            ("{'a': 1} is subset_of({'a': 1, 'b': 2})", "true"),
            ("{'a': 1} is subset_of({'a': 2})", "false"),
            ("{} is subset_of({})", "true"),
            ("[1, 1.0] is subset_of([1, 2])", "true"),
            ("[3] is subset_of([1, 2])", "false"),
            ("[3] is subset_of({})", "! `subset_of` compares two maps or two lists, not list and map"),
            ("overlap(l, [9, 2])", "true"),
            ("overlap(l, [])", "false"),
            ("overlap(m.q, [2])", "false"),
            ("overlap(n, n)", "false"),
            ("overlap([1,2,3,4,5,6,7,8,9,10], [11,12,13,14,15,16,17,18,19,10.0])", "true"),
            ("overlap(t, l)", "! `overlap` takes two lists, not text"),
            ("overlap(l, t)", "! `overlap` takes two lists, not text"),
        ],
    );
}

#[test]
fn the_tables_document_every_entry_once() {
    let mut names: Vec<&str> = filters::ALL.iter().map(|entry| entry.name).collect();
    for entry in filters::ALL {
        assert!(entry.usage.contains(entry.name), "{}", entry.name);
        assert!(entry.does.len() > 8 && !entry.does.ends_with('.'), "{}", entry.name);
        assert!(entry.args.0 <= entry.args.1, "{}", entry.name);
        assert!(!entry.takes.words().is_empty() && !entry.yields.words().is_empty());
    }
    let n_filters = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n_filters);
    let mut names: Vec<&str> =
        tests::ALL.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name])).collect();
    let n_tests = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n_tests);
    assert!(functions::ALL.iter().all(|entry| entry.usage.starts_with(entry.name)));
}
