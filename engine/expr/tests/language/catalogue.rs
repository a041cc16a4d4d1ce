//! Expressions as specs write them, over documents as they come.

use crate::common::check;

#[test]
fn of_connections() {
    check(
        r#"{"config": {"hosts": {"h1": {"port": 2022}}, "port": 22, "user": "u", "host": "gw", "sudo": true},
            "target": {"name": "h2", "service": "compute", "region": "R"}, "own": {}, "list": "ports",
            "items": [{"id": "a"}, {"id": "b"}], "none_left": [], "page_number": 3,
            "answer": {"status": 200, "body": {"ports_links": [{"rel": "self", "href": "s"}, {"rel": "next", "href": "n"}], "metadata": {"continue": ""}}},
            "session": {"endpoints": {"compute/R/internal": "http://x"}}}"#,
        &[
            ("config.hosts[target.name] | default({})", "{}"),
            ("config.hosts['h1'].port | default(config.port)", "2022"),
            ("own.address | default(target.ip_address) | default(target.name)", "\"h2\""),
            ("own.password | default(config.password) | default", "null"),
            ("own.sudo | default(config.sudo)", "true"),
            ("config.host is defined and config.host != target.name", "true"),
            ("{'marker': (items | last).id} if items", r#"{"marker":"b"}"#),
            ("{'marker': (none_left | last).id} if none_left", "null"),
            (
                "answer.body[list ~ '_links'] | default([]) | selectattr('rel', 'equalto', 'next') | map(attribute='href') | first | default",
                "\"n\"",
            ),
            (
                "answer.body['nets_links'] | default([]) | selectattr('rel', 'equalto', 'next') | map(attribute='href') | first | default",
                "null",
            ),
            (
                "{'continue': answer.body.metadata.continue} if answer.body.metadata.continue | default('') != ''",
                "null",
            ),
            ("{'page': page_number} if items | length == 2", r#"{"page":3}"#),
            ("session.endpoints[target.service ~ '/' ~ target.region ~ '/' ~ 'internal']", "\"http://x\""),
            ("answer.body.links.next | default", "null"),
            ("answer.status == 401", "false"),
        ],
    );
}

#[test]
fn of_fetchers() {
    check(
        r#"{"found": [{"zone": "z1", "computes": false, "services": {"a": 1}}, {"zone": "z2", "computes": true, "services": {"b": 1}}],
            "port": {"name": "tap1", "kind": "vxlan"}, "plain": {"name": "eth0"}, "wires": {"tap1": {"tag": null}}, "host": "h1",
            "agents": {"h1": {}}, "card": {"e0": {"id": 1}}, "rows": [{"interface": "e0"}, {"interface": "e9"}],
            "link": {"addr_info": [{"family": "inet6", "local": "fe80::1", "prefixlen": 64}, {"family": "inet", "local": "10.0.1.7", "prefixlen": 24}]},
            "state": [], "parent": {"host_type": ["Compute"]}, "prefix": "", "narrow": {}, "configurations": {}}"#,
        &[
            ("(found | sort(attribute='computes') | last).zone", "\"z2\""),
            ("found | map(attribute='services') | merged", r#"{"a":1,"b":1}"#),
            (
                "(['C'] if found | selectattr('computes') else []) + (['K'] if 'b' in found | map(attribute='services') | merged else []) + (['N'] if host in agents else [])",
                "[\"C\",\"K\",\"N\"]",
            ),
            ("port.kind | default('') not in ['vxlan', 'gre']", "false"),
            ("plain.kind | default('') not in ['vxlan', 'gre']", "true"),
            ("wires[port.name].tag | default", "null"),
            ("wires[plain.name].tag | default", "null"),
            ("wires['x'].tags | default | as_list | first", "null"),
            ("rows | map(attribute='interface') | map('lookup_in', card) | reject('none') | list", r#"[{"id":1}]"#),
            (
                "link.addr_info | selectattr('family', 'equalto', 'inet') | map('cidr_of') | first | default",
                "\"10.0.1.0/24\"",
            ),
            ("link.addr_info | rejectattr('local', 'startingwith', 'fe80:') | length", "1"),
            ("overlap(parent.host_type, ['Network', 'Compute'])", "true"),
            ("port.name is startingwith('tap' ~ prefix) or prefix == ''", "true"),
            ("port.name | strip_prefix('tap' ~ prefix) if prefix else port.name", "\"tap1\""),
            ("(narrow.id | default(port.name)) == port.name", "true"),
            ("configurations.tunneling_ip | default('x') == ''", "false"),
            ("state if configurations.tunneling_ip | default('') else none", "null"),
        ],
    );
}
