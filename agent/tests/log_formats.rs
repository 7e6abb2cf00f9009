//! Formats by name, by specification and by detection: one line each, as the servers' own pages show them.

use pitot_agent::log::{Format, Record};
use pitot_model::{Evidence, Reason};

/// `time|start|client|host|METHOD target|status|bytes|duration us|ttfb us|evidence:consumer`.
fn show(format: &Format, line: &str) -> String {
    let mut r = Record::default();
    if let Err(skip) = format.parse(line.as_bytes(), &mut r) {
        return format!("{} {} {}", skip.reason, skip.field, skip.at);
    }
    let text = |t: pitot_agent::log::Text<'_>| String::from_utf8_lossy(t.decode(&mut Vec::new())).into_owned();
    let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    format!(
        "{}|{}|{}|{}|{} {}{}{}|{}|{}|{}|{}|{}:{}",
        r.time.map_or_else(String::new, |t| t.to_string()),
        if r.time_is_start { "start" } else { "end" },
        text(r.client),
        text(r.host),
        text(r.method),
        text(r.target),
        if r.query.is_empty() { "" } else { "?" },
        text(r.query),
        number(r.status.map(u64::from)),
        number(r.response_bytes),
        number(r.duration_us),
        number(r.ttfb_us),
        r.evidence.name(),
        text(r.consumer),
    )
}

const CLF: &str = r#"1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 5"#;

#[test]
fn specifications() {
    let combined = format!(r#"{CLF} "-" "curl""#);
    for (spec, line, want) in [
        (
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent rt=$request_time key=$http_x_api_key"#,
            format!("{CLF} rt=0.012 key=k1"),
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|12000||key:k1",
        ),
        (
            "log_format main '$remote_addr $host [$time_iso8601] '\n '\"$request\" $status $upstream_response_time \"$http_user_agent\"';",
            r#"1.2.3.4 a.org [2000-10-10T13:55:36+00:00] "GET / HTTP/1.1" 200 0.010, 0.020 "curl""#.into(),
            "2000-10-10T13:55:36Z|end|1.2.3.4|a.org|GET /|200||30000||none:",
        ),
        (
            r#"log_format j escape=json '{"t":"$msec","m":"$request_method","u":"$request_uri","x":{"s":$status},"who":"$http_x_consumer_username"}';"#,
            r#"{"t":"971186136.000","m":"GET","u":"/a\"b","x":{"s":200},"who":"acme"}"#.into(),
            "2000-10-10T13:55:36Z|end|||GET /a\"b|200||||name:acme",
        ),
        (
            r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#,
            combined.clone(),
            "2000-10-10T13:55:36Z|start|1.2.3.4||GET /a?b=1|200|5|||none:",
        ),
        (
            r#"LogFormat "%v:%p %h %l %u %t \"%m %U%q %H\" %>s %O %D %{X-Api-Key}i" x"#,
            r#"a.org:80 1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] "GET /a?b=1 HTTP/1.1" 200 5 1234 k1"#.into(),
            "2000-10-10T13:55:36Z|start|1.2.3.4|a.org|GET /a?b=1|200|5|1234||key:k1",
        ),
        (
            r#"%h %^ %e [%d:%t %^] "%r" %s %b "%R" "%u""#,
            combined.clone(),
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|||none:",
        ),
        (
            "%d %t %h %m %U %q %s %L ;; %Y-%m-%d ;; %H:%M:%S",
            "2000-10-10 13:55:36 1.2.3.4 GET /a b=1 200 15".into(),
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200||15000||none:",
        ),
        (
            r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %BYTES_SENT% %DURATION% "%REQ(X-API-KEY)%""#,
            r#"[2000-10-10T13:55:36.000Z] "GET /a HTTP/2" 200 5 12 "k1""#.into(),
            "2000-10-10T13:55:36Z|start|||GET /a|200|5|12000||key:k1",
        ),
        (
            "combined",
            format!("<190>Oct 10 13:55:36 host nginx: {combined}"),
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|||none:",
        ),
        ("combined", combined, "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|||none:"),
    ] {
        let format = Format::compile(spec).unwrap_or_else(|error| unreachable!("{spec}: {error}"));
        assert_eq!(show(&format, &line), want, "{spec}");
    }
}

#[test]
fn detection() {
    let key = "ak_0123456789abcdef";
    for (line, name, want) in [
        (
            format!(r#"{CLF} "-" "curl" 0.012 0.011 "{key}""#),
            "combined+rt with request_time, upstream_response_time, http_x_api_key",
            format!("2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|12000||key:{key}"),
        ),
        (
            format!(r#"{CLF} "-" "curl" "-" rt=0.012 uct="0.001" urt="0.010, 0.001""#),
            "combined with rt",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|12000||none:".into(),
        ),
        (
            format!("<190>Oct 10 13:55:36 host nginx: {CLF}"),
            "common",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|||none:".into(),
        ),
        (
            r#"https 2023-04-26T12:23:00.186641Z app/x/1 1.2.3.4:4474 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://a.org:443/r HTTP/1.1" "curl" - - arn "Root=1" "a.org" "-" 1 2018-07-02T22:22:48.364000Z"#.into(),
            "alb",
            "2023-04-26T12:23:00.186641Z|end|1.2.3.4|a.org|GET https://a.org:443/r|200|57|171000|134000|none:".into(),
        ),
        (
            "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0\t-\t-\tHit\tSOX4==\td111.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-".into(),
            "w3c",
            "2019-12-04T21:02:31Z|end|192.0.2.100|d111.cloudfront.net|GET /index.html|200|392|1000|1000|none:".into(),
        ),
        (
            r#"{"time":"2000-10-10T13:55:36+00:00","msec":971186136.250,"remote_addr":"1.2.3.4","method":"GET","uri":"/a","protocol":"HTTP/1.1","status":200,"bytes":5,"request_time":0.012,"upstream_response_time":"-","consumer":"acme","user_agent":"a","request_id":"7"}"#.into(),
            "json",
            "2000-10-10T13:55:36.250Z|end|1.2.3.4||GET /a|200|5|12000||name:acme".into(),
        ),
        (
            "2022/03/09 21:30:01.524\tINFO\thttp.log.access\thandled request\t{\"request\": {\"remote_ip\": \"1.2.3.4\", \"method\": \"GET\", \"host\": \"a.org\", \"uri\": \"/a\"}, \"duration\": 0.012, \"size\": 5, \"status\": 200}".into(),
            "json",
            "2022-03-09T21:30:01.524Z|end|1.2.3.4|a.org|GET /a|200|5|12000||none:".into(),
        ),
        (
            format!(r#"{CLF} "-" "c" 462 0.050 [some-9000] [other-5000] 10.0.50.80:9000 19437 0.049 200 7521"#),
            "nginx-ingress with request_length, request_time, proxy_upstream_name",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|50000||none:".into(),
        ),
        (
            r#"Sep 27 15:42:59 lb haproxy[2]: info 1.2.3.4:317 [10/Oct/2000:13:55:36.395] in be/s 1/0/2/3/9 200 5 - - ---- 1/1/1/1/0 0/0 "GET /a HTTP/1.1""#.into(),
            "haproxy",
            "2000-10-10T13:55:36.395Z|start|1.2.3.4||GET /a|200|5|9000|6000|none:".into(),
        ),
        (
            r#"{"ClientIP":"1.2.3.4","ClientRequestHost":"a.org","ClientRequestMethod":"GET","ClientRequestURI":"/a","EdgeResponseStatus":200,"EdgeResponseBytes":5,"EdgeEndTimestamp":"2000-10-10T13:55:36Z"}"#.into(),
            "json",
            "2000-10-10T13:55:36Z|end|1.2.3.4|a.org|GET /a|200|5|||none:".into(),
        ),
        (
            r#"{"httpRequest":{"requestMethod":"GET","requestUrl":"https://a.org/a","status":200,"responseSize":"5","remoteIp":"1.2.3.4","latency":"0.012s"},"timestamp":"2000-10-10T13:55:36Z"}"#.into(),
            "json",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET https://a.org/a|200|5|12000||none:".into(),
        ),
        (
            r#"1.2.3.4 - - [10/Oct/2000:13:55:36 +0000]"GET /pets HTTP/1.1" 200 5 6d5c8a7a-0f1e-4d6f-9f0e-0a1b2c3d4e5f XYZ="#.into(),
            "combined with request_id",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /pets|200|5|||none:".into(),
        ),
        (
            r#"{"timestamp":"2000-10-10T13:55:36Z","http.request.method":"GET","url.path":"/a","http.response.status_code":200,"client.address":"1.2.3.4","http.server.request.duration":0.012}"#.into(),
            "json",
            "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a|200||12000||none:".into(),
        ),
    ] {
        let format = Format::detect(&[line.as_bytes()]).unwrap_or_else(|| unreachable!("{line}"));
        assert_eq!(format.describe(), name, "{line}");
        assert_eq!(show(&format, &line), want, "{line}");
    }
}

#[test]
fn one_file_may_hold_several_formats() {
    let combined = format!(r#"{CLF} "-" "curl""#);
    let timed = format!(r#"{CLF} 0.012 "-" "curl""#);
    let error = r#"2022/01/24 16:33:06 [error] 334#334: *338 open() failed, request: "GET / HTTP/1.1""#;
    let json = r#"{"method":"GET","path":"/a","status":200,"ts":971186136}"#;
    let lines = [combined.as_str(), error, &timed, "", json, "# note", "nonsense"];
    let sample: Vec<&[u8]> = lines.iter().map(|l| l.as_bytes()).collect();
    let format = Format::detect(&sample).expect("three of the lines are records");
    let got: Vec<String> = lines.iter().map(|line| show(&format, line)).collect();
    let head = "2000-10-10T13:55:36Z|end|1.2.3.4||GET /a?b=1|200|5|";
    assert_eq!(
        got,
        [
            &format!("{head}||none:"),
            "line_foreign line 0",
            &format!("{head}12000||none:"),
            "line_blank line 0",
            "2000-10-10T13:55:36Z|end|||GET /a|200||||none:",
            "line_blank line 0",
            "line_malformed client 0",
        ]
    );
    assert!(Format::detect(&[b"nonsense", b""]).is_none());
}

#[test]
fn the_consumer_is_the_field_that_was_chosen() {
    let user = CLF.replace("- - [", "- bob [");
    for (spec, field, line, want) in [
        ("common", "remote_user", user.as_str(), Ok((Evidence::User, "bob"))),
        ("combined+rt", "$http_x_api_key", &format!(r#"{CLF} "-" "c" 0.1 - "k""#), Ok((Evidence::Key, "k"))),
        (
            "json",
            "tags.team",
            r#"{"method":"GET","path":"/","status":200,"tags":{"team":"a"},"apikey":"k"}"#,
            Ok((Evidence::Name, "a")),
        ),
        (r#"%h [%t] "%r" %s %b %^"#, "nope", "", Err("no field")),
        ("haproxy", "x", "", Err("no field")),
    ] {
        let format = Format::compile(spec).and_then(|f| f.with_consumer(field));
        let mut out = Record::default();
        let got = match &format {
            Ok(format) => {
                assert_eq!(format.parse(line.as_bytes(), &mut out), Ok(()), "{spec}");
                Ok((out.evidence, std::str::from_utf8(out.consumer.raw).unwrap_or("?")))
            }
            Err(error) => Err(error.to_string()),
        };
        match want {
            Ok(want) => assert_eq!(got, Ok(want), "{spec}"),
            Err(want) => assert!(got.is_err_and(|e| e.contains(want)), "{spec}"),
        }
    }
}

#[test]
fn explicit_formats_say_which_field_failed() {
    let spec = r#"$remote_addr [$time_local] "$request" $status $request_time"#;
    let format = Format::compile(spec).expect("a usual format");
    for (line, reason, field) in [
        (r#"1.2.3.4 [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" abc 0.1"#, Reason::LineMalformed, "status"),
        (r#"1.2.3.4 [10 Oct 2000] "GET / HTTP/1.1" 200 0.1"#, Reason::TimeUnreadable, "time"),
        (r#"1.2.3.4 [10/Oct/2000:13:55:36 +0000] "GET /v1/us"#, Reason::LineCut, "request"),
        ("something else", Reason::LineMalformed, "client"),
    ] {
        let skip = format.parse(line.as_bytes(), &mut Record::default()).expect_err(line);
        assert_eq!((skip.reason, skip.field), (reason, field), "{line}");
    }
}
