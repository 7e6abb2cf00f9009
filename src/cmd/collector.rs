//! `pitot collector`: take reports, keep them, detect, answer.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use pitot_collector::Collector;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use super::{
    config::{self, CollectorFile},
    control::{Control, Kind},
    reload,
    runtime::{self, Hangups},
};
use crate::cli;

pub(crate) fn run(args: &cli::Collector) -> anyhow::Result<ExitCode> {
    let file = configuration(args)?;
    runtime::log_to_stderr();
    runtime::runtime()?.block_on(serve(args, file))?;
    Ok(ExitCode::SUCCESS)
}

/// The file, with what stands on the command line, checked.
fn configuration(args: &cli::Collector) -> anyhow::Result<CollectorFile> {
    let mut file: CollectorFile = config::read(args.config.as_deref())?;
    if let Some(address) = &args.listen {
        file.listen = address.trim_start_matches("http://").trim_start_matches("https://").to_owned();
    }
    if let Some(data) = &args.data {
        file.data.clone_from(data);
    }
    config::refuse(&file.problems())?;
    Ok(file)
}

async fn serve(args: &cli::Collector, file: CollectorFile) -> anyhow::Result<()> {
    let (stop, mut hangups) = (runtime::stop_signal(), Hangups::new()?);
    let listener = listen(&file.listen).await?;
    let collector = pitot_collector::open(file.config())?;
    let address = listener.local_addr()?;
    let scheme = if file.tls.is_some() { "https" } else { "http" };
    info!("collector listens on {scheme}://{address}");
    if file.tls.is_none() && !address.ip().is_loopback() {
        warn!("tokens and data cross the network unencrypted; configure [tls], unless a proxy in front speaks it");
    }
    let mut control = Control::create(&reload::collector_state(&file.data), Kind::Collector, &address.to_string());
    let heed = async {
        loop {
            hangups.next().await;
            control.loaded(take_anew(args, &file, &collector).await.map_err(|error| format!("{error:#}")));
        }
    };
    tokio::select! {
        served = collector.serve(listener, stop) => served?,
        () = heed => {}
    }
    drop(control);
    collector.close().await;
    info!("collector stopped");
    Ok(())
}

/// Reads the configuration anew; one that cannot be taken whole changes nothing.
async fn take_anew(args: &cli::Collector, before: &CollectorFile, collector: &Collector) -> anyhow::Result<()> {
    let taken = async {
        if args.config.is_none() {
            bail!("there is no configuration file; start it with `-c FILE`");
        }
        let file = configuration(args)?;
        if file.listen != before.listen {
            bail!("`listen` cannot change while the collector runs; restart it, or set `listen` back");
        }
        Ok(collector.reconfigure(file.config()).await?)
    }
    .await;
    match &taken {
        Ok(()) => info!("configuration taken"),
        Err(error) => error!(error = format!("{error:#}"), "configuration refused, the old one stays"),
    }
    taken
}

/// A listening socket; its error names the address.
pub(crate) async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`; stop what listens there, or choose another port"))
}
