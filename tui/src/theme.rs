//! The look: one accent, red for errors only, yellow for warnings, everything else by weight.
//!
//! In: how many colours there are and how bright the background is. Out: styles by meaning. Without colours the same
//! meanings are carried by bold, dim and reverse; signs and words carry them a second time in the views.

use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// None: bold, dim and reverse only.
    None,
    /// The sixteen that every terminal has.
    Ansi16,
    /// The palette of 256.
    Ansi256,
    /// 24 bits.
    True,
}

impl Colors {
    /// From the environment variables `NO_COLOR`, `COLORTERM` and `TERM`, looked up by their names.
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Self {
        Self::detect(var("NO_COLOR").as_deref(), var("COLORTERM").as_deref(), var("TERM").as_deref())
    }

    /// From the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    ///
    /// Source: <https://no-color.org>: present and not empty means no colours.
    fn detect(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or("");
        if no_color.is_some_and(|v| !v.is_empty()) || term == "dumb" {
            return Self::None;
        }
        match colorterm {
            Some("truecolor" | "24bit") => Self::True,
            _ if term.contains("direct") => Self::True,
            _ if term.contains("256") => Self::Ansi256,
            _ => Self::Ansi16,
        }
    }
}

/// Which background the colours are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeName {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

/// Styles by meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Theme {
    pub(crate) text: Style,
    /// What is there to be found, not to be read: labels, units, hints.
    pub(crate) dim: Style,
    pub(crate) strong: Style,
    pub(crate) accent: Style,
    /// The chosen one of several: the present view.
    pub(crate) chosen: Style,
    pub(crate) error: Style,
    pub(crate) warning: Style,
    /// Laid over the selected row.
    pub(crate) selected: Style,
    /// From almost nothing to the most; never empty. The glyph thins the colour already, so it never starts faint.
    pub(crate) heat: Vec<Style>,
}

impl Theme {
    pub(crate) fn new(colors: Colors, name: ThemeName) -> Self {
        let dark = name == ThemeName::Dark;
        match colors {
            Colors::None => Self::plain(),
            Colors::Ansi16 if dark => {
                let heat = [Color::Cyan, Color::Cyan, Color::LightCyan];
                Self::of(Color::DarkGray, Color::Cyan, Color::Red, Color::Yellow, None, &heat)
            }
            // Cyan and yellow cannot be read on white.
            Colors::Ansi16 => Self::of(Color::DarkGray, Color::Blue, Color::Red, Color::Magenta, None, &[Color::Blue]),
            Colors::Ansi256 if dark => {
                Self::of(i(245), i(80), i(203), i(221), Some(i(237)), &[30, 37, 43, 79, 122, 194].map(i))
            }
            Colors::Ansi256 => Self::of(i(243), i(30), i(160), i(136), Some(i(253)), &[73, 37, 36, 30, 29, 22].map(i)),
            Colors::True if dark => Self::of(
                rgb(0x7d_8590),
                rgb(0x5c_c8be),
                rgb(0xf2_6d6d),
                rgb(0xe6_c35c),
                Some(rgb(0x26_2f38)),
                &[0x35_8088, 0x3f_9a9c, 0x52_b4ae, 0x74_cabc, 0xa0_e0cf, 0xd2_f5e3].map(rgb),
            ),
            Colors::True => Self::of(
                rgb(0x6a_737d),
                rgb(0x0b_7285),
                rgb(0xc9_2a2a),
                rgb(0x9a_6700),
                Some(rgb(0xe3_ecef)),
                &[0x6a_b6bd, 0x4b_a3ac, 0x33_8f9a, 0x1f_7a86, 0x11_616d, 0x06_424d].map(rgb),
            ),
        }
    }

    fn plain() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            text: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            strong: bold,
            accent: Style::new(),
            chosen: bold.add_modifier(Modifier::REVERSED),
            error: bold,
            warning: bold,
            selected: Style::new().add_modifier(Modifier::REVERSED),
            heat: vec![Style::new()],
        }
    }

    fn of(dim: Color, accent: Color, error: Color, warning: Color, selected: Option<Color>, heat: &[Color]) -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let accent = Style::new().fg(accent);
        Self {
            text: Style::new(),
            dim: Style::new().fg(dim),
            strong: bold,
            accent,
            chosen: accent.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            error: Style::new().fg(error).add_modifier(Modifier::BOLD),
            warning: Style::new().fg(warning),
            selected: selected.map_or(bold, |c| bold.bg(c)),
            heat: heat.iter().map(|c| Style::new().fg(*c)).collect(),
        }
    }

    /// The style of an intensity in `[0, 1]`.
    pub(crate) fn heat_at(&self, intensity: f64) -> Style {
        let last = self.heat.len().saturating_sub(1);
        let index = (intensity.clamp(0.0, 1.0) * self.heat.len() as f64) as usize;
        self.heat.get(index.min(last)).copied().unwrap_or(self.text)
    }
}

fn i(n: u8) -> Color {
    Color::Indexed(n)
}

fn rgb(n: u32) -> Color {
    Color::from_u32(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_and_their_colours() {
        for (no_color, colorterm, term, want) in [
            (None, None, None, Colors::Ansi16),
            (None, None, Some("xterm"), Colors::Ansi16),
            (None, None, Some("xterm-256color"), Colors::Ansi256),
            (None, Some("truecolor"), Some("xterm-256color"), Colors::True),
            (None, Some("24bit"), None, Colors::True),
            (None, None, Some("xterm-direct"), Colors::True),
            (Some("1"), Some("truecolor"), Some("xterm"), Colors::None),
            (Some(""), None, Some("xterm"), Colors::Ansi16),
            (None, None, Some("dumb"), Colors::None),
        ] {
            assert_eq!(Colors::detect(no_color, colorterm, term), want, "{no_color:?} {colorterm:?} {term:?}");
        }
    }

    #[test]
    fn heat_covers_its_whole_ramp() {
        let theme = Theme::new(Colors::True, ThemeName::Dark);
        assert_eq!(theme.heat_at(0.0), theme.heat[0]);
        assert_eq!(theme.heat_at(1.0), theme.heat[theme.heat.len() - 1]);
        assert_eq!(theme.heat_at(f64::NAN), theme.heat[0]);
    }
}
