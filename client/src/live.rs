//! What happens at the collector, as it happens. In: the body of `GET /api/v1/live`. Out: a stream of [`LiveEvent`]s.

use std::pin::Pin;

use futures_util::{Stream, stream};
use http_body_util::BodyExt as _;
use pitot_model::api::LiveEvent;
use serde_json::Value;

use crate::{Body, Error, sse};

/// Events until the connection ends; an error is the last item. Events of kinds that we do not know are left out.
pub type Live = Pin<Box<dyn Stream<Item = Result<LiveEvent, Error>> + Send>>;

/// The events in a body.
pub(crate) fn live(body: Body, target: String) -> Live {
    let state = Some((body, sse::Sse::default(), target));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut body, mut sse, target) = state?;
        loop {
            while let Some(event) = sse.poll() {
                match understand(event) {
                    Ok(None) => {}
                    Ok(Some(event)) => return Some((Ok(event), Some((body, sse, target)))),
                    Err(e) => return Some((Err(e), None)),
                }
            }
            match body.frame().await? {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        sse.push(&bytes);
                    }
                }
                Err(why) => return Some((Err(Error::Interrupted { target, why: why.to_string() }), None)),
            }
        }
    }))
}

/// The tag stands in the data or only in the name of the event; both are understood.
fn understand(event: sse::Event) -> Result<Option<LiveEvent>, Error> {
    let malformed = |e: serde_json::Error| Error::Malformed { path: "/api/v1/live".into(), why: e.to_string() };
    let mut value: Value = serde_json::from_str(&event.data).map_err(malformed)?;
    if let Value::Object(fields) = &mut value
        && !fields.contains_key("event")
    {
        fields.insert("event".into(), Value::String(event.name));
    }
    match value.get("event").and_then(Value::as_str) {
        Some("data" | "anomaly") => serde_json::from_value(value).map(Some).map_err(malformed),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_in_the_data_or_beside_it() {
        for (name, data, is_known) in [
            ("data", r#"{"event":"data","watermark":"2026-01-12T00:00:00Z","transactions":3}"#, true),
            ("data", r#"{"watermark":"2026-01-12T00:00:00Z","transactions":3}"#, true),
            ("", r#"{"event":"data","watermark":"2026-01-12T00:00:00Z","transactions":3,"new":1}"#, true),
            ("weather", r#"{"is":"fine"}"#, false),
        ] {
            let event = understand(sse::Event { name: name.into(), data: data.into() });
            assert_eq!(event.map(|e| e.is_some()), Ok(is_known), "{data}");
        }
        let broken = understand(sse::Event { name: "data".into(), data: "{".into() });
        assert!(matches!(broken, Err(Error::Malformed { .. })));
    }
}
