//! What authors of specs may type to begin a spec and to try one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::OutputArgs;

#[derive(Debug, Subcommand)]
pub enum SpecCommand {
    /// Write NAME.yaml and NAME.test.yaml into the folder of their kind; what is there is never overwritten.
    New {
        /// Kind of spec: distribution, connection, object_type, parser, fetcher, link_type or clique_type.
        kind: String,
        /// Its name, also that of the file. Of a link type: FROM-TO, with two object types.
        name: String,
        /// The folder of specs; without it, the last one of --specs.
        #[arg(long = "in", value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct TryArgs {
    /// The fetcher.
    pub fetcher: String,
    /// The environment; with --replay it need not be named, and no store is needed.
    pub environment: Option<String>,
    /// The object under which it runs: a host, or what else the fetcher runs under, by id or name.
    #[arg(long, value_name = "OBJECT")]
    pub at: Option<String>,
    /// Take the answers from a recording.
    #[arg(long, value_name = "DIR")]
    pub replay: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub out: OutputArgs,
}
