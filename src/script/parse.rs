//! Tokens to commands, by the POSIX shell grammar (XCU 2.10). Only what is judged is kept.

use super::lex::{tokens, Token, Unclear, Word};

/// A redirection.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// What it leads to or from.
    pub target: Word,
    /// The here-document it reads.
    pub body: Option<String>,
}

/// A simple command.
#[derive(Clone, Debug, Default)]
pub struct Simple {
    /// `NAME=value` before the name.
    pub assignments: Vec<Word>,
    /// Name and arguments.
    pub words: Vec<Word>,
    /// Redirections.
    pub redirects: Vec<Redirect>,
}

/// A command.
#[derive(Clone, Debug)]
pub enum Command {
    /// Name and arguments.
    Simple(Simple),
    /// A function's definition.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        body: Box<Command>,
    },
    /// Anything with commands inside: `{ }`, `( )`, `if`, `for`, `while`, `until`, `case`.
    Compound {
        /// The commands inside.
        inside: Vec<Statement>,
        /// Run in a shell of its own.
        subshell: bool,
        /// Redirections.
        redirects: Vec<Redirect>,
    },
}

/// A pipeline with what surrounds it.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its commands.
    pub pipeline: Vec<Command>,
    /// Ended by `&`.
    pub background: bool,
    /// Negated, or joined to another by `&&` or `||`.
    pub conditional: bool,
}

/// Deepest nesting that is followed.
const DEEPEST: usize = 60;

/// The statements of a whole text.
pub fn parse(text: &str) -> Result<Vec<Statement>, Unclear> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, taken: 0 };
    let statements = parser.list(&[])?;
    if parser.at == tokens.len() {
        Ok(statements)
    } else {
        Err(Unclear)
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    /// Here-documents given to their operators so far.
    taken: usize,
}

const CLOSERS: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    /// The reserved word that stands here, if a command may begin here.
    fn reserved(&self) -> Option<&'t str> {
        match self.peek() {
            Some(Token::Word(word)) if !word.quoted && !word.expands => Some(&word.value),
            _ => None,
        }
    }

    fn op(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Op(operator)) if *operator == wanted);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, wanted: &str) -> Result<(), Unclear> {
        if self.reserved() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(Unclear)
        }
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Some(Token::Newline | Token::HereDoc(_))) {
            self.at += 1;
        }
    }

    /// Statements up to one of `ends`, which is not taken; with no `ends`, up to the end.
    fn list(&mut self, ends: &[&str]) -> Result<Vec<Statement>, Unclear> {
        let mut statements = Vec::new();
        loop {
            self.newlines();
            if self.at_end(ends) {
                return Ok(statements);
            }
            let first = statements.len();
            self.and_or(&mut statements)?;
            let background = self.op("&");
            statements[first..].iter_mut().for_each(|statement| statement.background = background);
            let separated = background || self.op(";") || matches!(self.peek(), Some(Token::Newline | Token::HereDoc(_)));
            if !separated && !self.at_end(ends) {
                return Err(Unclear);
            }
        }
    }

    fn at_end(&self, ends: &[&str]) -> bool {
        match self.peek() {
            None => ends.is_empty(),
            Some(Token::Op(operator)) => ends.contains(operator),
            _ => self.reserved().is_some_and(|word| ends.contains(&word)),
        }
    }

    fn and_or(&mut self, statements: &mut Vec<Statement>) -> Result<(), Unclear> {
        let first = statements.len();
        loop {
            let mut negated = false;
            if self.reserved() == Some("!") {
                self.at += 1;
                negated = true;
            }
            let mut pipeline = vec![self.command()?];
            while self.op("|") {
                self.newlines();
                pipeline.push(self.command()?);
            }
            statements.push(Statement { pipeline, background: false, conditional: negated });
            if !(self.op("&&") || self.op("||")) {
                break;
            }
            self.newlines();
        }
        if statements.len() - first > 1 {
            statements[first..].iter_mut().for_each(|statement| statement.conditional = true);
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, Unclear> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Unclear);
        }
        let command = self.command_inside();
        self.depth -= 1;
        command
    }

    fn command_inside(&mut self) -> Result<Command, Unclear> {
        if self.op("(") {
            let inside = self.list(&[")"])?;
            self.at += 1;
            return self.compound(inside, true);
        }
        let inside = match self.reserved() {
            Some("{") => self.bracketed("{", "}")?,
            Some("if") => self.if_clause()?,
            Some(word @ ("while" | "until")) => self.loop_clause(word)?,
            Some("for") => self.for_clause()?,
            Some("case") => self.case_clause()?,
            Some(word) if CLOSERS.contains(&word) || ["function", "[[", "select"].contains(&word) => return Err(Unclear),
            _ => return self.simple(),
        };
        self.compound(inside, false)
    }

    fn compound(&mut self, inside: Vec<Statement>, subshell: bool) -> Result<Command, Unclear> {
        let mut redirects = Vec::new();
        while let Some(Token::Redirect(_)) = self.peek() {
            redirects.push(self.redirect()?);
        }
        Ok(Command::Compound { inside, subshell, redirects })
    }

    fn bracketed(&mut self, open: &str, close: &str) -> Result<Vec<Statement>, Unclear> {
        self.keyword(open)?;
        let inside = self.list(&[close])?;
        self.keyword(close)?;
        if inside.is_empty() {
            return Err(Unclear);
        }
        Ok(inside)
    }

    fn if_clause(&mut self) -> Result<Vec<Statement>, Unclear> {
        self.keyword("if")?;
        let mut inside = self.list(&["then"])?;
        self.keyword("then")?;
        loop {
            inside.extend(self.list(&["elif", "else", "fi"])?);
            match self.reserved() {
                Some("elif") => {
                    self.at += 1;
                    inside.extend(self.list(&["then"])?);
                    self.keyword("then")?;
                }
                Some("else") => self.at += 1,
                _ => {
                    self.keyword("fi")?;
                    return Ok(inside);
                }
            }
        }
    }

    fn loop_clause(&mut self, word: &str) -> Result<Vec<Statement>, Unclear> {
        self.keyword(word)?;
        let mut inside = self.list(&["do"])?;
        inside.extend(self.bracketed("do", "done")?);
        Ok(inside)
    }

    fn for_clause(&mut self) -> Result<Vec<Statement>, Unclear> {
        self.keyword("for")?;
        let Some(Token::Word(_)) = self.peek() else { return Err(Unclear) };
        self.at += 1;
        self.newlines();
        if self.reserved() == Some("in") {
            self.at += 1;
            while let Some(Token::Word(_)) = self.peek() {
                self.at += 1;
            }
        }
        let _ = self.op(";");
        self.newlines();
        self.bracketed("do", "done")
    }

    fn case_clause(&mut self) -> Result<Vec<Statement>, Unclear> {
        self.keyword("case")?;
        let Some(Token::Word(_)) = self.peek() else { return Err(Unclear) };
        self.at += 1;
        self.newlines();
        self.keyword("in")?;
        let mut inside = Vec::new();
        loop {
            self.newlines();
            if self.reserved() == Some("esac") {
                self.at += 1;
                return Ok(inside);
            }
            let _ = self.op("(");
            loop {
                let Some(Token::Word(_)) = self.peek() else { return Err(Unclear) };
                self.at += 1;
                if self.op(")") {
                    break;
                }
                if !self.op("|") {
                    return Err(Unclear);
                }
            }
            inside.extend(self.list(&[";;", "esac"])?);
            let _ = self.op(";;");
        }
    }

    fn simple(&mut self) -> Result<Command, Unclear> {
        let mut simple = Simple::default();
        loop {
            match self.peek() {
                Some(Token::Redirect(_)) => simple.redirects.push(self.redirect()?),
                Some(Token::Word(word)) => {
                    self.at += 1;
                    if simple.words.is_empty() && is_assignment(&word.value) {
                        simple.assignments.push(word.clone());
                    } else {
                        simple.words.push(word.clone());
                    }
                }
                Some(Token::Op("(")) => return self.function(&simple),
                _ => break,
            }
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return Err(Unclear);
        }
        Ok(Command::Simple(simple))
    }

    fn function(&mut self, head: &Simple) -> Result<Command, Unclear> {
        let [name] = head.words.as_slice() else { return Err(Unclear) };
        let plain = !name.quoted && !name.expands && head.assignments.is_empty() && head.redirects.is_empty();
        if !(plain && is_name(&name.value) && self.op("(") && self.op(")")) {
            return Err(Unclear);
        }
        self.newlines();
        match self.command()? {
            body @ Command::Compound { .. } => Ok(Command::Function { name: name.value.clone(), body: Box::new(body) }),
            _ => Err(Unclear),
        }
    }

    fn redirect(&mut self) -> Result<Redirect, Unclear> {
        let Some(Token::Redirect(operator)) = self.peek() else { return Err(Unclear) };
        self.at += 1;
        let Some(Token::Word(target)) = self.peek() else { return Err(Unclear) };
        self.at += 1;
        let body = if operator.starts_with("<<") { Some(self.next_here_document()?) } else { None };
        Ok(Redirect { target: target.clone(), body })
    }

    /// Bodies stand at the ends of their lines, in the order of their operators.
    fn next_here_document(&mut self) -> Result<String, Unclear> {
        let mut bodies = self.tokens.iter().filter_map(|token| match token {
            Token::HereDoc(body) => Some(body),
            _ => None,
        });
        let body = bodies.nth(self.taken).ok_or(Unclear)?;
        self.taken += 1;
        Ok(body.clone())
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| is_name(name))
}
