//! `cloud-init collect-logs`: landfall's logs and state as one archive that only root can read.

use std::time::Duration;

use super::super::{out, Answer};
use super::words::Words;
use crate::error::exit;
use crate::host::process::Spec;
use crate::host::Host;

/// `$1` is the archive, `$2` says `redact`. What only root may read is left out then. The archive is moved to its place: a link that
/// somebody has put there is not written through.
const SCRIPT: &str = r#"umask 077
name=cloud-init-logs-$(date -u +%Y-%m-%d)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/$name" && cd "$work/$name" || exit 1
landfall --version >version
[ "$2" = redact ] || { landfall status --long >status.txt; landfall why >why.txt; } 2>&1
dmesg >dmesg.txt 2>&1
journalctl --boot=0 -o short-precise --no-pager >journal.txt 2>&1
journalctl --boot=-1 -o short-precise --no-pager >journal-previous.txt 2>/dev/null
{
  find -L /run/cloud-init /etc/cloud /etc/landfall /var/lib/cloud/data /var/lib/cloud/instance/ /run/landfall/*.json -maxdepth 2 -type f
  [ "$2" = redact ] || find /var/lib/landfall -type f ! -path '*/backups/*'
  find /var/log/landfall.log*
} 2>/dev/null | while read -r file; do
  [ "$2" != redact ] || [ -n "$(find -L "$file" -perm -004)" ] || [ "${file#/var/log/}" != "$file" ] || continue
  mkdir -p ".${file%/*}" && cp "$file" ".$file"
done
tar -C "$work" -czf "$work/archive" "$name" && mv -fT "$work/archive" "$1""#;

/// Collects.
pub fn collect_logs(words: &Words, host: &Host) -> Answer {
    super::super::refusal::require_root("collect-logs")?;
    let asked = words.value("tarfile").unwrap_or("cloud-init.tar.gz");
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let archive = here.join(asked).display().to_string();
    let redact = words.has("redact-sensitive");
    let mode = if redact { "redact" } else { "all" };
    host.run_ok(&Spec::new(["sh", "-c", SCRIPT, "collect-logs", &archive, mode]).deadline(Duration::from_secs(300)))?;
    out::complain(&format!("Wrote {archive}\n"));
    if !redact {
        out::complain(
            "It holds user-data and what commands said, secrets among them; --redact-sensitive leaves out what only root may read.\n",
        );
    }
    Ok(exit::OK)
}
