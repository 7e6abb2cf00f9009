//! The help: made from the key map. In: the table of keys. Out: two columns of lines.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{lines, take_bottom};
use crate::{
    app::App,
    keymap::{Group, KEYS},
    text,
};

const KEY_CELLS: usize = 12;

const SIGNS: [&str; 2] = [
    "▲ an open anomaly is about this row   ~ numbers that miss something   – not known   ▾ sorted by",
    "Filters: service:shop route:/v1/* consumer:acme status:5xx -method:GET (a OR b)",
];

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    if area.height > 21 {
        let signs = take_bottom(&mut area, 3);
        let said = SIGNS.map(|s| Line::from(Span::styled(format!("  {}", text::cut(s, width - 3)), app.theme.dim)));
        lines(&said, signs, buf);
    }
    let half = Rect { width: area.width / 2, ..area };
    let other = Rect { x: area.x + half.width, width: area.width - half.width, ..area };
    column(app, &[Group::Look, Group::Time], half, buf);
    column(app, &[Group::Move, Group::Ask], other, buf);
}

fn column(app: &App, groups: &[Group], area: Rect, buf: &mut Buffer) {
    let room = usize::from(area.width).saturating_sub(KEY_CELLS + 4);
    let mut said = Vec::new();
    for group in Group::ALL.into_iter().filter(|g| groups.contains(g)) {
        said.push(Line::from(Span::styled(format!("  {}", group.title()), app.theme.accent.patch(app.theme.strong))));
        for binding in KEYS.iter().filter(|b| b.group == group) {
            let keys: Vec<String> = binding.keys.iter().map(|k| k.label()).collect();
            let keys = text::cut(&keys.join(" "), KEY_CELLS);
            let pad = " ".repeat(KEY_CELLS - text::width(&keys));
            said.push(Line::from(vec![
                Span::styled(format!("  {keys}{pad}"), app.theme.strong),
                Span::raw(text::cut(binding.help, room)),
            ]));
        }
    }
    lines(&said, area, buf);
}
