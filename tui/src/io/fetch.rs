//! Questions to the collector, and its stream of events. In: questions. Out: events for the dashboard.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all};
use pitot_client::{Client, Error};
use tokio::sync::mpsc::Sender;

use crate::event::{Answer, Ask, Event, Question};

/// Wait between two attempts to follow; the polling goes on meanwhile.
const AGAIN: Duration = Duration::from_secs(3);

/// Asks all questions side by side and sends the answers as one event.
pub(super) async fn ask(client: Client, batch: u64, questions: Vec<Question>, to: Sender<Event>) {
    let asked = questions.into_iter().map(|q| {
        let client = client.clone();
        async move { (q.slot, answer(client, q.ask).await) }
    });
    let answers = join_all(asked).await;
    // The dashboard is gone: so is the wish.
    let _ = to.send(Event::Answers { batch, answers }).await;
}

/// Follows live events for ever, connecting again whenever they end.
pub(super) async fn follow(client: Client, to: Sender<Event>) {
    loop {
        if let Ok(mut events) = client.live("").await {
            if to.send(Event::LiveLink(true)).await.is_err() {
                return;
            }
            while let Some(Ok(event)) = events.next().await {
                if to.send(Event::Live(Box::new(event))).await.is_err() {
                    return;
                }
            }
        }
        if to.send(Event::LiveLink(false)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn answer(client: Client, ask: Ask) -> Result<Answer, Error> {
    match ask {
        Ask::Status => client.status().await.map(Answer::Status),
        Ask::Table(query) => client.table(&query).await.map(|t| Answer::Table(Box::new(t))),
        Ask::Series(query) => client.series(&query).await.map(Answer::Series),
        Ask::HeatMap(query) => client.heatmap(&query).await.map(Answer::HeatMap),
        Ask::Anomalies(query) => client.anomalies(&query).await.map(Answer::Anomalies),
        Ask::Agents => client.agents().await.map(Answer::Agents),
    }
}
