//! Operations on a throwaway root.
#![allow(clippy::disallowed_methods)]

mod download;
mod files;

use std::collections::BTreeMap;

use super::*;

/// Called as usual.
static APT_GET: AptGet = AptGet { command: Vec::new(), wrapper: Vec::new(), wrapper_if_there: false, upgrade: None };

/// A root with the accounts every system has.
pub struct Root {
    pub dir: tempfile::TempDir,
    pub host: Host,
}

impl Root {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let host = Host::rooted(dir.path());
        let root = Self { dir, host };
        let me = Attributes::own(0);
        root.put("/etc/passwd", &format!("root:x:0:0::/root:/bin/sh\nbob:x:{}:{}::/home/bob:/bin/sh\n", me.uid, me.gid));
        root.put("/etc/group", &format!("root:x:0:\nbob:x:{}:\n", me.gid));
        root
    }

    pub fn put(&self, path: &str, text: &str) {
        let real = self.host.real_path(path);
        std::fs::create_dir_all(real.parent().expect("parent")).expect("directories");
        std::fs::write(real, text).expect("write");
    }

    pub fn text(&self, path: &str) -> String {
        self.host.read_text(path).expect("read").unwrap_or_else(|| panic!("{path} is missing"))
    }

    pub fn mode(&self, path: &str) -> u32 {
        self.host.status(path).expect("status").expect("there").attributes.mode
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            host: &self.host,
            output: self.dir.path().join("output"),
            env: BTreeMap::new(),
            deadline: crate::host::process::Limit::begin(None),
            silence: None,
            backups: "/state/backups".into(),
            downloads: "/state/downloads".into(),
            instance: "i-1".into(),
            datasource: "nocloud".into(),
            resources: Resources::default(),
            apt_get: &APT_GET,
            say: &|_| {},
        }
    }

    /// As the engine does it: check, prior, apply, verify, check; returns what undoing needs.
    #[track_caller]
    pub fn done(&self, operation: &Operation) -> Prior {
        let context = self.context();
        assert_eq!(check(operation, &context).expect("check"), Checked::Needed);
        let before = prior(operation, &context).expect("prior");
        apply(operation, &context).expect("apply");
        verify(operation, &context).expect("verify");
        before
    }

    #[track_caller]
    pub fn satisfied(&self, operation: &Operation) {
        assert_eq!(check(operation, &self.context()).expect("check"), Checked::Satisfied);
    }

    #[track_caller]
    pub fn refused(&self, operation: &Operation) -> Failure {
        let context = self.context();
        prior(operation, &context).and_then(|_| apply(operation, &context)).expect_err("must be refused")
    }
}
