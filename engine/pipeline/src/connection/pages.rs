//! Lists that come in pages, by the connection's rules.

use std::{collections::BTreeSet, sync::Arc};

use calipso_expr::Fuel;
use calipso_model::{Map, Value};
use calipso_spec::checked::PageRule;

use crate::{
    answer::{Asked, FailureKind, Outcome, Why},
    connection::{Access, Sessions, login::Session},
    world::HttpAsk,
};

/// What is said after some pages were given: a refusal then does not mean that there is no list; the list is cut.
fn after(n_pages: u64, asked: Asked) -> Asked {
    match asked {
        Asked { outcome: Outcome::Negative(why), answer } if n_pages > 0 => {
            let sentence = format!("the list is cut after page {n_pages}: {}", why.sentence);
            Asked { outcome: Outcome::NoAnswer(Why { kind: FailureKind::Pages, sentence, ..why }), answer }
        }
        asked => asked,
    }
}

impl Sessions {
    /// Asks for a list until its last page, or once where the step wants no list.
    pub(super) async fn pages(
        &self,
        access: &Access,
        target: &Value,
        session: &mut Arc<Session>,
        ask: &HttpAsk<'_>,
    ) -> Asked {
        let Some(list) = ask.step.items.clone() else {
            return self.exchange_in_session(access, target, session, ask, ask.query.clone(), None).await.asked;
        };
        let rule = match self.page_rule(access, session, target) {
            Ok(rule) => rule,
            Err(why) => return Asked::nothing(why),
        };
        let mut query = Map::new();
        if let Some(rule) = rule {
            self.cover(&rule.at, "page rule");
            let frame = self.request_frame(access, session, target);
            for (name, tree) in &rule.query {
                match tree.eval(&frame, &mut Fuel::default()) {
                    Ok(value) if !value.is_null() => query.insert(name.clone(), value),
                    Ok(_) => {}
                    Err(error) => return Asked::nothing(rule_fault(rule, &error)),
                }
            }
        }
        for (name, value) in &ask.query {
            query.insert(name.clone(), value.clone());
        }
        let mut all: Vec<Value> = Vec::new();
        let mut next = None;
        let mut seen_urls = BTreeSet::new();
        let mut last_items: Option<Vec<Value>> = None;
        let mut n_pages: u64 = 0;
        loop {
            let page = self.exchange_in_session(access, target, session, ask, query.clone(), next.take()).await;
            let (body, answer) = match page.asked {
                Asked { outcome: Outcome::Answer(body), answer } => (body, answer),
                other => return after(n_pages, other),
            };
            let items = match items_of(&body, Some(&list)) {
                Ok(items) => items,
                Err(sentence) => {
                    let why = Why::new(FailureKind::Parse, sentence);
                    return after(n_pages, Asked { outcome: Outcome::Negative(why), answer });
                }
            };
            let items = items.as_list().unwrap_or_default().to_vec();
            n_pages += 1;
            let (Some(base), Some(url)) = (page.base, page.url) else {
                return Asked::nothing(Why::new(FailureKind::Protocol, "a page without a URL"));
            };
            let cut = |sentence: String| Asked::nothing(Why::new(FailureKind::Pages, sentence).of_host(&access.role));
            if !items.is_empty() && last_items.as_ref() == Some(&items) {
                return cut(format!("{} gave the same page of {list} twice", access.role));
            }
            seen_urls.insert(url.as_str().to_owned());
            all.extend(items.iter().cloned());
            let Some(rule) = rule else {
                return Asked { outcome: Outcome::Answer(Value::list(all)), answer };
            };
            let mut frame = self.request_frame(access, session, target);
            let names = [
                ("answer", answer.value(false, None)),
                ("items", Value::list(items.clone())),
                ("list", Value::text(&list)),
                ("page_number", Value::Int(i64::try_from(n_pages).unwrap_or(i64::MAX))),
            ];
            for (name, value) in names {
                if let Some(slot) = access.spec.layout.find(name) {
                    frame.set(slot, value);
                }
            }
            last_items = Some(items);
            match rule.next.eval_opt(&frame, &mut Fuel::default()) {
                Ok(None | Some(Value::Null)) => {
                    return Asked { outcome: Outcome::Answer(Value::list(all)), answer };
                }
                Ok(Some(Value::Map(more))) => {
                    self.cover(&rule.at, "page rule goes on");
                    for (name, value) in &more {
                        query.insert(name.clone(), value.clone());
                    }
                }
                Ok(Some(Value::Str(text))) => {
                    self.cover(&rule.at, "page rule goes on");
                    let Ok(joined) = url.join(&text) else {
                        return cut(format!("the next page of {list} has no usable URL: {text}"));
                    };
                    if joined.origin() != base.origin() {
                        return cut(format!("the next page of {list} is said to be at another server: {text}"));
                    }
                    if seen_urls.contains(joined.as_str()) {
                        return cut(format!("{} names a page of {list} again that was read already", access.role));
                    }
                    next = Some(joined);
                }
                Ok(Some(other)) => {
                    let sentence = format!("`next` of {} gave {}", rule.at, other.kind());
                    return Asked::nothing(Why::new(FailureKind::Expression, sentence));
                }
                Err(error) => return Asked::nothing(rule_fault(rule, &error)),
            }
            if n_pages >= access.spec.limits.max_pages.max(1) {
                return cut(format!("{list} has more than {n_pages} pages"));
            }
        }
    }

    fn page_rule<'a>(
        &self,
        access: &'a Access,
        session: &Session,
        target: &Value,
    ) -> Result<Option<&'a PageRule>, Why> {
        let frame = self.request_frame(access, session, target);
        for rule in &access.spec.pages {
            match rule.when.as_ref().map_or(Ok(true), |when| when.holds(&frame, &mut Fuel::default())) {
                Ok(true) => return Ok(Some(rule)),
                Ok(false) => {}
                Err(error) => return Err(rule_fault(rule, &error)),
            }
        }
        Ok(None)
    }
}

fn rule_fault(rule: &PageRule, error: &calipso_expr::EvalError) -> Why {
    Why::new(FailureKind::Expression, format!("the page rule {} at {}: {error}", rule.name, rule.at))
}

/// The list under a key of the body (dots lead deeper), or the body where no key is given.
pub(super) fn items_of(body: &Value, list: Option<&str>) -> Result<Value, String> {
    let Some(list) = list else { return Ok(body.clone()) };
    let whole = body.as_map().and_then(|map| map.get(list));
    let found =
        whole.or_else(|| list.split('.').try_fold(body, |value, part| value.as_map().and_then(|map| map.get(part))));
    match found {
        Some(Value::List(_)) => found.cloned().ok_or_else(String::new),
        Some(other) => Err(format!("the answer's {list} is {} instead of a list", other.kind())),
        None => Err(format!("the answer has no list {list}")),
    }
}
