//! A writer that does anything at any time, against an agent that reads, stops and goes on at any time: every line once.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Action {
    /// So many lines.
    Write(u8),
    /// A line in two parts.
    Begin,
    Rename,
    CopyTruncate,
    /// By date, compressed at once.
    Pack,
    /// The newest generation that is not compressed.
    PackLater,
    ReadOnce,
    Read,
    Stop,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (1..6_u8).prop_map(Action::Write),
        2 => Just(Action::Begin),
        2 => Just(Action::Rename),
        2 => Just(Action::CopyTruncate),
        1 => Just(Action::Pack),
        1 => Just(Action::PackLater),
        2 => Just(Action::ReadOnce),
        3 => Just(Action::Read),
        2 => Just(Action::Stop),
    ]
}

struct Writer {
    rig: Rig,
    lines: u64,
    dates: u64,
    has_begun: bool,
}

impl Writer {
    fn do_it(&mut self, action: Action, read: &mut String) {
        match action {
            Action::Write(n) => {
                self.end();
                for _ in 0..n {
                    let line = self.line();
                    self.rig.write("a.log", line);
                }
            }
            Action::Begin => {
                self.end();
                let line = self.line();
                // Files are known by what was seen of them: no two of them begin with the same line.
                self.rig.write("a.log", &line[..5]);
                self.has_begun = true;
            }
            Action::Rename if self.rig.path("a.log").exists() => {
                self.end();
                self.shift();
                self.rig.rename("a.log", "a.log.1");
                self.rig.write("a.log", "");
            }
            Action::CopyTruncate if self.rig.path("a.log").exists() => {
                // Half a line in the copy and half in the file are two lines for anyone.
                self.end();
                self.shift();
                self.rig.copy_truncate("a.log", "a.log.1");
            }
            Action::Pack if self.rig.path("a.log").exists() => {
                self.end();
                self.dates += 1;
                let name = format!("a.log-{}", 20_260_000 + self.dates);
                self.rig.rename("a.log", &name);
                self.rig.write("a.log", "");
                self.rig.pack(&name, "gz");
            }
            Action::PackLater => {
                if self.rig.path("a.log.1").exists() {
                    self.shift();
                    self.rig.pack("a.log.2", "gz");
                }
            }
            Action::ReadOnce => read.push_str(&String::from_utf8(self.rig.read_once().0).unwrap()),
            Action::Read => {
                read.push_str(&self.rig.read());
                read.push('\n');
            }
            Action::Stop => self.rig.stop(),
            Action::Rename | Action::CopyTruncate | Action::Pack => {}
        }
    }

    fn line(&mut self) -> String {
        self.lines += 1;
        format!("a{:04}\n", self.lines)
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.has_begun) {
            let rest = &format!("a{:04}\n", self.lines)[5..];
            self.rig.write("a.log", rest);
        }
    }

    fn shift(&self) {
        for n in (1..60).rev() {
            for ending in ["", ".gz"] {
                let from = format!("a.log.{n}{ending}");
                if self.rig.path(&from).exists() {
                    self.rig.rename(&from, &format!("a.log.{}{ending}", n + 1));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_read_once(actions in proptest::collection::vec(action(), 1..40), pattern in any::<bool>()) {
        let rig = Rig::new(&[if pattern { "a.log*" } else { "a.log" }]);
        let mut writer = Writer { rig, lines: 0, dates: 0, has_begun: false };
        let mut read = String::new();
        writer.rig.write("a.log", "");
        writer.do_it(Action::Read, &mut read);
        for action in &actions {
            writer.do_it(*action, &mut read);
        }
        writer.end();
        writer.do_it(Action::Read, &mut read);
        let mut lines: Vec<&str> = read.split_whitespace().collect();
        lines.sort_unstable();
        let want: Vec<String> = (1..=writer.lines).map(|n| format!("a{n:04}")).collect();
        prop_assert_eq!(lines, want);
        prop_assert_eq!(writer.rig.lost, 0);
    }
}
