//! `config`: the settings, and where each comes from.

use calipso_model::{Map, Value};

use crate::{
    args::{OutputArgs, OutputFormat},
    failure::Failure,
    output::fitted,
    session::Session,
    settings::SettingKind,
    show,
};

/// `config show`.
///
/// # Errors
/// None; the settings were resolved before.
pub fn show(session: &Session, out: OutputArgs) -> Result<(), Failure> {
    let rows = session.settings.all().map(|(setting, texts, origin)| (setting, texts, origin.to_string()));
    match out.output {
        OutputFormat::Table | OutputFormat::Tree => {
            let rows: Vec<Vec<String>> = rows
                .map(|(setting, texts, origin)| {
                    vec![setting.key.to_owned(), without_password(&texts.join(", ")), origin, setting.variable()]
                })
                .collect();
            print!("{}", fitted(&["SETTING", "VALUE", "FROM", "VARIABLE"], &rows, session.table_width));
        }
        shape => {
            let all: Map = rows
                .map(|(setting, texts, origin)| {
                    let texts: Vec<Value> = texts.iter().map(|text| Value::text(&without_password(text))).collect();
                    let value = match setting.kind {
                        SettingKind::List => Value::list(texts),
                        _ => texts.into_iter().next().unwrap_or_default(),
                    };
                    let entry: Map = [("value", value), ("from", Value::from(origin))].into_iter().collect();
                    (setting.key, Value::Map(entry))
                })
                .collect();
            print!("{}", show::value(shape, &Value::Map(all)));
        }
    }
    Ok(())
}

/// An address without a password that a user may have written into it.
fn without_password(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (login, place))) => match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{place}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_password("mongodb://u:hunter2@h:1,i:2/d"), "mongodb://u:***@h:1,i:2/d");
        assert_eq!(without_password("mongodb://u@h/d"), "mongodb://u@h/d");
        assert_eq!(without_password("/a/b@c"), "/a/b@c");
    }
}
