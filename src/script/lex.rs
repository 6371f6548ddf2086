//! Shell text to tokens, as the POSIX shell's token recognition has it (XCU 2.3).

/// The text is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The word without its quotes; expansions stand as written.
    pub value: String,
    /// Some of it was quoted.
    pub quoted: bool,
    /// Something in it is expanded when it is run: a parameter, arithmetic, a command, a pattern, a tilde.
    pub expands: bool,
    /// Texts of its command substitutions.
    pub commands: Vec<String>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// A control operator.
    Op(&'static str),
    /// A redirection operator; the word after it is its target.
    Redirect(&'static str),
    /// The body of a here-document whose operator and delimiter came before, at the end of its line.
    HereDoc(String),
    /// The end of a line.
    Newline,
}

const OPERATORS: [&str; 8] = ["&&", "||", ";;", ";", "&", "|", "(", ")"];
const REDIRECTS: [&str; 9] = ["<<-", "<<", ">>", "<&", ">&", "<>", ">|", "<", ">"];

/// Longest text that is looked at.
const LONGEST: usize = 1 << 20;

/// All tokens of the text.
pub fn tokens(text: &str) -> Result<Vec<Token>, Unclear> {
    if text.len() > LONGEST || text.contains('\0') {
        return Err(Unclear);
    }
    let mut lexer = Lexer { rest: text, tokens: Vec::new(), pending: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    tokens: Vec<Token>,
    /// Delimiters of here-documents that begin after this line; whether tabs are stripped.
    pending: Vec<(String, bool)>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), Unclear> {
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' => self.skip(1),
                '\n' => {
                    self.skip(1);
                    self.here_documents()?;
                    self.tokens.push(Token::Newline);
                }
                '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
                '\\' if self.rest.starts_with("\\\n") => self.skip(2),
                '<' | '>' => self.redirect(),
                ';' | '&' | '|' | '(' | ')' => self.operator()?,
                _ => self.word()?,
            }
        }
        if self.pending.is_empty() {
            Ok(())
        } else {
            Err(Unclear)
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn operator(&mut self) -> Result<(), Unclear> {
        let operator = OPERATORS.into_iter().find(|operator| self.rest.starts_with(operator)).ok_or(Unclear)?;
        self.skip(operator.len());
        self.tokens.push(Token::Op(operator));
        Ok(())
    }

    fn redirect(&mut self) {
        if let Some(operator) = REDIRECTS.into_iter().find(|operator| self.rest.starts_with(operator)) {
            self.skip(operator.len());
            self.tokens.push(Token::Redirect(operator));
        }
    }

    fn word(&mut self) -> Result<(), Unclear> {
        let mut word = Word::default();
        let used = read_word(self.rest, &mut word)?;
        let after = &self.rest[used..];
        self.skip(used);
        let is_number = !word.quoted && !word.value.is_empty() && word.value.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && after.starts_with(['<', '>']) {
            self.redirect();
            return Ok(());
        }
        if let Some(Token::Redirect(operator @ ("<<" | "<<-"))) = self.tokens.last() {
            self.pending.push((word.value.clone(), *operator == "<<-"));
        }
        self.tokens.push(Token::Word(word));
        Ok(())
    }

    fn here_documents(&mut self) -> Result<(), Unclear> {
        for (delimiter, strip) in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                let (line, used) = match self.rest.find('\n') {
                    Some(at) => (&self.rest[..at], at + 1),
                    None => (self.rest, self.rest.len()),
                };
                if used == 0 {
                    return Err(Unclear);
                }
                let bare = if strip { line.trim_start_matches('\t') } else { line };
                let ends = bare == delimiter;
                if !ends {
                    body.push_str(bare);
                    body.push('\n');
                }
                self.rest = &self.rest[used..];
                if ends {
                    break;
                }
            }
            self.tokens.push(Token::HereDoc(body));
        }
        Ok(())
    }
}

/// Reads a word from the head of `text`; returns how many bytes it took.
fn read_word(text: &str, word: &mut Word) -> Result<usize, Unclear> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
            b'\'' => {
                let end = text[at + 1..].find('\'').ok_or(Unclear)? + at + 1;
                word.value.push_str(&text[at + 1..end]);
                word.quoted = true;
                at = end + 1;
            }
            b'"' => at = read_double_quoted(text, at + 1, word)?,
            b'\\' => at = read_escape(text, at, word)?,
            b'$' | b'`' => at = read_expansion(text, at, word)?,
            b'*' | b'?' | b'[' => {
                word.expands = true;
                word.value.push(bytes[at] as char);
                at += 1;
            }
            b'~' if at == 0 => {
                word.expands = true;
                word.value.push('~');
                at += 1;
            }
            _ => at = push_run(text, at, word, b" \t\n;&|()<>'\"\\$`*?["),
        }
    }
    Ok(at)
}

/// Adds the character at `at`, and those after it that are none of `special`, which are all of one byte.
fn push_run(text: &str, at: usize, word: &mut Word, special: &[u8]) -> usize {
    let bytes = &text.as_bytes()[at + 1..];
    let end = at + 1 + bytes.iter().position(|byte| special.contains(byte)).unwrap_or(bytes.len());
    word.value.push_str(&text[at..end]);
    end
}

fn push_char(text: &str, at: usize, word: &mut Word) -> usize {
    let c = text[at..].chars().next().unwrap_or_default();
    word.value.push(c);
    at + c.len_utf8()
}

fn read_escape(text: &str, at: usize, word: &mut Word) -> Result<usize, Unclear> {
    match text.as_bytes().get(at + 1) {
        None => Err(Unclear),
        Some(b'\n') => Ok(at + 2),
        Some(_) => {
            word.quoted = true;
            Ok(push_char(text, at + 1, word))
        }
    }
}

/// Reads to the closing quote; `at` is just after the opening one.
fn read_double_quoted(text: &str, mut at: usize, word: &mut Word) -> Result<usize, Unclear> {
    word.quoted = true;
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at).ok_or(Unclear)? {
            b'"' => return Ok(at + 1),
            b'\\' => match bytes.get(at + 1).ok_or(Unclear)? {
                b'\n' => at += 2,
                b'$' | b'`' | b'"' | b'\\' => at = push_char(text, at + 1, word),
                _ => {
                    word.value.push('\\');
                    at += 1;
                }
            },
            b'$' | b'`' => at = read_expansion(text, at, word)?,
            _ => at = push_run(text, at, word, b"\"\\$`"),
        }
    }
}

/// Reads `$name`, `${...}`, `$((...))`, `$(...)` or a backquoted command; a lone `$` is itself.
fn read_expansion(text: &str, at: usize, word: &mut Word) -> Result<usize, Unclear> {
    let rest = &text[at..];
    let end = if let Some(inner) = rest.strip_prefix("$(") {
        let end = at + 2 + closing(inner, b')')?;
        word.commands.push(text[at + 2..end].to_owned());
        end + 1
    } else if let Some(inner) = rest.strip_prefix("${") {
        let length = closing(inner, b'}')?;
        let (end, inner) = (at + 2 + length, &inner[..length]);
        if inner.contains("$(") || inner.contains('`') {
            return Err(Unclear);
        }
        end + 1
    } else if let Some(inner) = rest.strip_prefix('`') {
        let end = at + 1 + closing(inner, b'`')?;
        word.commands.push(text[at + 1..end].replace("\\`", "`"));
        end + 1
    } else {
        let name = rest[1..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let special = rest[1..].starts_with(['@', '*', '#', '?', '-', '$', '!']);
        if name == 0 && !special {
            word.value.push('$');
            return Ok(at + 1);
        }
        at + 1 + name.max(1)
    };
    word.expands = true;
    word.value.push_str(&text[at..end]);
    Ok(end)
}

/// Where the bracket or quote that closes a substitution stands. `case` has parentheses that close nothing, and a comment or
/// a here-document may hold anything: such text is unclear.
fn closing(text: &str, close: u8) -> Result<usize, Unclear> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == close && depth == 0 {
            let inner = &text[..at];
            let odd = close == b')' && (inner.contains("case") || inner.contains("<<") || inner.contains('#'));
            return if odd { Err(Unclear) } else { Ok(at) };
        }
        match byte {
            b'\\' => at += 1,
            b'\'' if close != b'`' => at += text[at + 1..].find('\'').ok_or(Unclear)? + 1,
            b'"' if close != b'`' => {
                let mut ignored = Word::default();
                at = read_double_quoted(text, at + 1, &mut ignored)? - 1;
            }
            b'`' if close != b'`' => at += closing(&text[at + 1..], b'`')? + 1,
            b'(' if close == b')' => depth += 1,
            b'{' if close == b'}' => depth += 1,
            b')' if close == b')' => depth -= 1,
            b'}' if close == b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Err(Unclear)
}
