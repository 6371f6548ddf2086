//! What looks like a secret in a command, a list of its words, a line of settings or of a log.
//!
//! Nothing is run or expanded. In doubt a value is masked: what is lost is a word of a line that is shown.

use super::names;
use super::programs::{self, Program};
use super::words::{parts, words, Word};
use crate::secret::MASK;

/// What a text has that holds a secret, in either case: parts of the names of secrets, an address, `Bearer`, `Basic`, `IDENTIFIED
/// BY`, `attach`, `vault`.
const SIGNS: [[u8; 3]; 17] = [
    *b"pas", *b"sec", *b"tok", *b"key", *b"pwd", *b"pw=", *b"pw ", *b"psk", *b"cre", *b"-au", *b"://", *b"bea", *b"bas", *b"fie", *b"att",
    *b"vau", *b"sig",
];

/// Whether [`patterns`] could find anything: most text holds nothing of the kind. Every text that is shown comes by here: the second
/// and third letter are only looked at behind the first of any sign. Options of one letter may be a program's that is known.
pub(super) fn may_hold_secret(text: &str) -> bool {
    let begins = |byte: u8| b"pstkc-:bfav".contains(&byte.to_ascii_lowercase());
    let lower = |three: &[u8]| [three[0], three[1], three[2]].map(|byte| byte.to_ascii_lowercase());
    let is_option = |two: &[u8]| two[0] == b'-' && b"puaPUw".contains(&two[1]);
    text.as_bytes().windows(3).any(|three| begins(three[0]) && SIGNS.contains(&lower(three)))
        || text.as_bytes().windows(2).any(is_option)
        || text.contains("add_user")
}

/// Masks what looks like a secret in a command or a log line: `password=X`, `--token X`, `Bearer X`, `user:X@host`, `-u user:X`,
/// and what programs take in ways of their own: `mysql -pX`, `echo root:X | chpasswd`. The words may be a shell's or a list's.
pub fn patterns(text: &str) -> String {
    if may_hold_secret(text) {
        masked(text, 0)
    } else {
        text.to_owned()
    }
}

/// How deep commands stand in quotes: `sh -c "ssh x 'mysql -pX'"`. What is deeper is divided at blanks only.
const DEEPEST: usize = 4;

fn masked(text: &str, depth: usize) -> String {
    let words = words(text, depth < DEEPEST);
    let mut line = Line { depth, ..Line::default() };
    let mut out = String::with_capacity(text.len());
    for (at, word) in words.iter().enumerate() {
        if word.blanks.contains('\n') || !word.before.is_empty() {
            line.end_command();
        }
        out.push_str(word.blanks);
        out.push_str(word.before);
        if !word.body.is_empty() {
            out.push_str(&line.mask(word.body, &words[at + 1..]));
        }
        out.push_str(word.after);
        if word.after.contains(']') {
            line.end_command();
            line.expected = Expected::Anything;
        }
    }
    out
}

/// A text in quotes, masked; quotes in it that are written so that they do not end it are those of its words.
fn masked_in_quotes(text: &str, quote: &str, depth: usize) -> String {
    let written = if quote == "'" { r"'\''" } else { "\\\"" };
    let plain = text.replace(written, quote);
    if plain.replace(quote, written) == text {
        masked(&plain, depth).replace(quote, written)
    } else {
        masked(text, depth)
    }
}

/// What a word is by the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Anything,
    /// A secret, if it is no option.
    Secret,
    /// `user:secret`.
    User,
}

/// Which of the words that are echoed into a program are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// What is behind `user:`.
    Pairs,
    /// Every word.
    All,
}

/// One command, as far as it has been read.
#[derive(Default)]
struct Command {
    programs: Vec<&'static Program>,
    /// It logs in somewhere: `docker login`.
    logs_in: bool,
    /// It sets something: `aws configure set`, `git config`.
    sets: bool,
    /// It reads `user:password`, also from a here-document or here-string.
    reads_pairs: bool,
    /// A here-document follows.
    goes_on: bool,
    /// It is an `echo`, of which is known what it is piped into.
    echoes: bool,
    /// What it prints goes into a program that reads a secret.
    feeds: Option<Fed>,
    /// Arguments so far that are no options.
    arguments: usize,
    /// Every argument from here on is secret.
    all: bool,
}

/// A text as far as it has been read.
#[derive(Default)]
struct Line {
    depth: usize,
    command: Command,
    expected: Expected,
    /// The word before, without quotes, in lower case.
    before: String,
    /// `IDENTIFIED` was a word.
    identified: bool,
}

impl Line {
    /// Whether what stands in quotes is more than a word: a command, a header, a list.
    fn is_text(&self, quoted: &str) -> bool {
        self.depth < DEEPEST && (quoted.contains(char::is_whitespace) || quoted.starts_with('['))
    }

    fn end_command(&mut self) {
        if !self.command.goes_on {
            self.command = Command::default();
        }
    }

    /// The next word, masked where it has to be.
    fn mask(&mut self, body: &str, following: &[Word<'_>]) -> String {
        let (head, quote, inner) = parts(body);
        let inner = if head.is_empty() { inner } else { body };
        let shown = self.by_the_word_before(body, inner).or_else(|| self.by_command(body, inner)).or_else(|| self.by_itself(body, inner));
        let shown = shown.unwrap_or_else(|| match quote {
            "" if self.depth < DEEPEST && body.contains(char::is_whitespace) => masked(body, DEEPEST),
            "" => body.to_owned(),
            _ => {
                let quoted = parts(body).2;
                let text = if self.is_text(quoted) { masked_in_quotes(quoted, quote, self.depth + 1) } else { quoted.to_owned() };
                format!("{head}{quote}{text}{quote}")
            }
        });
        self.note(body, inner, following);
        shown
    }

    fn by_the_word_before(&mut self, body: &str, inner: &str) -> Option<String> {
        match std::mem::take(&mut self.expected) {
            _ if is_operator(body) => None,
            Expected::Secret if !inner.starts_with('-') => Some(mask_value(body)),
            Expected::User => Some(in_quotes(body, &mask_password_of_user(inner))),
            _ => None,
        }
    }

    /// By what the command does with it.
    fn by_command(&mut self, body: &str, inner: &str) -> Option<String> {
        let command = &mut self.command;
        if is_operator(body) {
            return None;
        }
        if command.feeds == Some(Fed::Pairs) || command.reads_pairs {
            let pair = mask_pair(body, inner);
            if pair.is_some() && command.feeds.is_some() {
                // What is echoed behind a pair belongs to it, or is the value of a `%s` in it.
                command.feeds = Some(Fed::All);
            }
            return pair;
        }
        let is_option = inner.starts_with('-');
        if command.feeds == Some(Fed::All) && !is_option {
            let (value, operator) = before_operator(body);
            return Some(format!("{}{operator}", mask_value(value)));
        }
        if command.programs.is_empty() && !command.logs_in {
            return None;
        }
        if !is_option {
            let number = command.arguments;
            command.arguments += 1;
            let by_number = command.programs.iter().any(|program| program.argument.is_some_and(|first| number >= first));
            return (command.all || by_number).then(|| mask_value(body));
        }
        if let Some(letter) = inner[1..].chars().next().filter(|letter| letter.is_ascii_alphabetic()) {
            let is_glued = command.programs.iter().any(|program| program.glued.contains(letter)) || command.logs_in && letter == 'p';
            let value = inner.get(2..).unwrap_or_default();
            if is_glued && !value.is_empty() {
                return Some(in_quotes(body, &format!("-{letter}{}", mask_value(value))));
            }
        }
        None
    }

    /// By its own looks.
    fn by_itself(&mut self, body: &str, inner: &str) -> Option<String> {
        if let Some(masked) = mask_address(inner) {
            return Some(in_quotes(body, &masked));
        }
        for option in ["--user=", "--proxy-user="] {
            if let Some(user) = inner.strip_prefix(option) {
                return Some(in_quotes(body, &format!("{option}{}", mask_password_of_user(user))));
            }
        }
        if let Some(rest) = inner.strip_prefix("-u").filter(|rest| !rest.starts_with('-') && rest.contains(':')) {
            return Some(in_quotes(body, &format!("-u{}", mask_password_of_user(rest))));
        }
        // openssl(1), "Pass Phrase Options".
        if inner.len() > 5 && inner.starts_with("pass:") {
            return Some(in_quotes(body, &format!("pass:{MASK}")));
        }
        // SQL: `SET PASSWORD = PASSWORD('X')`.
        if inner.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("password(")) && inner[9..].starts_with(['\'', '"']) {
            return Some(in_quotes(body, &format!("{}{}", &inner[..9], mask_value(&inner[9..]))));
        }
        // A quoted text is looked through for itself.
        let (head, quote, quoted) = parts(body);
        if !quote.is_empty() && self.is_text(quoted) && !head.ends_with(['=', ':']) {
            return None;
        }
        let at = names::value_in(inner)?;
        let value = &inner[at..];
        if value.chars().all(|c| "\"'".contains(c)) {
            self.expected = Expected::Secret;
            return None;
        }
        if !quote.is_empty() && at > head.len() && self.is_text(quoted) {
            return None;
        }
        Some(in_quotes(body, &format!("{}{}", &inner[..at], mask_value(value))))
    }

    /// Remembers of a word what it says of those behind it.
    fn note(&mut self, body: &str, inner: &str, following: &[Word<'_>]) {
        let lower = inner.to_ascii_lowercase();
        if self.expected == Expected::Anything {
            self.expected = self.expected_after(body, inner, &lower, following);
        }
        self.identified |= lower == "identified";
        let command = &mut self.command;
        command.sets |= matches!(lower.as_str(), "set" | "config");
        command.logs_in |= lower == "login";
        command.goes_on |= command.reads_pairs && body.starts_with("<<") && !body.starts_with("<<<");
        command.all |= command.programs.iter().any(|program| program.all_after.contains(&lower.as_str()));
        // `htpasswd -n` has no file before the user.
        if self.command.programs.iter().any(|program| program.argument == Some(2)) && is_letters(inner) && inner.contains('n') {
            self.command.arguments += 1;
        }
        let next = behind_operator(body);
        if next.is_some() {
            self.command = Command::default();
        }
        self.note_program(next.unwrap_or(inner), following);
        self.before = lower;
    }

    fn note_program(&mut self, word: &str, following: &[Word<'_>]) {
        let name = word.rsplit('/').next().unwrap_or(word);
        let command = &mut self.command;
        match name {
            "echo" | "printf" if !command.echoes => (command.echoes, command.feeds) = (true, fed(following)),
            "chpasswd" | "newusers" => command.reads_pairs = true,
            _ => {}
        }
        if let Some(program) = programs::named(name) {
            if program.is_without_secrets() {
                command.programs.clear();
            }
            // Its arguments are counted from its name on.
            command.arguments = 0;
            command.programs.push(program);
        }
    }

    fn expected_after(&self, body: &str, inner: &str, lower: &str, following: &[Word<'_>]) -> Expected {
        let is = |words: &[&str]| words.contains(&lower);
        let programs = &self.command.programs;
        let takes_next =
            |letter: char| programs.iter().any(|program| program.next.contains(letter)) || self.command.logs_in && letter == 'p';
        let next_is_quoted = || following.first().is_some_and(|next| next.body.starts_with(['\'', '"', '\\']));
        let next_is_word = || following.first().is_some_and(|next| !next.body.is_empty());
        let secret = names::is_option(inner)
            || is_letters(inner) && inner.chars().next_back().is_some_and(takes_next)
            || lower.ends_with("bearer")
            || self.before.ends_with("authorization:") && is(&["basic", "token", "digest", "apikey"])
            || programs.iter().any(|program| program.after.contains(&lower))
            || self.identified && is(&["by", "as", "using"])
            // SQL: `WITH PASSWORD 'X'`.
            || is(&["password"]) && next_is_quoted()
            // debconf-set-selections(1): `owner owner/question password X`.
            || body == "password" && self.before.contains('/') && !self.before.starts_with('/')
            || self.command.sets && inner.contains(['_', '.', ':']) && names::is_name(inner)
            || is(&["=", ":"]) && !self.before.is_empty() && names::is_name(&self.before);
        match () {
            () if secret && next_is_word() => Expected::Secret,
            () if ["-u", "-U", "--user", "--proxy-user"].contains(&inner) => Expected::User,
            () => Expected::Anything,
        }
    }
}

/// `-abc`.
fn is_letters(option: &str) -> bool {
    option.len() > 1 && option.starts_with('-') && option[1..].bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Words behind an `echo` that are looked at.
const MOST_ECHOED: usize = 256;

/// What the program reads that these words of an `echo` are piped into.
fn fed(following: &[Word<'_>]) -> Option<Fed> {
    let mut is_piped = false;
    let mut sudo = false;
    for word in following.iter().take(MOST_ECHOED) {
        let (head, _, inner) = parts(word.body);
        let mut name = if head.is_empty() { inner } else { word.body };
        match behind_operator(word.body) {
            Some(next) if operator_of(word.body) == "|" => (is_piped, name) = (true, next),
            Some(_) if is_piped => name = name.trim_end_matches(';'),
            Some(_) => return None,
            None => {}
        }
        if !is_piped {
            continue;
        }
        sudo |= name == "sudo";
        match name.rsplit('/').next().unwrap_or(name) {
            "chpasswd" | "newusers" => return Some(Fed::Pairs),
            "passwd" if !name.starts_with("/etc/") => return Some(Fed::All),
            "cryptsetup" | "smbpasswd" | "vncpasswd" | "kinit" => return Some(Fed::All),
            "--password-stdin" | "--pass-stdin" | "--stdin" | "--passphrase-fd" => return Some(Fed::All),
            "-S" if sudo => return Some(Fed::All),
            _ => {}
        }
        if operator_of(word.body) != "|" && behind_operator(word.body).is_some() {
            return None;
        }
    }
    None
}

/// The part of a word behind its quotes, where an operator may stand.
fn unquoted_end(body: &str) -> &str {
    &body[body.rfind(['"', '\'']).map_or(0, |at| at + 1)..]
}

/// The last operator that a command ends with in a word: `;`, `|`, `||`, `&&`, `&`, `(`, or a backquote.
fn last_operator(body: &str) -> Option<(usize, &str)> {
    // Most words have none.
    if !body.bytes().any(|byte| b";|(`&".contains(&byte)) {
        return None;
    }
    let end = unquoted_end(body);
    let from = body.len() - end.len();
    let at = end.rfind([';', '|', '(', '`']).max(end.rfind("&&").map(|at| at + 1)).max((end == "&").then_some(0))?;
    let start = if at > 0 && end.as_bytes()[at - 1] == end.as_bytes()[at] { at - 1 } else { at };
    Some((from + start, &end[start..=at]))
}

fn operator_of(body: &str) -> &str {
    last_operator(body).map_or("", |(_, operator)| operator)
}

/// What follows the last operator in a word, if it has one: `x;mysql`.
fn behind_operator(body: &str) -> Option<&str> {
    last_operator(body).map(|(at, operator)| &body[at + operator.len()..])
}

/// A word up to its last operator, and the rest: `'x'|chpasswd`.
fn before_operator(body: &str) -> (&str, &str) {
    body.split_at(last_operator(body).map_or(body.len(), |(at, _)| at))
}

fn is_operator(body: &str) -> bool {
    last_operator(body).is_some_and(|(at, operator)| at == 0 && operator.len() == body.len())
}

/// A value without itself: its quotes stay, and a `;` behind it.
fn mask_value(value: &str) -> String {
    let Some(quote) = value.chars().next().filter(|c| "\"'".contains(*c)) else {
        return format!("{MASK}{}", if value.ends_with(';') { ";" } else { "" });
    };
    let end = value.trim_end_matches([';', ',', ')', ']', '}']);
    if end.len() > 1 && end.ends_with(quote) {
        format!("{quote}{MASK}{quote}{}", &value[end.len()..])
    } else {
        MASK.to_owned()
    }
}

/// `inner` between the quotes that `body` has around it, if it has.
fn in_quotes(body: &str, inner: &str) -> String {
    match parts(body) {
        ("", quote, _) => format!("{quote}{inner}{quote}"),
        _ => inner.to_owned(),
    }
}

/// `user:secret` with all behind the colon masked; `None` where there is no colon, or an address.
fn mask_pair(body: &str, inner: &str) -> Option<String> {
    let (user, secret) = inner.split_once(':').filter(|(_, secret)| !secret.is_empty() && !secret.starts_with("//"))?;
    let quote = if inner.len() == body.len() { body.chars().next().filter(|c| "\"'".contains(*c)) } else { None };
    let operator = if inner.len() == body.len() { before_operator(secret).1 } else { "" };
    Some(in_quotes(body, &format!("{user}:{MASK}{}{operator}", quote.map(String::from).unwrap_or_default())))
}

/// `user:secret`; of `user`, `user:` and `1000:1000` nothing is secret.
fn mask_password_of_user(piece: &str) -> String {
    match piece.split_once(':') {
        Some((user, secret)) if secret.contains(|c: char| !c.is_ascii_digit() && !"\"'".contains(c)) => format!("{user}:{MASK}"),
        _ => piece.to_owned(),
    }
}

/// A word with an address that carries credentials.
pub(super) fn mask_address(piece: &str) -> Option<String> {
    let at = piece.contains('@').then(|| piece.find("://"))??;
    let scheme_start = piece[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    Some(format!("{}{}", &piece[..scheme_start], super::url(&piece[scheme_start..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with `S3CRET` where the secret stands.
    const COMMANDS: &[&str] = &[
        "docker login --password S3CRET -u bob",
        "'docker' 'login' '--password' 'S3CRET' '-u' 'bob'",
        "[docker, login, --password, S3CRET]",
        r#"["docker","login","--password","S3CRET"]"#,
        "- [cmd, --token, S3CRET, next], [a, b]",
        "runcmd: [[cmd, --api-key, 'S3CRET'], [ls, -l]]",
        "'cmd' '--api-key' 'S3CRET' 'next'",
        "'cmd' '--password=S3CRET' 'next'",
        "'curl' '-u' 'a:S3CRET' 'https://example.org'",
        r#"curl "https://example.org/x?sv=1&sig=S3CRET" -o /x"#,
        "'curl' 'https://example.org/x?X-Amz-Expires=1&X-Amz-Signature=S3CRET'",
        "smbclient -U 'S3CRET' //h/s -c ls",
        r#"[curl, -u, "a:S3CRET", https://example.org]"#,
        "curl -ua:S3CRET --user=a:S3CRET x",
        r#"curl -H 'Authorization: Bearer S3CRET' -H "X-Auth-Token: S3CRET" x"#,
        r#"curl -H "Authorization: token S3CRET" x"#,
        r#"echo "root:S3CRET" | chpasswd"#,
        "echo root:S3CRET|chpasswd",
        "echo 'root:S3CRET'|sudo chpasswd -e; ls",
        "chpasswd <<< 'root:S3CRET'",
        r#"printf 'root:%s\n' | x; echo "$USER:S3CRET" | /usr/sbin/chpasswd"#,
        "sh -c 'echo root:S3CRET | chpasswd'",
        r"'sh' '-c' 'echo '\''root:S3CRET'\'' | chpasswd'",
        "echo S3CRET | docker login -u bob --password-stdin",
        r#"echo -n "S3CRET" | sudo -S ls"#,
        "mysql -uroot -pS3CRET -e 'SELECT 1'",
        "'mysql' '-uroot' '-pS3CRET'",
        "mysql -p'S3CRET' db && mysqldump -pS3CRET db | mariadb -pS3CRET",
        "ls;mysql -pS3CRET",
        "docker exec db mysqladmin -u root -pS3CRET password S3CRET",
        r#"mysql -e "CREATE USER 'a'@'%' IDENTIFIED BY 'S3CRET'; FLUSH""#,
        r"'mysql' '-e' 'ALTER USER a IDENTIFIED WITH x BY '\''S3CRET'\'''",
        r#"psql -c "ALTER USER a WITH PASSWORD 'S3CRET'""#,
        "docker login -u bob -p S3CRET registry:5000",
        "sshpass -p S3CRET ssh -p 22 bob@host",
        "sshpass -pS3CRET ssh -p 22 bob@host",
        "tailscale up --authkey=S3CRET --ssh",
        "tailscale up --auth-key S3CRET --ssh",
        "aws configure set aws_secret_access_key S3CRET",
        "git config --global user.token S3CRET",
        "export PASS=S3CRET; PW=S3CRET DB_PASS='S3CRET' X_SECRET=S3CRET X_TOKEN=S3CRET LICENSE_KEY=S3CRET run",
        "htpasswd -b -c /etc/users bob S3CRET",
        "htpasswd -nb bob S3CRET",
        "useradd -m -p S3CRET bob",
        "'usermod' '-p' 'S3CRET' 'mysql'",
        "useradd -mp S3CRET bob",
        "k3s agent --server https://x:6443 --token S3CRET",
        "kubeadm join 10.0.0.1:6443 --token S3CRET --discovery-token-ca-cert-hash sha256:abc",
        "curl -sfL https://get.k3s.io | K3S_TOKEN=S3CRET sh -",
        "openssl passwd -6 S3CRET",
        "pro attach S3CRET",
        "redis-cli -a S3CRET ping",
        "echo 'mysql-server mysql-server/root_password password S3CRET' | debconf-set-selections",
        "nmcli dev wifi connect home password S3CRET ifname wlan0",
        "password = S3CRET",
        r#"curl -d '{"user":"a","password":"S3CRET"}' x"#,
        r#"curl -d '{"password": "S3CRET"}' x"#,
        r#"  - "mysql -pS3CRET 'unclosed""#,
        "don't --token S3CRET it's",
        "mysql \\\n  -pS3CRET\nls -l",
    ];

    #[test]
    fn what_commands_take_is_masked_and_the_rest_stays() {
        for text in COMMANDS {
            let expected = text.replace("S3CRET", MASK);
            assert_eq!(patterns(text), expected, "{text}");
            assert_eq!(patterns(&expected), expected, "again");
            let quoted = patterns(&format!("sh -c {}", crate::script::quote(text)));
            assert!(!quoted.contains("S3CRET"), "{quoted}");
        }
        for (text, expected) in [
            ("--password 'two S3CRET words' x", "--password '***' x"),
            ("--password='two S3CRET words' x", "--password='***' x"),
            ("echo \"root:two S3CRET\" | chpasswd", "echo \"root:***\" | chpasswd"),
            ("printf '%s:%s' root S3CRET | chpasswd", "printf '%s:***' *** *** | chpasswd"),
            ("chpasswd <<EOF\nroot:S3CRET\nann:S3CRET\nEOF", "chpasswd <<EOF\nroot:***\nann:***\nEOF"),
            ("ssh x \"mysql --password=S3CRET -e 'SELECT 1'\"", "ssh x \"mysql --password=*** -e 'SELECT 1'\""),
            ("SELECT PASSWORD('S3CRET')", "SELECT PASSWORD('***')"),
            ("größe=1 ä=2 »DB_PASS=S3CRET →pass=S3CRET", "größe=1 ä=2 »DB_PASS=*** →pass=***"),
            ("siehe »https://bob:S3CRET@example.org", "siehe »https://***@example.org"),
        ] {
            assert_eq!(patterns(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_is_left_as_it_is() {
        for text in [
            "ssh -p 22 bob@host && mkdir -p /srv",
            "docker run -d -p 80:80 -u 1000:1000 --name web nginx",
            "mysql -u root -p db",
            "adduser --disabled-password bob",
            "systemctl restart mysql; cp -pr /a /b",
            "grep -q root:x /etc/passwd",
            "echo a:b | tee /etc/x",
            "tar --use-compress-program=pigz -xpf a.tar",
            "chpasswd: command not found",
            "curl --cacert /x https://example.org/?a=1",
            "TLS_KEY=/etc/tls/private.key SSH_PUBLIC_KEY=abc PWD=/srv run",
            "set the password of bob, to be changed at first login",
            "apt-key adv --keyserver hkps://keys.example.org --recv-keys ABCD",
            "it isn't [a list of passwords, as 'such'",
        ] {
            assert_eq!(patterns(text), text);
        }
    }

    proptest::proptest! {
        /// Every text of a command, of a log or of a document comes by here: none may end the program.
        #[test]
        fn no_text_ends_the_program(text in "([a-zA-Z\"'`=:@/|;,<>$ \t\n-]|pass|token|://|echo |mysql -p|[äé»→\u{a0}\u{3000}\u{fffd}😀]){0,40}") {
            let _ = patterns(&text);
        }
    }

    /// Each of them once took time by the square of its length: minutes, where it now takes none.
    #[test]
    fn long_and_odd_texts_are_read_to_their_end() {
        for part in ["echo | ", "token", "'\"", "[a,", "\\\"", "a_key=/", "mysql -p x;", "echo ", "ä'\\", "'[\"["] {
            let text = part.repeat(100_000 / part.len()) + "\ncurl -u bob:hunter22 x\n";
            assert!(patterns(&text).ends_with("\ncurl -u bob:*** x\n"), "{part}");
        }
    }
}
