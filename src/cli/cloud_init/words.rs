//! Command lines as cloud-init's commands take them: options anywhere, short ones joined, long ones by any prefix that is one's own.

/// What was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    options: Vec<(&'static str, String)>,
    /// What is no option, in order.
    pub rest: Vec<String>,
}

impl Words {
    /// Reads `words`. `known` names the options: `l/logs machine-id f/format=`, with `=` where a value follows.
    pub fn read(known: &'static str, words: &[String]) -> Result<Self, String> {
        let known: Vec<&'static str> = known.split_whitespace().chain(["h/help"]).collect();
        let mut read = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                read.rest.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
                let exact = known.iter().filter(|one| name_of(one) == name);
                let near: Vec<_> = known.iter().filter(|one| name_of(one).starts_with(name)).collect();
                let found = exact.chain(near.iter().copied().filter(|_| near.len() == 1)).next();
                let found = found.ok_or_else(|| format!("unrecognized arguments: {word}"))?;
                read.add(found, value, &mut words)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                let mut letters = letters.chars();
                while let Some(letter) = letters.next() {
                    let is_it = |one: &&&str| one.split_once('/').is_some_and(|(short, _)| short.starts_with(letter));
                    let found = known.iter().find(is_it).ok_or_else(|| format!("unrecognized arguments: {word}"))?;
                    let joined = Some(letters.as_str().to_owned()).filter(|text| found.ends_with('=') && !text.is_empty());
                    let ends = joined.is_some();
                    read.add(found, joined, &mut words)?;
                    if ends {
                        break;
                    }
                }
            } else {
                read.rest.push(word.clone());
            }
        }
        Ok(read)
    }

    fn add<'w>(&mut self, one: &&'static str, value: Option<String>, words: &mut impl Iterator<Item = &'w String>) -> Result<(), String> {
        let name = name_of(one);
        let value = match (one.ends_with('='), value) {
            (true, value) => value.or_else(|| words.next().cloned()).ok_or_else(|| format!("argument --{name}: expected one argument"))?,
            (false, None) => String::new(),
            (false, Some(value)) => return Err(format!("argument --{name}: ignored explicit argument '{value}'")),
        };
        self.options.push((name, value));
        Ok(())
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// What was given to an option last.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// All that was given to an option, in order.
    pub fn values<'w>(&'w self, name: &'w str) -> impl Iterator<Item = &'w str> + 'w {
        self.options.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an option that has only these; the first where it is left out.
    pub fn choice(&self, name: &str, choices: &[&'static str]) -> Result<&'static str, String> {
        let Some(given) = self.value(name) else { return Ok(choices[0]) };
        let found = choices.iter().find(|choice| **choice == given);
        found.copied().ok_or_else(|| format!("argument --{name}: invalid choice: '{given}' (choose from {})", choices.join(", ")))
    }
}

fn name_of(one: &'static str) -> &'static str {
    one.split_once('/').map_or(one, |(_, long)| long).trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "l/long w/wait f/format= machine-id";

    fn read(words: &[&str]) -> Result<Words, String> {
        Words::read(KNOWN, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_every_spelling() {
        for words in
            [&["--long", "--format", "json", "x"][..], &["-lf", "json", "x"], &["x", "-l", "-fjson"], &["--lo", "--form=json", "--", "x"]]
        {
            let read = read(words).expect("read");
            assert!(read.has("long") && !read.has("wait"), "{words:?}");
            assert_eq!((read.value("format"), &read.rest[..]), (Some("json"), &["x".to_owned()][..]), "{words:?}");
        }
        assert_eq!(read(&["--format=a", "-f", "b"]).expect("read").choice("format", &["a", "b"]), Ok("b"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for words in [&["--bogus"][..], &["-x"], &["-lx"], &["--format"], &["--long=1"], &["--"].repeat(0)[..]] {
            assert_eq!(read(words).is_err(), !words.is_empty(), "{words:?}");
        }
        assert!(read(&["-f", "c"]).expect("read").choice("format", &["a", "b"]).is_err());
    }
}
