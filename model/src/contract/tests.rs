//! Documents of three versions, hostile ones, and the way from traffic to a document and back.

use std::{collections::BTreeMap, fmt::Write as _};

use super::*;
use crate::Route;

fn read(text: &str) -> Contract {
    Contract::read(text.as_bytes()).unwrap_or_else(|e| unreachable!("{e}\n{text}"))
}

fn routes(contract: &Contract) -> Vec<String> {
    contract.routes().collect()
}

const OPENAPI_31: &str = r##"
openapi: 3.1.0
info: { title: Shop, version: "2026-01", description: not kept }
servers:
  - url: https://{region}.example.com/{base}
    variables:
      region: { default: eu, enum: [eu, us] }
      base: { default: v2, enum: [v2, v1] }
paths:
  /users/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get:
      operationId: getUser
      responses:
        200: { description: fine, content: { application/json: { schema: { $ref: "#/components/schemas/User" } } } }
        404: { $ref: "#/components/responses/NotFound" }
        5XX: { description: broken }
    delete:
      deprecated: true
      x-sunset: 2027-01-31
      responses: { "204": { description: gone }, default: { description: all else } }
  /old: { $ref: "#/components/pathItems/Old" }
  /hooks:
    servers: [{ url: /internal }]
    post: {}
components:
  pathItems:
    Old: { get: { deprecated: "yes", responses: { "200": { description: ok } } } }
  responses:
    NotFound: { description: none }
  schemas:
    User: { type: object, properties: { parent: { $ref: "#/components/schemas/User" } } }
"##;

#[test]
fn openapi_3_1_in_yaml() {
    let contract = read(OPENAPI_31);
    let head = (contract.title.as_str(), contract.version.as_str(), contract.dialect.as_str());
    assert_eq!(head, ("Shop", "2026-01", "3.1.0"));
    assert_eq!(contract.faults, []);
    assert_eq!(
        routes(&contract),
        [
            "GET /v2/users/{id}",
            "GET /v1/users/{id}",
            "GET /users/{id}",
            "DELETE /v2/users/{id}",
            "DELETE /v1/users/{id}",
            "DELETE /users/{id}",
            "GET /v2/old",
            "GET /v1/old",
            "GET /old",
            "POST /internal/hooks",
            "POST /hooks",
        ]
    );
    let [get, delete, old, hooks] = &contract.operations[..] else { unreachable!("four operations") };
    assert_eq!((get.id.as_str(), get.is_deprecated, old.is_deprecated), ("getUser", false, true));
    assert_eq!((delete.is_deprecated, delete.sunset), (true, "2027-01-31".parse().ok()));
    let allowed = |o: &Operation| [200, 204, 302, 404, 503].map(|code| o.statuses.allow(Status::code(code)));
    assert_eq!(allowed(get), [true, false, false, true, true]);
    assert_eq!(allowed(delete), [true; 5], "default stands for all");
    assert_eq!(allowed(old), [true, false, false, false, false]);
    assert_eq!(allowed(hooks), [true; 5], "no word of statuses allows all");
    assert!(get.statuses.allow(Status::RESET));
}

#[test]
fn openapi_3_0_in_json() {
    let contract = read(
        r#"{ "openapi": "3.0.3", "info": {"title": "A", "version": "1"}, "paths":
        {"/a": {"get": {"responses": {"2XX": {"description": "x"}}}, "x-internal": 1, "summary": "s"}}}"#,
    );
    assert_eq!((routes(&contract), contract.faults), (vec!["GET /a".to_owned()], vec![]));
    assert_eq!(contract.operations[0].statuses.classes.iter().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn swagger_2_in_both() {
    let yaml = "swagger: 2.0\ninfo:\n  title: Pets\nbasePath: /api/\nhost: pets.example\npaths:\n  /pets/{id}:\n    \
                get:\n      produces: [application/json]\n      responses:\n        200:\n          description: a pet\n";
    let json = r#"{"swagger":"2.0","basePath":"/api","paths":{"/pets/{id}":{"get":{"responses":{"200":{}}}}}}"#;
    for text in [yaml, json] {
        assert_eq!(routes(&read(text)), ["GET /api/pets/{id}", "GET /pets/{id}"], "{text}");
    }
}

/// A document with these paths in YAML, each on a line.
fn with_paths(paths: &str) -> String {
    format!("openapi: 3.0.0\npaths:\n  /ok: {{ get: {{}} }}\n{paths}")
}

#[test]
fn what_is_wrong_in_one_place_is_told_with_its_place() {
    for (line, pointer, part) in [
        ("  /a: { $ref: '#/paths/~1a' }", "/paths/~1a", "in circles"),
        ("  /a: { $ref: '#/paths/~1b' }\n  /b: { $ref: '#/paths/~1a' }", "/paths/~1a", "in circles"),
        ("  /a: { $ref: 'other.yaml#/a' }", "/paths/~1a", "another document"),
        ("  /a: { $ref: 'https://x.example/a.yaml' }", "/paths/~1a", "another document"),
        ("  /a: { $ref: '#/components/pathItems/Nope' }", "/paths/~1a", "points to nothing"),
        ("  /a: { $ref: [1] }", "/paths/~1a", "a list instead of a text"),
        ("  a: { get: {} }", "/paths/a", "no path that begins"),
        ("  /a: 7", "/paths/~1a", "instead of an object"),
        ("  /a: { get: [] }", "/paths/~1a/get", "a list instead"),
        ("  /a: { get: { deprecated: [1] } }", "/paths/~1a/get/deprecated", "true or false"),
        ("  /a: { get: { x-sunset: soon } }", "/paths/~1a/get/x-sunset", "no date"),
        ("  /a: { get: { responses: 200 } }", "/paths/~1a/get/responses", "no status is known"),
        ("  /a: { get: { responses: { 20: {} } } }", "/paths/~1a/get/responses/20", "no status"),
        (
            "  /a: { get: { responses: { 404: { $ref: '#/components/responses/No' } } } }",
            "/paths/~1a/get/responses/404",
            "points to nothing",
        ),
        ("  /ok/: { get: {} }\n  /{a}/x: { get: {} }\n  /{b}/x: { get: {} }", "/paths/~1{b}~1x/get", "before"),
        ("  /a: { additionalOperations: { 'A B': {} } }", "/paths/~1a/additionalOperations/A B", "no method"),
    ] {
        let contract = read(&with_paths(line));
        let fault = contract.faults.first().unwrap_or_else(|| unreachable!("no fault: {line}"));
        assert_eq!(fault.pointer, pointer, "{line}: {fault:?}");
        assert!(fault.message.contains(part), "{line}: {fault:?}");
        assert_eq!(contract.operations[0].name(), "GET /ok", "the rest is used");
    }
}

#[test]
fn all_faults_are_told_at_once_and_bounded() {
    let paths: String = (0..150).map(|i| format!("  /p{i}: {{ $ref: 'x.yaml' }}\n")).collect();
    let contract = read(&with_paths(&paths));
    assert_eq!((contract.faults.len(), contract.more_faults), (FAULTS, 50));
}

#[test]
fn what_cannot_be_used_says_why() {
    let deep = |open: &str, close: &str| {
        format!("{{\"openapi\":\"3.0.0\",\"paths\":{}{}}}", open.repeat(100_000), close.repeat(100_000))
    };
    let bomb = |width: usize| {
        let mut text = String::from("openapi: 3.0.0\na: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..20 {
            let list = vec![format!("*a{}", i - 1); width].join(", ");
            let _ = writeln!(text, "paths{i}: &a{i} [{list}]");
        }
        text + "paths: { /a: { get: { responses: *a19 } } }\n"
    };
    let many = |n: usize| {
        let mut text = String::from("{\"openapi\":\"3.0.0\",\"paths\":{");
        for i in 0..n {
            let _ = write!(text, "{}\"/p{i}\":{{\"get\":{{}}}}", if i > 0 { "," } else { "" });
        }
        text + "}}"
    };
    let bases = format!(
        "{{\"openapi\":\"3.0.0\",\"servers\":[{}],{}",
        (0..20).map(|i| format!("{{\"url\":\"/b{i}\"}}")).collect::<Vec<_>>().join(","),
        many(8_000).split_once(',').expect("a comma").1
    );
    for (text, part) in [
        (String::new(), "name an OpenAPI 3 or Swagger 2 document"),
        ("null".to_owned(), "name an OpenAPI 3"),
        ("hello: world".to_owned(), "name an OpenAPI 3"),
        ("{\"openapi\": \"3.0.0\", ".to_owned(), "not JSON: EOF"),
        ("openapi: 3.0.0\npaths: [unclosed".to_owned(), "not YAML"),
        ("openapi: 3.0.0\npaths: {}\n---\nopenapi: 3.0.0\n".to_owned(), "not YAML"),
        ("openapi: 4.0.0".to_owned(), "`4.0.0` is no version"),
        ("swagger: '1.2'".to_owned(), "`1.2` is no version"),
        ("openapi: 3.0.0".to_owned(), "no operation that can be used (at `/paths`: there is none)"),
        ("openapi: 3.0.0\npaths: {}".to_owned(), "no operation"),
        (deep("[", "]"), "not JSON: recursion limit"),
        (deep("{\"/a\":", "}"), "not JSON"),
        (format!("openapi: 3.0.0\npaths: {}", "[".repeat(100_000)), "not YAML"),
        (format!("openapi: 3.0.0\nx: {}{}", "[".repeat(50_000), "]".repeat(50_000)), "not YAML"),
        (bomb(10), "not YAML"),
        (many(1_000_000), "more than 524288 values"),
        (many(30_000), "more than 20000 operations"),
        (bases, "more than 40000 paths behind"),
        ("a: \u{7}".to_owned(), "not YAML"),
        ("\u{0}".repeat(1000), "not YAML"),
    ] {
        let error = Contract::read(text.as_bytes()).err().unwrap_or_else(|| unreachable!("taken: {part}"));
        let told = error.to_string();
        assert!(told.contains(part), "{told} has no {part}");
        assert!(told.len() < 400 && !told.contains(['\n', '\u{7}', '\u{0}']), "{told}");
    }
    assert_eq!(Contract::read(b"openapi: \xff").err(), Some(ContractError::NoText(9)));
    let long = vec![b' '; budget::CONTRACT_BYTES + 1];
    assert_eq!(Contract::read(&long).err(), Some(ContractError::TooLong));
}

#[test]
fn what_does_not_matter_costs_no_room() {
    let example = format!("[{}1]", "{\"a\":[1,2,3]},".repeat(400_000));
    let text = format!(
        "{{\"openapi\":\"3.0.0\",\"components\":{{\"examples\":{example}}},\"paths\":{{\"/a\":{{\"get\":{{\"requestBody\":{example}}}}}}}}}"
    );
    assert_eq!(routes(&read(&text)), ["GET /a"]);
}

#[test]
fn aliases_and_merges_of_people_work() {
    let text = "openapi: 3.0.0\nx-get: &get { get: { responses: { 200: {} } } }\npaths:\n  /a: *get\n  /b:\n    <<: *get\n    put: {}\n";
    assert_eq!(routes(&read(text)), ["GET /a", "PUT /b", "GET /b"]);
}

fn observed(route: &str, statuses: &[(u16, u64)]) -> Observed {
    let (method, template) = route.split_once(' ').expect("a method and a path");
    let statuses: BTreeMap<Status, u64> = statuses.iter().map(|(code, n)| (Status::code(*code), *n)).collect();
    Observed { route: Route::new(method, template), statuses, ..Observed::default() }
}

#[test]
fn what_is_inferred_describes_all_that_was_seen() {
    let mut all = vec![
        observed("GET /v1/users/{int}", &[(200, 9), (404, 1)]),
        observed("GET /v1/users/{slug}", &[(200, 2)]),
        observed("PUT /v1/users/{int}/companies/{uuid}", &[(204, 1)]),
        observed("GET /compare/{hex}...{hex}", &[(200, 1)]),
        observed("GET /{slug}/{slug}", &[(200, 1)]),
        observed("GET /photos/{slug}.webp", &[(200, 1)]),
        observed("GET /files/*", &[(200, 1)]),
        observed("GET /files/{int}", &[(206, 1)]),
        observed("GET /u/:name", &[(200, 1)]),
        observed("GET /c/{customer}/", &[(200, 1)]),
        observed("PROPFIND /dav", &[(207, 1)]),
        observed("_OTHER /log", &[(200, 1)]),
        observed("GET /", &[(200, 1)]),
        observed("GET /r/{date}", &[]),
        observed("POST /graphql/#query:GetUser", &[(200, 1)]),
        observed("POST /graphql/#mutation:SetUser", &[(200, 1)]),
        observed("GET (other)", &[(200, 1)]),
        observed("OPTIONS *", &[(200, 1)]),
    ];
    all[2].is_deprecated = true;
    all[2].sunset = "2027-01-31".parse().ok();
    let inferred = Inferred::new("shop", &all);
    assert_eq!(inferred.left_out, 2);
    let text = inferred.document.to_string();
    let yaml = yaml(&inferred.document).expect("is written");
    let names: Vec<&str> = inferred.document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "/",
            "/c/{customer}/",
            "/compare/{compare_id}...{compare_id_2}",
            "/dav",
            "/files/{file}",
            "/graphql",
            "/log",
            "/photos/{photo}.webp",
            "/r/{date}",
            "/u/{name}",
            "/v1/users/{user}",
            "/v1/users/{user_id}/companies/{company_id}",
            "/{name}/{name_2}",
        ]
    );
    // An independent reader takes it.
    let spec: oas3::OpenApiV3Spec = oas3::from_json(&text).expect("OpenAPI 3.1");
    assert_eq!(spec.operations().count(), 11);
    let contract = read(&text);
    assert_eq!((&contract.faults, &contract), (&vec![], &read(&yaml)));
    let paths = Paths::new(&contract.operations);
    for one in all.iter().filter(|o| o.route.template.starts_with('/')) {
        let Found::Operation(i) = paths.find(&one.route.method, &one.route.template) else {
            unreachable!("{} is not described by\n{yaml}", one.route)
        };
        let operation = &contract.operations[i];
        assert!(one.statuses.keys().all(|s| operation.statuses.allow(*s)), "{}", one.route);
        assert_eq!((operation.is_deprecated, operation.sunset), (one.is_deprecated, one.sunset), "{}", one.route);
    }
}

#[test]
fn methods_that_are_no_words_become_routes_of_any_method() {
    let contract = read("openapi: 3.1.0\npaths: { /log: { x-additional-operations: { _OTHER: {} } } }");
    assert_eq!(routes(&contract), ["/log"]);
}
