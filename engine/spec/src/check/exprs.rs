//! All expressions of steps and other places, in file order as far as it matters.

use calipso_expr::{Expr, Tree};
use calipso_model::Str;

use crate::checked::{Basic, Block, Condition, Connection, Step, StopStep, Verb};

fn of_trees<'s>(trees: &'s [(Str, Tree)], found: &mut Vec<&'s Expr>) {
    trees.iter().for_each(|(_, tree)| found.extend(tree.exprs()));
}

fn of_basic<'s>(basic: Option<&'s Basic>, found: &mut Vec<&'s Expr>) {
    found.extend(basic.into_iter().flat_map(|basic| [&basic.user, &basic.password]).flat_map(Tree::exprs));
}

fn of_stop<'s>(stop: &'s StopStep, found: &mut Vec<&'s Expr>) {
    found.extend(stop.because.iter().flat_map(Tree::exprs));
}

fn of_block<'s>(block: &'s Block, found: &mut Vec<&'s Expr>) {
    found.extend(&block.when);
    block.steps.iter().for_each(|step| of_step(step, found));
    found.extend(block.value.iter().flat_map(Tree::exprs));
}

/// Those of a step, inner steps included.
pub(crate) fn of_step<'s>(step: &'s Step, found: &mut Vec<&'s Expr>) {
    found.extend(step.each.iter().flat_map(|each| each.generators.iter().map(|generator| &generator.over)));
    found.extend([&step.when, &step.key, &step.none_if].into_iter().flatten());
    found.extend(step.retry.iter().filter_map(|retry| retry.until.as_ref()));
    match &step.verb {
        Verb::Run(run) => {
            found.extend(run.words.exprs());
            found.extend(&run.at);
        }
        Verb::Http(http) => {
            found.extend(http.path.exprs());
            for trees in [&http.target, &http.query, &http.headers, &http.form] {
                of_trees(trees, found);
            }
            of_basic(http.basic.as_ref(), found);
            found.extend(http.body.iter().flat_map(Tree::exprs));
            found.extend(&http.base);
        }
        Verb::Sql(sql) => found.extend(sql.text.exprs()),
        Verb::Lookup(lookup) => {
            for (_, condition) in &lookup.filter {
                let (Condition::Is(tree) | Condition::Has(tree) | Condition::AnyOf(tree)) = condition;
                found.extend(tree.exprs());
            }
            lookup.missing.iter().for_each(|stop| of_stop(stop, found));
        }
        Verb::Fetch(fetch) => {
            found.push(&fetch.inside);
            of_trees(&fetch.filter, found);
        }
        Verb::Let(tree) => found.extend(tree.exprs()),
        Verb::Emit(emit) => {
            found.extend(&emit.copy);
            of_trees(&emit.set, found);
        }
        Verb::Patch(patch) => {
            found.push(&patch.object);
            found.extend(&patch.copy);
            for trees in [&patch.set, &patch.put, &patch.remove] {
                of_trees(trees, found);
            }
        }
        Verb::Delete(object) => found.push(object),
        Verb::Stop(stop) => of_stop(stop, found),
        Verb::Do(block) => of_block(block, found),
        Verb::FirstOf(blocks) => blocks.iter().for_each(|block| of_block(block, found)),
    }
}

/// Those of a connection outside of `send`, `connect` and `jump`: where secrets have no place.
/// Bodies and headers of `login` and `refresh` are left out as well.
pub(super) fn open_places(connection: &Connection) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut steps = Vec::new();
    super::walk(&connection.login, &mut steps);
    super::walk(&connection.refresh, &mut steps);
    for step in steps {
        found.extend([&step.when, &step.none_if].into_iter().flatten());
        match &step.verb {
            Verb::Http(http) => {
                found.extend(http.path.exprs());
                of_trees(&http.query, &mut found);
                of_trees(&http.target, &mut found);
            }
            Verb::Run(run) => found.extend(run.words.exprs()),
            Verb::Sql(sql) => found.extend(sql.text.exprs()),
            _ => {}
        }
    }
    connection.session.iter().filter(|value| !value.secret).for_each(|value| found.extend(value.value.exprs()));
    for page in &connection.pages {
        of_trees(&page.query, &mut found);
        found.push(&page.next);
    }
    found.extend(&connection.base);
    connection.wrap.iter().for_each(|wrap| found.extend(wrap.command.exprs()));
    of_trees(&connection.identifiers, &mut found);
    connection.test.iter().for_each(|step| of_step(step, &mut found));
    found
}

/// All of a connection that may read `session`.
pub(super) fn session_places(connection: &Connection) -> Vec<&Expr> {
    let mut found = open_places(connection);
    connection.refresh.iter().for_each(|step| of_step(step, &mut found));
    found.extend(&connection.login_again_if);
    for trees in [&connection.send_headers, &connection.connect] {
        of_trees(trees, &mut found);
    }
    of_basic(connection.send_basic.as_ref(), &mut found);
    found
}
