//! The order in which derived attributes are computed.

use std::collections::BTreeSet;

/// Puts things into levels, each reading only earlier levels. `reads` says what each thing reads.
///
/// # Errors
/// On a circle: its members and what waits for them.
pub(super) fn levels(reads: &[BTreeSet<usize>]) -> Result<Vec<Vec<usize>>, Vec<usize>> {
    let mut levels: Vec<Vec<usize>> = Vec::new();
    let mut waiting: BTreeSet<usize> = (0..reads.len()).collect();
    while !waiting.is_empty() {
        let ready: Vec<usize> = waiting.iter().copied().filter(|number| reads[*number].is_disjoint(&waiting)).collect();
        if ready.is_empty() {
            return Err(waiting.into_iter().collect());
        }
        for number in &ready {
            waiting.remove(number);
        }
        levels.push(ready);
    }
    Ok(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_comes_first() {
        let reads = [BTreeSet::from([2]), BTreeSet::new(), BTreeSet::from([1])];
        assert_eq!(levels(&reads), Ok(vec![vec![1], vec![2], vec![0]]));
    }

    #[test]
    fn circles_are_named() {
        let reads = [BTreeSet::from([1]), BTreeSet::from([0]), BTreeSet::new()];
        assert_eq!(levels(&reads), Err(vec![0, 1]));
        assert_eq!(levels(&[BTreeSet::from([0])]), Err(vec![0]));
    }
}
