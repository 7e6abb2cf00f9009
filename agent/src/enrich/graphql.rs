//! The operation of a GraphQL call in its route: `/graphql/#query:GetUser`.
//!
//! In: a call, or what a log says of one. Out: a segment of its own behind the path, so that too many operations are folded among themselves and with
//! nothing else. No path holds a `#`, so none is taken for an operation.

use super::path_of;
use crate::{
    http::{Call, Operation, is_endpoint},
    log::Record,
};

/// Appends the operation to the shape of the call's path. Where it is not known the path alone is the route.
pub(super) fn write_operation(call: &Call, shape: &mut Vec<u8>) {
    if let Some(operation) = call.operation() {
        write(&operation, shape);
    }
}

/// Appends the operation that a log names, where it is one of GraphQL by the path: other logs call other things so.
#[cold]
pub(super) fn write_logged(record: &Record<'_>, scratch: &mut Vec<u8>, shape: &mut Vec<u8>) {
    if is_endpoint(path_of(record.target.decode(scratch)))
        && let Some(operation) = Operation::named(record.operation.decode(scratch))
    {
        write(&operation, shape);
    }
}

fn write(operation: &Operation, shape: &mut Vec<u8>) {
    if shape.last() != Some(&b'/') {
        shape.push(b'/');
    }
    shape.push(b'#');
    operation.write(shape);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pitot_model::{Direction, Reason, Timestamp};

    use crate::{
        decode::Endpoint,
        enrich::{Enricher, Pseudonyms, Settings, Templates},
        http::{Connection, Exchange, Sink},
        log::{Format, Record},
        tcp::{Application, Chunk, Peers, Way},
    };

    struct Routes(Enricher, Vec<(String, bool)>);

    impl Sink for Routes {
        fn exchange(&mut self, exchange: &Exchange<'_>) {
            let (transaction, _) = self.0.enrich_exchange(exchange, Direction::Inbound).unwrap();
            let route = crate::enrich::shown_route(transaction.route);
            self.1.push((format!("{} {route}", transaction.method), transaction.marks.has_errors_inside));
        }

        fn count(&mut self, _: Reason, _: u64) {}

        fn in_flight(&mut self, _: i64, _: i64) {}
    }

    fn settings() -> Arc<Settings> {
        Arc::new(Settings {
            default_service: "default".into(),
            service: None,
            templates: Templates::new(vec!["/tenants/{tenant}/graphql".parse().unwrap()]),
            pseudonyms: Pseudonyms::keyed(&[1; 32]),
            consumers: Arc::default(),
        })
    }

    /// The route of a call, and whether it is marked for errors inside.
    fn route(target: &str, body: &str, answer: &str) -> (String, bool) {
        let mut routes = Routes(Enricher::new(settings()), Vec::new());
        let mut connection = Connection::<Routes>::default();
        let end = |port| Endpoint { ip: [10, 0, 0, 1].into(), port };
        let peers = Peers { opener: end(4_000), other: end(80), has_handshake: true };
        let head = "Content-Type: application/json\r\nContent-Length:";
        for (way, text) in [
            (Way::Forth, format!("POST {target} HTTP/1.1\r\n{head} {}\r\n\r\n{body}", body.len())),
            (Way::Back, format!("HTTP/1.1 200 OK\r\n{head} {}\r\n\r\n{answer}", answer.len())),
        ] {
            let chunk = Chunk {
                offset: 0,
                bytes: text.as_bytes(),
                at: Timestamp::from_secs(1),
                acknowledged: None,
                begins_segment: true,
                may_wait: false,
            };
            connection.chunk(&peers, way, &chunk, &mut routes);
        }
        routes.1.remove(0)
    }

    #[test]
    fn routes_of_operations_stand_behind_their_path() {
        let body = r#"{"query":"query GetUser { user }"}"#;
        for (target, body, want) in [
            ("/graphql", body, "/graphql/#query:GetUser"),
            ("/graphql/?a=b", body, "/graphql/#query:GetUser"),
            ("/api/42/gql", body, "/api/{int}/gql/#query:GetUser"),
            ("/tenants/acme/graphql", body, "/tenants/{tenant}/graphql/#query:GetUser"),
            ("/graphql", r#"{"query":"{ user posts }"}"#, "/graphql/#query.user.posts"),
            ("/graphql", r#"{"query":"nothing"}"#, "/graphql"),
            ("/orders", body, "/orders"),
        ] {
            assert_eq!(route(target, body, "{}"), (format!("POST {want}"), false), "{target} {body}");
        }
        assert!(route("/graphql", body, r#"{"errors":[{}]}"#).1);
    }

    #[test]
    fn logs_that_name_operations_have_them_in_routes() {
        let format = Format::compile("json").unwrap();
        let mut enricher = Enricher::new(settings());
        for (fields, want) in [
            (r#""path":"/graphql","graphql_operation":"GetUser""#, "/graphql/#operation:GetUser"),
            (r#""path":"/graphql?a=b","operationName":"GetUser""#, "/graphql/#operation:GetUser"),
            (r#""path":"/graphql","graphql":{"operation":{"name":"GetUser"}}"#, "/graphql/#operation:GetUser"),
            (r#""path":"/graphql","graphql.operation.name":"A","operationName":"B""#, "/graphql/#operation:A"),
            (r#""path":"/graphql","operationName":"GET Blob""#, "/graphql"),
            (r#""path":"/graphql","operationName":null"#, "/graphql"),
            (r#""path":"/v1/users","operationName":"GetUser""#, "/v1/users"),
        ] {
            let line = format!(r#"{{"time":"2026-01-12T10:00:00Z","method":"POST","status":200,{fields}}}"#);
            let mut record = Record::default();
            assert!(format.parse(line.as_bytes(), &mut record).is_ok(), "{line}");
            assert_eq!(enricher.enrich(&record).unwrap().route, want, "{line}");
        }
    }

    #[test]
    fn credentials_are_no_names_of_operations_and_names_are_no_credentials() {
        for name in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "a3f5c9d2e8b14706a3f5c9d2e8b14706",
        ] {
            for body in [
                format!(r#"{{"query":"query {name} {{ a }}"}}"#),
                format!(r#"{{"operationName":"{name}"}}"#),
                format!(r#"{{"query":"{{ a {name} }}"}}"#),
            ] {
                let (route, _) = route("/graphql", &body, "{}");
                assert!(!route.contains(name), "{route}");
            }
        }
        for name in ["GetUser", "getUserOrders_v2", "IntrospectionQuery", "CustomerOrdersWithLineItemsAndShippingQuery"]
        {
            let (route, _) = route("/graphql", &format!(r#"{{"query":"mutation {name} {{ a }}"}}"#), "{}");
            assert_eq!(route, format!("POST /graphql/#mutation:{name}"));
        }
    }
}
