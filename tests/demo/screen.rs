//! What the demo shows: plain text, with colours where somebody watches.

use std::io::IsTerminal;
use std::time::Duration;

/// Standard output.
pub struct Screen {
    colours: bool,
}

impl Screen {
    /// With colours if it is a terminal.
    pub fn of_stdout() -> Self {
        Self { colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The head of a chapter.
    pub fn title(&self, text: &str) {
        println!("\n{}", self.painted("1", &format!("== {text}")));
    }

    /// A line of the console, with the time since the boot began.
    pub fn console(&self, at: Duration, line: &str) {
        let code = if line.contains("failed") { "31" } else { "0" };
        println!("  {} {}", self.painted("2", &format!("{:6.2}", at.as_secs_f64())), self.painted(code, line));
    }

    /// The cut.
    pub fn cut(&self, text: &str) {
        println!("  {}", self.painted("1;31", &format!("  >>>  {text}")));
    }

    /// Text as it is.
    pub fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("  {line}");
        }
    }

    /// Whether something holds.
    pub fn check(&self, holds: bool, what: &str) {
        let mark = if holds { self.painted("32", "ok    ") } else { self.painted("1;31", "WRONG ") };
        println!("  {mark} {what}");
    }
}
