//! An SQL expression as the file has it: exactly one, so that it cannot leave the parentheses that it is put in.
//!
//! The server alone knows whether it makes sense. Here is what the server cannot see once the text stands inside a
//! statement: a comment, a semicolon or a parenthesis that ends what is around it, a parameter of somebody else's.

use std::fmt;

/// An expression over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    text: String,
    names: Vec<Name>,
}

/// A name that stands in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name as the server folds it.
    pub text: String,
    /// A parenthesis follows, so it is a function's.
    pub called: bool,
}

impl Expression {
    /// Reads it.
    ///
    /// # Errors
    /// Why it is not exactly one expression.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        let names = Scanner { chars: text.chars().collect(), at: 0, open: Vec::new(), names: Vec::new() }.names()?;
        Ok(Expression { text: text.to_owned(), names })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every name in it: columns, tables, types, functions and key words alike.
    pub fn names(&self) -> &[Name] {
        &self.names
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Goes over the text as the server's lexer does (PostgreSQL docs, 4.1), as far as quotes and parentheses are concerned.
struct Scanner {
    chars: Vec<char>,
    at: usize,
    open: Vec<char>,
    names: Vec<Name>,
}

impl Scanner {
    fn names(mut self) -> Result<Vec<Name>, &'static str> {
        while let Some(here) = self.next() {
            match here {
                ';' => return Err("a semicolon ends it"),
                '-' if self.peek() == Some('-') => return Err("it has a comment"),
                '/' if self.peek() == Some('*') => return Err("it has a comment"),
                '\\' => return Err("it has a backslash outside of quotes"),
                '\0' => return Err("it has a NUL character"),
                '(' => self.open(')'),
                '[' => self.open(']'),
                ')' | ']' if self.open.pop() != Some(here) => return Err("its parentheses do not match"),
                '\'' => self.literal()?,
                '"' => {
                    let name = self.quoted()?;
                    self.name(name);
                }
                '$' => self.dollar()?,
                digit if digit.is_ascii_digit() => drop(self.word(digit)),
                letter if starts_word(letter) => self.letter(letter)?,
                _ => {}
            }
        }
        if self.open.is_empty() { Ok(self.names) } else { Err("its parentheses do not match") }
    }

    fn next(&mut self) -> Option<char> {
        let here = self.peek();
        self.at += 1;
        here
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn open(&mut self, end: char) {
        self.open.push(end);
    }

    fn name(&mut self, text: String) {
        let after = self.chars.iter().skip(self.at).find(|c| !c.is_whitespace());
        self.names.push(Name { text, called: after == Some(&'(') });
    }

    /// A word, or the letters before a text of another kind.
    fn letter(&mut self, first: char) -> Result<(), &'static str> {
        let word = self.word(first);
        match (word.as_str(), self.peek()) {
            ("e", Some('\'')) => {
                self.at += 1;
                self.escaped()
            }
            ("u", Some('&')) if matches!(self.chars.get(self.at + 1), Some('\'' | '"')) => {
                Err("it has a U& text, which may hide what it says")
            }
            ("b" | "x" | "n", Some('\'')) => Ok(()),
            _ => {
                self.name(word);
                Ok(())
            }
        }
    }

    /// A word to its end, in the small letters that the server folds it to.
    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first.to_ascii_lowercase());
        while let Some(more) = self.peek().filter(|c| starts_word(*c) || c.is_ascii_digit() || *c == '$') {
            word.push(more.to_ascii_lowercase());
            self.at += 1;
        }
        word
    }

    /// A text between single quotes. Whether a backslash before a quote escapes it depends on a setting of the server.
    fn literal(&mut self) -> Result<(), &'static str> {
        while let Some(here) = self.next() {
            match (here, self.peek()) {
                ('\\', Some('\'')) => return Err("it has a backslash before a quote; write the text as E'...'"),
                ('\'', Some('\'')) => self.at += 1,
                ('\'', _) => return Ok(()),
                _ => {}
            }
        }
        Err("a text in it has no end")
    }

    fn escaped(&mut self) -> Result<(), &'static str> {
        while let Some(here) = self.next() {
            match (here, self.peek()) {
                ('\\', Some(_)) | ('\'', Some('\'')) => self.at += 1,
                ('\'', _) => return Ok(()),
                _ => {}
            }
        }
        Err("a text in it has no end")
    }

    fn quoted(&mut self) -> Result<String, &'static str> {
        let mut name = String::new();
        while let Some(here) = self.next() {
            match (here, self.peek()) {
                ('"', Some('"')) => {
                    name.push('"');
                    self.at += 1;
                }
                ('"', _) => return Ok(name),
                _ => name.push(here),
            }
        }
        Err("a name in it has no end")
    }

    /// A text between dollar quotes. A parameter would be one of the statement around it.
    fn dollar(&mut self) -> Result<(), &'static str> {
        let mut tag = String::from('$');
        while let Some(here) = self.next() {
            tag.push(here);
            match here {
                '$' => break,
                digit if digit.is_ascii_digit() && tag.len() == 2 => return Err("it has a parameter"),
                letter if starts_word(letter) || letter.is_ascii_digit() => {}
                _ => return Err("it has a dollar sign outside of quotes"),
            }
        }
        let tag: Vec<char> = tag.chars().collect();
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let end = rest.windows(tag.len()).position(|window| window == tag).ok_or("a text in it has no end")?;
        self.at += end + tag.len();
        Ok(())
    }
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}
