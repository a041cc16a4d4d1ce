//! HTTP requests in a session, and lists that come in pages by the connection's rules.

use std::{collections::BTreeSet, sync::Arc};

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::PageRule;
use calipso_transport::ErrorKind;
use url::Url;

use crate::{
    answer::{Answer, Asked, FailureKind, Outcome, StepError},
    connection::{Access, Sessions, http::Exchanged, received::items_of, session::Session, too_many_values},
    world::HttpAsk,
};

/// Maximum number of lists of one answer that are asked whether they go on.
const MAX_LISTS: usize = 16;

/// An outcome after some pages: a refusal then does not mean that there is no list; the list is cut.
fn after(n_pages: u64, asked: Asked) -> Asked {
    match asked {
        Asked { outcome: Outcome::Negative(error), answer } if n_pages > 0 => {
            let sentence = format!("the list is cut after page {n_pages}: {}", error.sentence);
            Asked { outcome: Outcome::NoAnswer(StepError { kind: FailureKind::Pages, sentence, ..error }), answer }
        }
        asked => asked,
    }
}

/// A list of which some pages were read.
struct List<'a> {
    /// Its name in messages and in page rules; the body itself has none.
    name: Option<Str>,
    rule: Option<&'a PageRule>,
    query: Map,
    all: Vec<Value>,
    n_pages: u64,
    memory: u64,
}

/// Where the next page is.
enum Next {
    /// There is none.
    End,
    At(Url),
    With(Map),
}

impl List<'_> {
    fn shown(&self) -> String {
        self.name.as_deref().map_or_else(|| "the list".to_owned(), |name| format!("`{name}`"))
    }
}

impl Sessions {
    /// Sends a request, and those for the pages that follow.
    pub(super) async fn ask_http(&self, ask: HttpAsk<'_>) -> Asked {
        let access = match self.access(&ask.step.via) {
            Ok(access) => access,
            Err(error) => return Asked::nothing(error),
        };
        let target = match self.target(access, &ask.target) {
            Ok(target) => Value::Map(target),
            Err(error) => return Asked::nothing(error),
        };
        let mut session = match self.session(access, &target).await {
            Ok(session) => session,
            Err(error) => return Asked::nothing(error),
        };
        self.pages(access, &target, &mut session, &ask).await
    }

    /// Asks for a list until its last page. Where the step names no list, the body itself may be one.
    async fn pages(&self, access: &Access, target: &Value, session: &mut Arc<Session>, ask: &HttpAsk<'_>) -> Asked {
        let rule = if ask.step.paged { self.page_rule(access, session, target) } else { Ok(None) };
        let rule = match rule {
            Ok(rule) => rule,
            Err(error) => return Asked::nothing(error),
        };
        let mut list = List {
            name: ask.step.items.clone(),
            rule,
            query: ask.query.clone(),
            all: Vec::new(),
            n_pages: 0,
            memory: 0,
        };
        let first = if list.name.is_some() {
            match self.with_rule(access, target, session, ask, &mut list) {
                Ok(()) => None,
                Err(error) => return Asked::nothing(error),
            }
        } else {
            // Only the answer tells whether it is a list.
            let page = self.exchange_in_session(access, target, session, ask, ask.query.clone(), None).await;
            let Outcome::Answer(body) = &page.asked.outcome else { return page.asked };
            let Some(rule) = rule else { return page.asked };
            if body.as_list().is_none() {
                return self.whole(access, target, session, ask, rule, page);
            }
            if rule.query.is_empty() {
                Some(page)
            } else {
                // Without the rule's parameters the pages may have been cut otherwise.
                match self.with_rule(access, target, session, ask, &mut list) {
                    Ok(()) => None,
                    Err(error) => return Asked::nothing(error),
                }
            }
        };
        self.read_all(access, target, session, ask, list, first).await
    }

    /// Adds the parameters of the page rule to those of the step.
    fn with_rule(
        &self,
        access: &Access,
        target: &Value,
        session: &Arc<Session>,
        ask: &HttpAsk<'_>,
        list: &mut List<'_>,
    ) -> Result<(), StepError> {
        let Some(rule) = list.rule else { return Ok(()) };
        self.context.cover(&rule.at, "page rule");
        let frame = session.request_frame(access, target);
        let mut query = Map::new();
        for (name, tree) in &rule.query {
            let value = tree.eval(&frame, &mut Fuel::default()).map_err(|error| rule_fault(rule, &error))?;
            if !value.is_null() {
                query.insert(name.clone(), value);
            }
        }
        for (name, value) in &ask.query {
            query.insert(name.clone(), value.clone());
        }
        list.query = query;
        Ok(())
    }

    /// An answer that is no list. Where the server says that one of its lists goes on elsewhere, it is not whole, and only the
    /// step can say which list is meant.
    fn whole(
        &self,
        access: &Access,
        target: &Value,
        session: &Arc<Session>,
        ask: &HttpAsk<'_>,
        rule: &PageRule,
        page: Exchanged,
    ) -> Asked {
        let (Outcome::Answer(body), Some(base), Some(url)) = (&page.asked.outcome, &page.base, &page.url) else {
            return page.asked;
        };
        let lists = body.as_map().into_iter().flatten().filter(|(_, value)| value.as_list().is_some());
        let found = lists.take(MAX_LISTS).find(|(name, value)| {
            let frame = self.page_frame(access, target, session, &page.asked.answer, value, Some(name), 1);
            // A map of parameters says nothing: rules that ask until a page is empty always give one.
            let next = rule.next.eval_opt(&frame, &mut Fuel::default());
            matches!(next, Ok(Some(Value::Str(next))) if url.join(&next).is_ok_and(|next| next.origin() == base.origin()))
        });
        let Some((name, _)) = found else { return page.asked };
        let sentence = format!(
            "{} gave only the first page of `{name}` for {} {}; the step needs `items: {name}`, or `paged: false` if one page is enough",
            access.role, ask.step.method, ask.path
        );
        Asked::nothing(StepError::new(FailureKind::Pages, sentence).at_host(&access.role))
    }

    async fn read_all(
        &self,
        access: &Access,
        target: &Value,
        session: &mut Arc<Session>,
        ask: &HttpAsk<'_>,
        mut list: List<'_>,
        mut first: Option<Exchanged>,
    ) -> Asked {
        let cut = |sentence: String| Asked::nothing(StepError::new(FailureKind::Pages, sentence).at_host(&access.role));
        let mut next = None;
        let mut seen_urls = BTreeSet::new();
        let mut last_items = Value::Null;
        loop {
            let page = match first.take() {
                Some(page) => page,
                None => self.exchange_in_session(access, target, session, ask, list.query.clone(), next.take()).await,
            };
            let (body, answer) = match page.asked {
                Asked { outcome: Outcome::Answer(body), answer } => (body, answer),
                other => return after(list.n_pages, other),
            };
            let items = match items_of(&body, list.name.as_deref()) {
                Ok(items @ Value::List(_)) => items,
                Ok(other) => {
                    let sentence = format!("the answer is {} instead of a list", other.kind());
                    let error = StepError::new(FailureKind::Parse, sentence);
                    return after(list.n_pages, Asked { outcome: Outcome::Negative(error), answer });
                }
                Err(sentence) => {
                    let error = StepError::new(FailureKind::Parse, sentence);
                    return after(list.n_pages, Asked { outcome: Outcome::Negative(error), answer });
                }
            };
            list.n_pages += 1;
            list.memory = list.memory.saturating_add(page.memory);
            let allowed = access.max_list_memory();
            if list.memory > allowed {
                return Asked::nothing(too_many_values(&access.role, allowed, access.spec.limits.max_bytes));
            }
            let (Some(base), Some(url)) = (page.base, page.url) else {
                return Asked::nothing(StepError::new(ErrorKind::Protocol, "a page without a URL"));
            };
            let elements = items.as_list().unwrap_or_default();
            if !elements.is_empty() && last_items == items {
                return cut(format!("{} gave the same page of {} twice", access.role, list.shown()));
            }
            seen_urls.insert(url.as_str().to_owned());
            let Some(rule) = list.rule else { return Asked { outcome: Outcome::Answer(items), answer } };
            let frame = self.page_frame(access, target, session, &answer, &items, list.name.as_deref(), list.n_pages);
            match next_page(rule, &frame, &base, &url) {
                Ok(Next::End) if list.n_pages == 1 => return Asked { outcome: Outcome::Answer(items), answer },
                Ok(Next::End) => {
                    list.all.extend(elements.iter().cloned());
                    return Asked { outcome: Outcome::Answer(Value::list(list.all)), answer };
                }
                Ok(Next::With(more)) => {
                    self.context.cover(&rule.at, "page rule goes on");
                    for (name, value) in &more {
                        list.query.insert(name.clone(), value.clone());
                    }
                }
                Ok(Next::At(joined)) => {
                    self.context.cover(&rule.at, "page rule goes on");
                    if seen_urls.contains(joined.as_str()) {
                        return cut(format!(
                            "{} names a page of {} again that was read already",
                            access.role,
                            list.shown()
                        ));
                    }
                    next = Some(joined);
                }
                Err(mut error) => {
                    error.sentence = format!("the next page of {} is not known: {}", list.shown(), error.sentence);
                    return Asked::nothing(error.at_host(&access.role));
                }
            }
            list.all.extend(elements.iter().cloned());
            last_items = items;
            if list.n_pages >= access.spec.limits.max_pages.max(1) {
                return cut(format!("{} has more than {} pages", list.shown(), list.n_pages));
            }
        }
    }

    /// The names that a page rule sees.
    #[expect(clippy::too_many_arguments, reason = "the names that page rules have")]
    fn page_frame(
        &self,
        access: &Access,
        target: &Value,
        session: &Session,
        answer: &Answer,
        items: &Value,
        list: Option<&str>,
        n_pages: u64,
    ) -> Frame {
        let mut frame = session.request_frame(access, target);
        let names = [
            ("answer", answer.value(false, None)),
            ("items", items.clone()),
            ("list", Value::text(list.unwrap_or_default())),
            ("page_number", Value::Int(i64::try_from(n_pages).unwrap_or(i64::MAX))),
        ];
        for (name, value) in names {
            frame.bind(&access.spec.layout, name, value);
        }
        frame
    }

    fn page_rule<'a>(
        &self,
        access: &'a Access,
        session: &Session,
        target: &Value,
    ) -> Result<Option<&'a PageRule>, StepError> {
        let frame = session.request_frame(access, target);
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

/// Where the list goes on by the rule.
fn next_page(rule: &PageRule, frame: &Frame, base: &Url, url: &Url) -> Result<Next, StepError> {
    match rule.next.eval_opt(frame, &mut Fuel::default()) {
        Ok(None | Some(Value::Null)) => Ok(Next::End),
        Ok(Some(Value::Map(more))) => Ok(Next::With(more)),
        Ok(Some(Value::Str(text))) => {
            let Ok(joined) = url.join(&text) else {
                return Err(StepError::new(FailureKind::Pages, format!("`{text}` is no URL")));
            };
            if joined.origin() != base.origin() {
                return Err(StepError::new(FailureKind::Pages, format!("it is said to be at another server: {text}")));
            }
            Ok(Next::At(joined))
        }
        Ok(Some(other)) => {
            let sentence = format!("`next` of {} gave {}", rule.at, other.kind());
            Err(StepError::new(FailureKind::Expression, sentence))
        }
        Err(error) => Err(rule_fault(rule, &error)),
    }
}

fn rule_fault(rule: &PageRule, error: &calipso_expr::EvalError) -> StepError {
    StepError::new(FailureKind::Expression, format!("the page rule {} at {}: {error}", rule.name, rule.at))
}
