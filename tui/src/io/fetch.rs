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
        Ask::Coverage(query) => client.coverage(&query).await.map(|c| Answer::Coverage(Box::new(c))),
    }
}

#[cfg(test)]
mod tests {
    use pitot_client::{Answering, Transport};
    use pitot_model::api::TableQuery;

    use super::*;
    use crate::{event::What, snapshot::slot};

    /// Nobody is at the other end.
    struct Nowhere;

    impl Transport for Nowhere {
        fn send(&self, request: http::Request<bytes::Bytes>) -> Answering {
            let why = request.uri().to_string();
            Box::pin(async { Err(Error::Unreachable { target: "nowhere".into(), why }) })
        }

        fn target(&self) -> &str {
            "nowhere"
        }
    }

    #[tokio::test]
    async fn every_question_of_a_batch_has_its_answer() {
        let questions: Vec<_> = [("a", Ask::Status), ("b", Ask::Table(TableQuery::default())), ("c", Ask::Agents)]
            .into_iter()
            .map(|(filter, ask)| Question { slot: slot(What::Status, filter), ask })
            .collect();
        let (sender, mut events) = tokio::sync::mpsc::channel(1);
        ask(Client::new(Nowhere), 7, questions, sender).await;
        let Some(Event::Answers { batch: 7, answers }) = events.recv().await else { unreachable!("one event") };
        let asked: Vec<_> = answers
            .into_iter()
            .map(|(slot, answer)| match answer {
                Err(Error::Unreachable { why, .. }) => (slot.filter, why),
                _ => unreachable!("nobody is there"),
            })
            .collect();
        let want = [("a", "/api/v1/status"), ("b", "/api/v1/table?by=service&sort=count"), ("c", "/api/v1/agents")];
        assert_eq!(asked, want.map(|(f, p)| (f.to_owned(), p.to_owned())));
    }
}
