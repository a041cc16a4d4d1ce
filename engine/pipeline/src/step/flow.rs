//! Which names a step reads and binds, and which steps can therefore ask at the same time.

use std::collections::BTreeSet;

use calipso_expr::{Expr, Slot, Tree};
use calipso_spec::checked::{Block, Condition, Step, StopStep, Verb};

/// Cuts a list into runs of steps that only ask and do not read what another of the same run binds.
pub(crate) fn groups(steps: &[Step]) -> Vec<&[Step]> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut bound: BTreeSet<Slot> = BTreeSet::new();
    for (place, step) in steps.iter().enumerate() {
        let joins = asks(step) && reads(step).is_disjoint(&bound);
        if !joins {
            groups.extend(steps.get(start..place).filter(|group| !group.is_empty()));
            start = place;
            bound.clear();
        }
        if asks(step) {
            bound.extend(binds(step));
        } else {
            groups.extend(steps.get(start..=place));
            start = place + 1;
            bound.clear();
        }
    }
    groups.extend(steps.get(start..).filter(|group| !group.is_empty()));
    groups
}

/// Whether a step does nothing but ask, so that its order among others does not matter.
fn asks(step: &Step) -> bool {
    fn only_asks(block: &Block) -> bool {
        block.steps.iter().all(|step| asks(step) || matches!(step.verb, Verb::Let(_)))
    }
    match &step.verb {
        Verb::Run(_) | Verb::Http(_) | Verb::Sql(_) => true,
        Verb::Lookup(lookup) => lookup.missing.is_none(),
        Verb::Do(block) => only_asks(block),
        Verb::FirstOf(blocks) => blocks.iter().all(only_asks),
        _ => false,
    }
}

fn binds(step: &Step) -> impl Iterator<Item = Slot> {
    let answer = match &step.verb {
        Verb::Http(http) => http.answer_as,
        _ => None,
    };
    step.bind.into_iter().chain(answer)
}

/// The slots that a step reads, its blocks included.
pub(crate) fn reads(step: &Step) -> BTreeSet<Slot> {
    let mut reads = Reads::default();
    reads.step(step);
    reads.0
}

#[derive(Default)]
struct Reads(BTreeSet<Slot>);

impl Reads {
    fn expr(&mut self, expr: Option<&Expr>) {
        self.0.extend(expr.into_iter().flat_map(Expr::uses).map(|used| used.slot));
    }

    fn tree(&mut self, tree: &Tree) {
        self.0.extend(tree.uses().into_iter().map(|used| used.slot));
    }

    fn pairs<K>(&mut self, pairs: &[(K, Tree)]) {
        for (_, tree) in pairs {
            self.tree(tree);
        }
    }

    fn stop(&mut self, stop: Option<&StopStep>) {
        if let Some(because) = stop.and_then(|stop| stop.because.as_ref()) {
            self.tree(because);
        }
    }

    fn block(&mut self, block: &Block) {
        self.expr(block.when.as_ref());
        for step in &block.steps {
            self.step(step);
        }
        if let Some(value) = &block.value {
            self.tree(value);
        }
    }

    fn step(&mut self, step: &Step) {
        self.expr(step.when.as_ref());
        self.expr(step.key.as_ref());
        self.expr(step.none_if.as_ref());
        self.expr(step.retry.as_ref().and_then(|retry| retry.until.as_ref()));
        for generator in step.each.iter().flat_map(|each| &each.generators) {
            self.expr(Some(&generator.over));
        }
        match &step.verb {
            Verb::Run(run) => {
                self.0.extend(run.words.uses().into_iter().map(|used| used.slot));
                self.expr(run.at.as_ref());
            }
            Verb::Http(http) => {
                self.0.extend(http.path.uses().into_iter().map(|used| used.slot));
                self.pairs(&http.target);
                self.pairs(&http.query);
                self.pairs(&http.headers);
                self.pairs(&http.form);
                http.basic.iter().flat_map(|basic| [&basic.user, &basic.password]).for_each(|tree| self.tree(tree));
                http.body.iter().for_each(|body| self.tree(body));
                self.expr(http.base.as_ref());
            }
            Verb::Sql(sql) => self.0.extend(sql.text.uses().into_iter().map(|used| used.slot)),
            Verb::Lookup(lookup) => {
                for (_, condition) in &lookup.filter {
                    match condition {
                        Condition::Is(tree) | Condition::Has(tree) | Condition::AnyOf(tree) => self.tree(tree),
                    }
                }
                self.stop(lookup.missing.as_ref());
            }
            Verb::Fetch(fetch) => {
                self.expr(Some(&fetch.inside));
                self.pairs(&fetch.filter);
            }
            Verb::Let(tree) => self.tree(tree),
            Verb::Emit(emit) => {
                self.expr(emit.copy.as_ref());
                self.pairs(&emit.set);
            }
            Verb::Patch(patch) => {
                self.expr(Some(&patch.object));
                self.expr(patch.copy.as_ref());
                self.pairs(&patch.set);
                self.pairs(&patch.put);
                self.pairs(&patch.remove);
            }
            Verb::Delete(object) => self.expr(Some(object)),
            Verb::Stop(stop) => self.stop(Some(stop)),
            Verb::Do(block) => self.block(block),
            Verb::FirstOf(blocks) => blocks.iter().for_each(|block| self.block(block)),
        }
    }
}
