//! `pitot contract` as it is typed. In: arguments. Out: typed values.

use clap::{Args, Subcommand, ValueEnum};

use super::{Access, DEFAULT_URL};

#[derive(Debug, Args)]
#[command(subcommand_precedence_over_arg = true)]
pub(crate) struct Contract {
    /// Filter, for example `service:shop -group:bots`; empty for everything
    #[arg(default_value = "")]
    pub(crate) filter: String,
    /// From this time on (RFC 3339, date, seconds since the epoch), or this long ago (2h, 30d); 7 days ago by default
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", global = true)]
    pub(crate) until: Option<String>,
    /// Rows of each list at most, 0 for all; 20 by default
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// The answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// URL of the collector
    #[arg(long, default_value = DEFAULT_URL, env = "PITOT_COLLECTOR", global = true)]
    pub(crate) collector: String,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: Option<ContractCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Print the OpenAPI 3.1 document that what is called suggests
    Export {
        /// Format of the document
        #[arg(long, value_enum, default_value_t)]
        format: DocumentFormat,
        /// Filter, as for the comparison
        #[arg(default_value = "")]
        filter: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DocumentFormat {
    #[default]
    Yaml,
    Json,
}
