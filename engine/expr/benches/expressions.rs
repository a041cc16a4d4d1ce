//! Nanoseconds per evaluation of the expressions that joins evaluate for every object. Run with
//! `cargo bench -p calipso-expr`.

use std::{hint::black_box, time::Instant};

use calipso_expr::{Expr, Frame, Fuel, Layout, Tree};
use calipso_model::Value;

const DOCUMENT: &str = r#"{"name": "tap3f1c2a9b-7e", "host": "node-17", "id": "node-17-tap3f1c2a9b-7e", "type": "card", "a b": "x",
  "binding:host_id": "node-17", "mac_address": "fa:16:3e:12:34:56", "status": "ACTIVE", "mtu": 1450, "tag": null,
  "network": {"id": "5f3a", "name": "net-1", "subnets": [{"cidr": "10.0.0.0/24"}, {"cidr": "10.0.1.0/24"}]},
  "addresses": ["10.0.0.5", "10.0.1.7"]}"#;

fn main() {
    let layout = Layout::new(&["self", "other"]);
    let mut frame = Frame::new(2);
    let document = Value::from_json(DOCUMENT).expect("the document is JSON");
    frame.set(0, document.clone());
    frame.set(1, document);

    // What the same costs without an expression.
    measure("by hand", "self.name", |_| {
        drop(black_box(frame.get(0).and_then(|value| value.as_map()?.get(black_box("name"))).cloned()));
    });

    for source in [
        "7",
        "self",
        "self.name",
        "self['a b']",
        "self.network.name",
        "self.status == 'ACTIVE'",
        "self.name is startingwith('tap')",
        "self.name[:3] == 'tap' and self.host == other.host",
        "self.status in ['ACTIVE', 'BUILD']",
        "other['binding:host_id'] | default('') != ''",
        "self.nothing.there | default('') != ''",
        "self.host ~ '-' ~ self.name",
        "self.name | strip_prefix('tap')",
        "self.name | regex_get('^tap(?<id>.*)$', 'id')",
        "self.network.subnets | map(attribute='cidr') | first",
        "overlap(self.addresses, other.addresses)",
    ] {
        let expr = Expr::parse(source, &layout).expect("the expression parses");
        measure("eval", source, |fuel| drop(black_box(expr.eval(&frame, fuel))));
    }
    for source in ["self.status == 'ACTIVE'", "self.name is startingwith('tap')"] {
        let expr = Expr::parse(source, &layout).expect("the expression parses");
        measure("holds", source, |fuel| drop(black_box(expr.holds(&frame, fuel))));
    }
    for source in [
        "[self.host, self.name]",
        "[self.host, self.name[3:]]",
        "[self.mac_address, other['binding:host_id']]",
        "[self.host, self.tag]",
    ] {
        let expr = Expr::parse(source, &layout).expect("the expression parses");
        measure("eval_key", source, |fuel| drop(black_box(expr.eval_key(&frame, fuel))));
        let mut parts = Vec::new();
        measure("eval_key_into", source, |fuel| drop(black_box(expr.eval_key_into(&frame, fuel, &mut parts))));
    }
    let tree = Tree::parse_text("{{ self.host }}-{{ self.name }}", &layout).expect("the template parses");
    measure("template", "{{ self.host }}-{{ self.name }}", |fuel| drop(black_box(tree.eval(&frame, fuel))));
}

/// Prints the best of many short rounds, so that other work on the machine counts little.
fn measure(what: &str, source: &str, mut run: impl FnMut(&mut Fuel)) {
    const TIMES: u32 = 2_000;
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let mut fuel = Fuel::new(u64::MAX);
        let started = Instant::now();
        for _ in 0..TIMES {
            run(&mut fuel);
        }
        best = best.min(started.elapsed().as_secs_f64() / f64::from(TIMES));
    }
    println!("{:>8.1} ns  {what:<14} {source}", best * 1e9);
}
