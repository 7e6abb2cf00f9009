//! Keys and answers in, screens out: what people see, pinned as text; and what the dashboard asks and does on the way.

mod behaviour;
mod fake;
mod pictures;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fake::World;
use pitot_client::Error;
use pitot_model::Timestamp;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use crate::{
    Colors, Options, ThemeName,
    app::App,
    event::{Command, Event, Question},
};

/// The dashboard with a world behind it.
struct Stage {
    app: App,
    world: World,
    /// The collector does not answer.
    is_away: bool,
    size: (u16, u16),
    /// Questions so far.
    asked: Vec<Question>,
    has_quit: bool,
}

impl Stage {
    fn new(world: World, size: (u16, u16)) -> Self {
        let options = Options { source: "127.0.0.1:7077".into(), ..Options::default() };
        Self::with(world, size, options)
    }

    fn with(world: World, size: (u16, u16), options: Options) -> Self {
        let app = App::new(options, Timestamp::from_secs(fake::NOW));
        let mut stage = Self { app, world, is_away: false, size, asked: Vec::new(), has_quit: false };
        stage.send(Event::Resize(size.0, size.1));
        stage
    }

    /// Sends an event, and answers what is asked until nothing more is.
    fn send(&mut self, event: Event) {
        let mut commands = self.app.handle(event);
        while let Some(command) = commands.pop() {
            match command {
                Command::Quit => self.has_quit = true,
                Command::Ask { batch, questions } => {
                    self.asked.extend(questions.iter().cloned());
                    let answers = questions.into_iter().map(|q| {
                        let answer = if self.is_away { Err(away()) } else { Ok(fake::answer(self.world, &q.ask)) };
                        (q.slot, answer)
                    });
                    let answers = answers.collect();
                    commands.extend(self.app.handle(Event::Answers { batch, answers }));
                }
            }
        }
    }

    /// Presses keys: characters, and `⏎ ⎋ ⇥ ↓ ↑ ⌫` for those without one.
    fn press(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            let code = match c {
                '⏎' => KeyCode::Enter,
                '⎋' => KeyCode::Esc,
                '⇥' => KeyCode::Tab,
                '↓' => KeyCode::Down,
                '↑' => KeyCode::Up,
                '⌫' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            };
            self.send(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        self
    }

    /// Lets time pass.
    fn wait(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds {
            self.send(Event::Tick(self.app.now + Duration::from_secs(1)));
        }
        self
    }

    fn buffer(&self) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).expect("it cannot fail");
        terminal.draw(|frame| self.app.draw(frame)).expect("it cannot fail");
        terminal.backend().buffer().clone()
    }

    /// The screen as text, without spaces at the ends of lines.
    fn screen(&self) -> String {
        let buffer = self.buffer();
        let lines = buffer.content().chunks(usize::from(self.size.0)).map(|line| {
            let mut text = String::new();
            let mut covered = 0;
            for cell in line {
                if covered == 0 {
                    text.push_str(cell.symbol());
                    covered = crate::text::width(cell.symbol()).saturating_sub(1);
                } else {
                    covered -= 1;
                }
            }
            text.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn away() -> Error {
    Error::Unreachable { target: "http://127.0.0.1:7077".into(), why: "connection refused".into() }
}
