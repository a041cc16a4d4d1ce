//! The table of settings as flags of a command.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::settings::{SETTINGS, Setting, SettingKind};

/// The values given by flags, by key of the setting.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(pub BTreeMap<&'static str, Vec<String>>);

/// Settings that are options of every command already.
const EVERYWHERE: &[&str] = &["store", "specs"];

fn own() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !EVERYWHERE.contains(&setting.key))
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for setting in own() {
            if let Some(texts) = matches.get_many::<String>(setting.key) {
                self.0.insert(setting.key, texts.cloned().collect());
            }
        }
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(mut command: Command) -> Command {
        for setting in own() {
            let default =
                if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
            let arg = Arg::new(setting.key).long(setting.flag()).help(format!(
                "{}{default} [env: {}]",
                setting.about,
                setting.variable()
            ));
            command = command.arg(match setting.kind {
                SettingKind::Switch => {
                    arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL")
                }
                SettingKind::List => arg.action(ArgAction::Append).value_name("TEXT"),
                SettingKind::Number => arg.value_name("N"),
                SettingKind::Path => arg.value_name("PATH"),
                SettingKind::Reference => arg.value_name("env:NAME|file:PATH"),
                SettingKind::Text => arg.value_name("TEXT"),
            });
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
