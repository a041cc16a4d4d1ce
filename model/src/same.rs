//! Sameness of what is stored, which is stricter than equality of the language: 1 and 1.0 are equal, but not the same. Graph,
//! store and the difference of a scan all go by it.

use crate::{Link, Map, Object, Value, clique::Clique};

/// Whether two values are the same.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => false,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::List(a), Value::List(b)) => same_list(a, b),
        (Value::Map(a), Value::Map(b)) => same_map(a, b),
        (a, b) => a == b,
    }
}

/// Whether two lists are the same.
#[must_use]
pub fn same_list(a: &[Value], b: &[Value]) -> bool {
    std::ptr::eq(a, b) || a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether two maps are the same.
#[must_use]
pub fn same_map(a: &Map, b: &Map) -> bool {
    let (a, b) = (a.iter().as_slice(), b.iter().as_slice());
    std::ptr::eq(a, b) || a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
}

/// Whether two objects are the same.
#[must_use]
pub fn same_object(a: &Object, b: &Object) -> bool {
    a.key == b.key && same_map(&a.doc, &b.doc)
}

/// Whether two links are the same.
#[must_use]
pub fn same_link(a: &Link, b: &Link) -> bool {
    a == b && same_map(&a.attributes, &b.attributes)
}

/// Whether two cliques are the same.
#[must_use]
pub fn same_clique(a: &Clique, b: &Clique) -> bool {
    a == b && same_map(&a.constraints, &b.constraints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_of_two_kinds_are_not_the_same() {
        let list = |value: Value| Value::list(vec![value]);
        assert!(Value::Int(1) == Value::Float(1.0));
        assert!(!same(&list(Value::Int(1)), &list(Value::Float(1.0))));
        assert!(same(&list(Value::Int(1)), &list(Value::Int(1))));
        assert!(same(&Value::Float(f64::NAN), &Value::Float(f64::NAN)));
    }
}
