//! The table of refusals in the docs against the client: an agent does what the table says.

use pitot_client::{Error, Verdict};
use pitot_model::api::Problem;

const DOC: &str = include_str!("../docs/refusals.md");

#[test]
fn agents_react_to_refusals_as_the_table_says() {
    let section = DOC.split("\n## ").find(|section| section.starts_with("Reports")).expect("the section is there");
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 20, "{rows:#?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let status = cells[1].split(',').next().and_then(|n| n.parse().ok()).expect("a status");
        let kind = format!("/problems/{}", cells[2].trim_matches('`'));
        let (title, detail) = (String::new(), String::new());
        let problem = Problem { kind, title, status, detail, at: None, retry_after_s: None };
        let reaction = match Error::Problem(Box::new(problem)).verdict() {
            Verdict::Again => "again",
            Verdict::Wait => "keeps",
            Verdict::Never => "drops",
        };
        assert_eq!(*cells.last().expect("cells"), reaction, "{row}");
    }
}
