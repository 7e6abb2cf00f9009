//! What a word of a filter may become. In: the text in front of the cursor. Out: names of fields that begin like it.

use pitot_model::filter::Field;

/// The word in front of the cursor and the fields that begin with it, each with its `:`.
///
/// No fields within quotes and behind a `:`: there stand values.
pub(crate) fn fields(before: &str) -> (&str, Vec<String>) {
    let is_quoted = before.matches('"').count() % 2 == 1;
    let start = before.rfind([' ', '(', '-']).map_or(0, |i| i + 1);
    let word = &before[start..];
    if is_quoted || word.contains([':', '"']) {
        return (word, Vec::new());
    }
    let lower = word.to_lowercase();
    let names = Field::ALL.iter().map(|f| f.name()).filter(|n| n.starts_with(&lower));
    (word, names.map(|n| format!("{n}:")).collect())
}

/// What Tab adds at the cursor: the rest of the only field, or as much as all of them have in common.
pub(crate) fn rest(before: &str) -> Option<String> {
    let (word, fields) = fields(before);
    let first = fields.first().filter(|_| !word.is_empty())?;
    let common = fields.iter().fold(first.as_str(), |common, field| {
        let same = common.bytes().zip(field.bytes()).take_while(|(a, b)| a == b).count();
        &common[..same]
    });
    common.get(word.len()..).filter(|rest| !rest.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_complete_at_the_beginning_of_a_word() {
        for (before, want) in [
            ("ser", Some("vice:")),
            ("status:5xx co", Some("nsumer:")),
            ("s", None),
            ("st", Some("at")),
            ("-meth", Some("od:")),
            ("(dur", Some("ation:")),
            ("", None),
            ("service:sta", None),
            ("\"free te", None),
            ("\"free text\" rou", Some("te:")),
            ("é ser", Some("vice:")),
            ("xyz", None),
            ("İ", None),
        ] {
            assert_eq!(rest(before).as_deref(), want, "{before}");
        }
        assert_eq!(fields("st").1, ["status:", "state:"]);
    }
}
