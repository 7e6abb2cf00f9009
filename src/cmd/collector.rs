//! `pitot collector`: take reports, keep them, detect, answer.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::info;

use super::{
    config::{self, CollectorFile},
    runtime,
};
use crate::cli;

pub(crate) fn run(args: &cli::Collector) -> anyhow::Result<ExitCode> {
    let mut file: CollectorFile = config::read(args.config.as_deref())?;
    if let Some(address) = &args.listen {
        file.listen = address.trim_start_matches("http://").to_owned();
    }
    if let Some(data) = &args.data {
        file.data.clone_from(data);
    }
    config::refuse(&file.problems())?;
    runtime::log_to_stderr();
    runtime::runtime()?.block_on(serve(file))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(file: CollectorFile) -> anyhow::Result<()> {
    let listener = listen(&file.listen).await?;
    let collector = pitot_collector::open(file.config())?;
    info!("collector listens on http://{}", listener.local_addr()?);
    collector.serve(listener, runtime::stop_signal()).await?;
    collector.close().await;
    info!("collector stopped");
    Ok(())
}

/// A listening socket; its error names the address.
pub(crate) async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`; stop what listens there, or choose another port"))
}
